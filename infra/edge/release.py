"""The three documents a device obeys: a release's manifest, the class's current release, the deny list.

Each is a dataclass made only by `parse`, which refuses what a device cannot stand for: an unknown schema, a field too
many, a path that leaves its folder, two paths that are one file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from infra.edge.document import (
    Unreadable,
    closed,
    count,
    digest,
    listing,
    moment,
    read,
    release_id,
    slug,
    text,
)

DENIED = "denied.json"
ANY = "any"
FILE_LIMIT = 10_000


@dataclass(frozen=True)
class Head:
    """Size and RFC 6962 root of the audit log at some moment."""

    size: int
    root: str

    def __str__(self) -> str:
        return f"{self.size}:{self.root}"

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {"size": self.size, "root": self.root}


def head(data: Any) -> Head:
    """An audit head from plain data."""
    fields = closed(data, "size", "root")
    return Head(count(fields["size"], "audit_head.size"), digest(fields["root"], "audit_head.root"))


@dataclass(frozen=True)
class File:
    """One file of a release."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What to install: these files and no other, for this class, environment and hardware."""

    id: str
    number: int
    device_class: str
    environment: str
    hardware: str
    model: str
    model_name: str
    files: tuple[File, ...]
    decision: str
    policy: str
    epoch: int
    audit_head: Head
    issued_at: datetime
    lease_hours: int

    @property
    def target(self) -> str:
        """Its target path in the release repository."""
        return f"{self.device_class}/{self.id}.json"

    def custom(self) -> dict[str, str]:
        """What the signed target must say of it."""
        return {
            "class": self.device_class,
            "environment": self.environment,
            "decision": self.decision,
            "model": self.model,
            "model_name": self.model_name,
            "release": self.id,
        }

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """From its bytes, strictly."""
        return read(data, "release manifest", _manifest)


def _manifest(data: Any) -> Manifest:
    d = closed(data, *(field.name for field in fields(Manifest)), schema="release@1")
    return Manifest(
        id=release_id(d["id"], "id"),
        number=count(d["number"], "number", least=1),
        device_class=slug(d["device_class"], "device_class"),
        environment=slug(d["environment"], "environment"),
        hardware=text(d["hardware"], "hardware", 200),
        model=digest(d["model"], "model"),
        model_name=slug(d["model_name"], "model_name"),
        files=_files(d["files"]),
        decision=digest(d["decision"], "decision"),
        policy=digest(d["policy"], "policy"),
        epoch=count(d["epoch"], "epoch"),
        audit_head=head(d["audit_head"]),
        issued_at=moment(d["issued_at"], "issued_at"),
        lease_hours=count(d["lease_hours"], "lease_hours", least=1, most=24 * 90),
    )


def _files(data: Any) -> tuple[File, ...]:
    files = tuple(_file(one) for one in listing(data, "files", FILE_LIMIT))
    if not files:
        raise Unreadable("files is empty")
    taken = {one.path.casefold() for one in files}
    if len(taken) != len(files):
        raise Unreadable("files names one path twice")
    for one in files:
        if any(str(parent).casefold() in taken for parent in PurePosixPath(one.path).parents):
            raise Unreadable(f"files uses a file as the folder of {one.path!r}")
    return files


def _file(data: Any) -> File:
    d = closed(data, "path", "size", "sha256")
    return File(relative(d["path"]), count(d["size"], "files.size"), digest(d["sha256"], "files.sha256"))


def relative(value: Any) -> str:
    """A path that stays inside its folder on every file system: no root, `..`, backslash or control character."""
    path = text(value, "files.path", 1024)
    parts = path.split("/")
    odd = "\\" in path or ":" in path or not path.isprintable() or max(len(p.encode()) for p in parts) > 255
    if odd or any(part in {"", ".", ".."} or part != part.strip() for part in parts):
        raise Unreadable(f"files.path {path[:80]!r} is no plain relative path")
    return path


@dataclass(frozen=True)
class Current:
    """The signed choice with its lease: a release, or none, and what may be gone back to."""

    device_class: str
    environment: str
    release: str | None
    fallbacks: tuple[str, ...]
    reason: str
    requested_at: datetime
    issued_at: datetime
    lease_until: datetime
    epoch: int
    audit_head: Head

    @classmethod
    def parse(cls, data: bytes) -> Current:
        """From its bytes, strictly."""
        return read(data, "current release", _current)

    def names(self, release: str) -> bool:
        """Whether a release is the choice or one that may be gone back to."""
        return self.release is not None and (release == self.release or release in self.fallbacks)


def _current(data: Any) -> Current:
    d = closed(data, *(field.name for field in fields(Current)), schema="current@1")
    return Current(
        device_class=slug(d["device_class"], "device_class"),
        environment=slug(d["environment"], "environment"),
        release=None if d["release"] is None else release_id(d["release"], "release"),
        fallbacks=tuple(release_id(one, "fallbacks") for one in listing(d["fallbacks"], "fallbacks")),
        reason=text(d["reason"], "reason"),
        requested_at=moment(d["requested_at"], "requested_at"),
        issued_at=moment(d["issued_at"], "issued_at"),
        lease_until=moment(d["lease_until"], "lease_until"),
        epoch=count(d["epoch"], "epoch"),
        audit_head=head(d["audit_head"]),
    )


@dataclass(frozen=True)
class Denied:
    """One line of the deny list."""

    release: str
    model: str
    reason: str


@dataclass(frozen=True)
class DenyList:
    """Everything denied, as signed by the online key."""

    environment: str
    releases: tuple[Denied, ...]
    issued_at: datetime
    epoch: int
    audit_head: Head

    @classmethod
    def parse(cls, data: bytes) -> DenyList:
        """From its bytes, strictly."""
        return read(data, "deny list", _deny_list)


def _deny_list(data: Any) -> DenyList:
    d = closed(data, *(field.name for field in fields(DenyList)), schema="denied@1")
    return DenyList(
        environment=slug(d["environment"], "environment"),
        releases=tuple(_denied(one) for one in listing(d["releases"], "releases")),
        issued_at=moment(d["issued_at"], "issued_at"),
        epoch=count(d["epoch"], "epoch"),
        audit_head=head(d["audit_head"]),
    )


def _denied(data: Any) -> Denied:
    d = closed(data, "release", "model", "reason", "at")
    moment(d["at"], "releases.at")
    return Denied(
        text(d["release"], "releases.release", 200),
        digest(d["model"], "releases.model"),
        text(d["reason"], "releases.reason"),
    )
