"""A device's home: who it is, its key and token, its state, the signed files it keeps, its releases.

```
device.json  device.pem  token  root.json      who it is; written once
state.json                                     the one truth, replaced as a whole
kept/<sha256>                                  signed metadata and documents that the state names
releases/<id>/                                 installed files; the current and the previous one
outbox/<seq>.json                              reports not yet delivered
incoming/  run/                                work; what a crash leaves there is removed at the next act
```
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.edge.decide import Identity
from infra.edge.disk import locked, read_plain, remove, write
from infra.edge.document import LIMIT, Unreadable, closed, digest, listing, sha256, slug, strict_json, text
from infra.edge.errors import Damaged, Unavailable, disk
from infra.edge.state import State

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The device's own clock, as it is set."""
    return datetime.now(UTC)  # noqa: TID251  # the one place that asks the clock; everything else is given it


@dataclass(frozen=True)
class Enrolment:
    """What provisioning fixed: the identity, the root's digest, where to fetch from, the site's own commands."""

    identity: Identity
    root_digest: str
    source: str | None
    safe_state: tuple[str, ...]
    health: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As plain data."""
        who = self.identity
        return {
            "schema": "edge-device@1",
            "name": who.name,
            "device_class": who.device_class,
            "environment": who.environment,
            "hardware": who.hardware,
            "site": who.site,
            "root_digest": self.root_digest,
            "source": self.source,
            "safe_state": list(self.safe_state),
            "health": list(self.health),
        }


def _enrolment(data: Any) -> Enrolment:
    names = [one.name for one in (*fields(Identity), *fields(Enrolment)) if one.name != "identity"]
    d = closed(data, *names, schema="edge-device@1")
    return Enrolment(
        identity_of(d),
        digest(d["root_digest"], "root_digest"),
        None if d["source"] is None else text(d["source"], "source"),
        tuple(text(word, "safe_state") for word in listing(d["safe_state"], "safe_state", 100)),
        tuple(text(word, "health") for word in listing(d["health"], "health", 100)),
    )


def identity_of(d: Mapping[str, Any]) -> Identity:
    """An identity from plain data."""
    return Identity(
        slug(d["name"], "name"),
        slug(d["device_class"], "device_class"),
        slug(d["environment"], "environment"),
        text(d["hardware"], "hardware", 200),
        None if d["site"] is None else text(d["site"], "site", 200),
    )


class Device:
    """One home. Read anything at any time; change it only inside `locked`."""

    def __init__(self, home: Path, clock: Clock = wall_clock) -> None:
        self.home, self.clock = home.absolute(), clock  # the site's commands may change folder
        self.enrolment = self._read_enrolment()
        self.identity = self.enrolment.identity

    def locked(self) -> AbstractContextManager[None]:
        """One act at a time."""
        return locked(self.home / "lock")

    def release(self, identity: str) -> Path:
        """Where a release's files are."""
        return self.home / "releases" / identity

    def state(self) -> State:
        """The state; raises `Damaged("state-damaged")` where it cannot be read."""
        return State.parse(self._own("state.json", "state-damaged"))

    def save(self, state: State) -> State:
        """Replace the state."""
        write(self.home / "state.json", state.canonical())
        return state

    def root(self) -> bytes:
        """The root that the device was provisioned with; its digest is checked wherever it is used."""
        return self._own("root.json")

    def token(self) -> str:
        """The device's token."""
        return self._own("token").decode("ascii", "replace").strip()

    def key(self) -> bytes:
        """The device's private key, PEM."""
        return self._own("device.pem")

    def keep(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Keep signed files by digest; returns what the state has to name."""
        named = {name: sha256(data) for name, data in files.items()}
        for name, data in files.items():
            path = self._kept(named[name])
            if read_plain(path, LIMIT) != data:
                write(path, data)
        return named

    def kept(self, named: Mapping[str, str]) -> dict[str, bytes]:
        """The signed files that the state names; one that is not what it was is left out, and so allows nothing."""
        found = {name: self.kept_file(value) for name, value in named.items()}
        return {name: data for name, data in found.items() if data is not None}

    def kept_file(self, value: str) -> bytes | None:
        """One kept file by digest."""
        data = read_plain(self._kept(value), LIMIT)
        return data if data is not None and sha256(data) == value else None

    def clean(self, state: State) -> None:
        """Remove what an interrupted act left, and what nothing names any more."""
        named = {value.removeprefix("sha256:") for value in state.permit.values()}
        for path in self._inside("kept"):
            if path.name not in named:
                remove(path)
        for path in self._inside("releases"):
            if path.name not in {state.current, state.previous}:
                remove(path)
        for path in [*self._inside("incoming"), *self.home.glob(".*.new"), *self.home.glob("outbox/.*.new")]:
            remove(path)
        for path in self._inside("run"):
            if path.suffix == ".lock" and not _held(path):
                remove(path.with_suffix(""))
                remove(path)

    def running(self) -> bool:
        """Whether a command that this home started is alive."""
        return any(_held(path) for path in (self.home / "run").glob("start-*.lock"))

    @contextmanager
    def working_copy(self, name: str) -> Iterator[tuple[Path, int]]:
        """A folder for a private copy, and a lock that says it is in use as long as any process has it open."""
        lock = self.home / "run" / f"{name}.lock"
        with disk():
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield lock.with_suffix(""), handle
        finally:
            remove(lock.with_suffix(""))
            remove(lock)
            os.close(handle)

    def _inside(self, name: str) -> list[Path]:
        with disk():
            return sorted((self.home / name).iterdir())

    def _kept(self, value: str) -> Path:
        return self.home / "kept" / value.removeprefix("sha256:")

    def _read_enrolment(self) -> Enrolment:
        if not (self.home / "device.json").exists():
            do = "run `assay-edge provision`"
            raise Unavailable("not-provisioned", f"{self.home} is no device's home", do)
        try:
            return _enrolment(strict_json(self._own("device.json")))
        except Unreadable as error:
            raise Damaged("home-damaged", f"device.json: {error}", "provision this device again") from error

    def _own(self, name: str, kind: str = "home-damaged") -> bytes:
        data = read_plain(self.home / name, LIMIT)
        if data is None:
            do = "provision this device again, and find out what became of the file"
            raise Damaged(kind, f"{name} cannot be read; nothing starts", do)
        return data


def _held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)
