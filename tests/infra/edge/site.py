"""A site: a catalog's release repository with real keys, a device beside it, and a clock that the test sets."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.domain.base import sha256
from catalog.domain.model import ModelFile
from catalog.domain.release import ReleaseManifest
from infra.edge.device import Device
from infra.edge.errors import EdgeError
from infra.edge.fetch import FolderSource, source
from infra.edge.provision import provision
from infra.edge.pull import Outcome, pull
from infra.edge.report import _payload, outbox
from infra.edge.start import load
from tests.support.releases import CLASS, NOW, Office

CONTRACT: dict[str, Any] = {
    "inputs": [{"name": "state", "shape": [3], "dtype": "float32", "rate_hz": 20}],
    "outputs": [{"name": "action", "shape": [3], "dtype": "float32", "rate_hz": 20}],
    "normalisation": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
    "preprocessing": "none",
    "runtime": {"name": "numpy", "version": "2"},
    "rate_hz": 20,
    "action_type": "absolute joint position",
    "base_model": None,
}


def npz(**arrays: Any) -> bytes:
    """An npz as numpy writes it."""
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def model(number: int) -> dict[str, bytes]:
    """The files of an honest model."""
    weights = npz(w=np.full((8, 8), float(number), dtype=np.float32), b=np.arange(number + 1))
    return {"contract.json": json.dumps(CONTRACT).encode(), "weights.npz": weights}


@dataclass
class Site:
    """`now` is the device's clock; `office.at` is the catalog's."""

    folder: Path
    office: Office
    now: datetime
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path, at: datetime = NOW, **options: Any) -> Site:
        return cls(folder, Office.begin(folder / "office", at), at, options)

    @property
    def releases(self) -> Path:
        return self.office.repository.folder

    @property
    def home(self) -> Path:
        return self.folder / "arm-7"

    @property
    def device(self) -> Device:
        """The device, provisioned when it is not yet."""
        if not self.home.exists():
            given = {
                "name": "arm-7",
                "device_class": CLASS,
                "environment": "demo",
                "hardware": "any",
                "root": self.releases / "metadata" / "1.root.json",
                "root_digest": self.office.repository.root_digest(),
                "source": str(self.releases),
                **self.options,
            }
            provision(self.home, clock=lambda: self.now, **given)
        return Device(self.home, lambda: self.now)

    def later(self, hours: float) -> None:
        """Time passes, for both."""
        self.now += timedelta(hours=hours)
        self.office.at += timedelta(hours=hours)
        self.office.seq += 1

    def manifest(self, number: int, files: Mapping[str, bytes] | None = None, **changes: Any) -> ReleaseManifest:
        """A release whose files are staged."""
        found = model(number) if files is None else files
        for data in found.values():
            self.office.repository.stage(sha256(data), data)
        listed = tuple(ModelFile(path=path, size=len(data), sha256=sha256(data)) for path, data in found.items())
        identity = sha256(b"".join(found.values()) + str(number).encode())
        return self.office.manifest(number).model_copy(update={"files": listed, "model": identity, **changes})

    def promote(
        self, manifest: ReleaseManifest, *fallbacks: ReleaseManifest, denied: Sequence[ReleaseManifest] = ()
    ) -> ReleaseManifest:
        """Sign and publish a release that is not listed yet, and choose it."""
        self.choose(manifest, *fallbacks, denied=denied, new=(manifest,))
        return manifest

    def choose(
        self,
        manifest: ReleaseManifest | None,
        *fallbacks: ReleaseManifest,
        denied: Sequence[ReleaseManifest] = (),
        new: Sequence[ReleaseManifest] = (),
    ) -> None:
        """Publish a choice."""
        choice = self.office.choice(manifest, CLASS, *(f.id for f in fallbacks))
        self.office.publish(*new, choices=[choice], denied=denied)

    def source(self, folder: Path | None = None) -> FolderSource:
        found = source(str(folder or self.releases), "token")
        assert isinstance(found, FolderSource)
        return found

    def pull(self, folder: Path | None = None) -> Outcome:
        return pull(self.device, self.source(folder))

    def refuses(self, kind: str, folder: Path | None = None) -> EdgeError:
        """A pull is refused by this name, says what to do, is reported, and leaves what is installed as it was."""
        return self.refuses_one_of(kind, folder=folder)

    def refuses_one_of(self, *kinds: str, folder: Path | None = None) -> EdgeError:
        """As `refuses`, where the first of several contradictions is named."""
        before = self.installed()
        with pytest.raises(EdgeError) as caught:
            self.pull(folder)
        assert caught.value.kind in kinds, str(caught.value)
        assert caught.value.what
        assert caught.value.do
        assert self.installed() == before
        silent = caught.value.kind.startswith("source-")  # the source's fault is none of the device's
        assert silent or caught.value.kind in [one["kind"] for one in self.reports()]
        return caught.value

    def refuses_swap(self, kind: str) -> EdgeError:
        """A pull is refused after its files were fetched: what runs is what ran, and they wait unused."""
        before = self.device.state()
        with pytest.raises(EdgeError) as caught:
            self.pull()
        after = self.device.state()
        assert caught.value.kind == kind, str(caught.value)
        assert (after.current, after.previous, after.trial) == (before.current, before.previous, before.trial)
        return caught.value

    def starts(self) -> int:
        """The number of the release that starts now."""
        return load(self.device).number

    def not_started(self, kind: str) -> EdgeError:
        """A start is refused by this name, and reported."""
        with pytest.raises(EdgeError) as caught:
            load(self.device)
        assert caught.value.kind == kind, str(caught.value)
        assert caught.value.do
        assert self.reports()[-1]["kind"] == kind
        return caught.value

    def installed(self) -> tuple[Any, ...]:
        """What a refusal may not change: the releases on disk and the choice of them; nothing half-done lies about."""
        state = self.device.state()
        assert not list((self.home / "incoming").iterdir())
        assert not list(self.home.rglob(".*.new"))
        assert not list((self.home / "run").iterdir())
        named = [self.home / "releases" / str(name) for name in (state.current, state.previous) if name]
        files = {path: path.read_bytes() for folder in named for path in folder.rglob("*") if path.is_file()}
        return state.current, state.previous, state.trial, files

    def reports(self) -> list[dict[str, Any]]:
        """What waits in the outbox, oldest first."""
        return [_payload(path) for path in outbox(self.device)]

    def events(self) -> list[str]:
        return [one["event"] for one in self.reports()]


def wall() -> datetime:
    """The machine's time, for tests of whole processes."""
    return datetime.now(UTC)
