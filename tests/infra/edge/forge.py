"""Somebody with keys who signs what the catalog never would: the device has to notice by itself.

`Forger` takes any of the office's keys and writes TUF metadata that is whole in itself, whatever it says.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from catalog.attest.keys import load
from catalog.attest.roles import public_key
from catalog.domain.base import canonical
from catalog.domain.release import CurrentRelease, DenyList, ReleaseManifest
from tests.support.releases import APPROVERS, CLASS, ROOTS, Office


class Forger:
    """Changes an office's repository in place, at the office's time."""

    def __init__(self, office: Office, hours: float = 24) -> None:
        self.office, self.folder = office, office.repository.folder
        self.expires = (office.at + timedelta(hours=hours)).replace(microsecond=0)

    def signer(self, name: str) -> CryptoSigner:
        return CryptoSigner(load(self.office.key(name)), public_key(self.office.public(name)))

    def newest(self, role: str) -> Metadata[Any]:
        """The newest metadata of a role."""
        if role == "timestamp":
            return Metadata.from_file(str(self.folder / "metadata" / "timestamp.json"))
        found = max(self.folder.glob(f"metadata/*.{role}.json"), key=lambda path: int(path.name.partition(".")[0]))
        return Metadata.from_file(str(found))

    def choose(
        self, current: CurrentRelease | Mapping[str, Any] | bytes, denied: DenyList | bytes | None = None
    ) -> None:
        """Sign a choice, and a deny list, with the online key, whatever they say."""
        role = self.newest("current")
        documents: dict[str, Any] = {f"current/{CLASS}.json": current}
        if denied is not None:
            documents["denied.json"] = denied
        for path, document in documents.items():
            role.signed.targets[path] = self.lay(path, _bytes(document))
        self.write("current", role, ("release",))
        self.list_roles("current")

    def release(
        self, manifest: ReleaseManifest | bytes, names: Sequence[str] = APPROVERS, *, path: str | None = None,
        custom: dict[str, Any] | None = None, device_class: str = CLASS,
    ) -> None:  # fmt: skip
        """List a manifest in the role of a class, signed by these."""
        if path is None or custom is None:
            assert isinstance(manifest, ReleaseManifest)
        where = path if path is not None else f"{CLASS}/{manifest.id}.json"  # type: ignore[union-attr]
        role = self.newest(device_class)
        found = self.lay(where, _bytes(manifest))
        found.unrecognized_fields["custom"] = custom if custom is not None else manifest.custom()  # type: ignore[union-attr]
        role.signed.targets[where] = found
        self.write(device_class, role, names)
        self.list_roles(device_class)

    def lay(self, path: str, data: bytes) -> TargetFile:
        """Put a target where clients look for it."""
        digest = hashlib.sha256(data).hexdigest()
        folder, _, name = path.rpartition("/")
        out = self.folder / "targets" / folder / f"{digest}.{name}"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(data)
        return TargetFile(len(data), {"sha256": digest}, path)

    def write(self, role: str, metadata: Metadata[Any], names: Sequence[str]) -> None:
        """The next version of a role, signed by these keys and no other."""
        metadata.signed.version += 1
        metadata.signed.expires = self.expires
        self.place(role, metadata, names)

    def place(self, role: str, metadata: Metadata[Any], names: Sequence[str]) -> None:
        """Sign and write metadata as it is."""
        metadata.signatures.clear()
        for name in names:
            metadata.sign(self.signer(name), append=True)
        number = "" if role == "timestamp" else f"{metadata.signed.version}."
        (self.folder / "metadata" / f"{number}{role}.json").write_bytes(metadata.to_bytes())

    def list_roles(self, *roles: str) -> None:
        """Snapshot and timestamp that list the newest of these roles."""
        snapshot: Metadata[Snapshot] = self.newest("snapshot")
        for role in roles:
            snapshot.signed.meta[f"{role}.json"] = MetaFile(self.newest(role).signed.version)
        self.write("snapshot", snapshot, ("release",))
        self.stamp()

    def stamp(self) -> None:
        """A timestamp of the newest snapshot."""
        timestamp: Metadata[Timestamp] = self.newest("timestamp")
        timestamp.signed.snapshot_meta = MetaFile(self.newest("snapshot").signed.version)
        self.write("timestamp", timestamp, ("release",))

    def delegate(self, change: Any, names: Sequence[str] = APPROVERS) -> None:
        """Change the approvers' delegations."""
        targets: Metadata[Targets] = self.newest("targets")
        change(targets.signed.delegations)
        self.write("targets", targets, names)
        self.list_roles("targets")

    def root(self, change: Any, names: Sequence[str] = ROOTS) -> None:
        """A next root, changed."""
        root: Metadata[Root] = self.newest("root")
        change(root.signed)
        root.signed.version += 1
        self.place("root", root, names)


def _bytes(document: Any) -> bytes:
    if isinstance(document, bytes):
        return document
    return document.canonical() if hasattr(document, "canonical") else canonical(document)


def copied(folder: Path, out: Path) -> Path:
    """A copy of a repository, as it is now."""
    shutil.copytree(folder, out, dirs_exist_ok=True)
    return out
