"""Releases as they are recorded: found by id, by model or by class, with who signed them and what denies them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.device import Device
from catalog.domain.principal import Key
from catalog.domain.release import Choice, Denial, Release, ReleaseSignature, ReleaseView, State
from catalog.errors import Absent
from catalog.services.context import Context
from catalog.services.denied import Denied

ALLOWED: tuple[State, ...] = ("allowed", "published")


def release(context: Context, identity: str) -> Release:
    """A release by its id."""
    with context.records.read() as c:
        return find(c, identity)


def find(connection: Connection, identity: str) -> Release:
    """A release as this transaction sees it."""
    found = records.one(connection, tables.release, Release, id=identity)
    if found is None:
        raise Absent("release-unknown", f"no release {identity!r}", do="see `assay release list`")
    return found


def of_class(connection: Connection, device_class: str) -> list[Release]:
    """All releases of a class that were ever allowed, oldest first."""
    found = records.many(connection, tables.release, Release, order="id", device_class=device_class)
    allowed = [r for r in found if r.allowed_at is not None]
    return sorted(allowed, key=lambda r: r.manifest.number)


def signatures(connection: Connection, identity: str) -> list[ReleaseSignature]:
    """Who signed a release."""
    return records.many(connection, tables.release_signature, ReleaseSignature, order="keyid", release=identity)


def approvers(connection: Connection, found: Release, also_at: datetime | None = None) -> set[str]:
    """The distinct people, with distinct keys, whose signature on a release counts.

    A lost key's earlier signatures stand; with `also_at` the key itself must count at that time, too.
    """
    keys = {k.keyid: k for k in records.many(connection, tables.key, Key, order="keyid")}
    counting: dict[str, str] = {}
    for signed in signatures(connection, found.manifest.id):
        key = keys.get(signed.keyid)
        if key is not None and not any(key.counts("approver", at) for at in (signed.at, also_at) if at is not None):
            counting[key.public] = signed.principal
    return set(counting.values())


def denials(connection: Connection, identity: str | None = None) -> list[Denial]:
    """What denies a release, or all denials."""
    if identity is None:
        return records.many(connection, tables.denial, Denial, order="id")
    return records.many(connection, tables.denial, Denial, order="id", release=identity)


def denied(connection: Connection, found: Release) -> list[Denial]:
    """What denies this release: its own denials, and those of any release of the same weights."""
    return Denied(connection).release(found)


def choices(connection: Connection, device_class: str) -> list[Choice]:
    """Everything that a class was said to run, newest first."""
    return records.many(
        connection, tables.choice, Choice, order="requested_at", newest_first=True, device_class=device_class
    )


def choice(connection: Connection, device_class: str) -> Choice | None:
    """What the class should run, as last said."""
    return next(iter(choices(connection, device_class)), None)


def choose(write: Write, chosen: Choice, action: Literal["release.choose", "release.unchoose"]) -> None:
    """Say from now on what a class should run: what is said last holds, whenever it was asked for."""
    before = choice(write.connection, chosen.device_class)
    if before is not None and chosen.requested_at <= before.requested_at:
        chosen = chosen.model_copy(update={"requested_at": write.now})
    write.insert(
        tables.choice,
        chosen,
        device_class=chosen.device_class,
        requested_at=chosen.document()["requested_at"],
        release=chosen.release,
    )
    write.audit(action, chosen.device_class, release=chosen.release, reason=chosen.reason)


def put(write: Write, changed: Release, state: State) -> None:
    """Replace the whole record of a release."""
    write.replace(tables.release, {"id": changed.manifest.id}, changed, state=state)


def view(context: Context, found: Release) -> ReleaseView:
    """A release with everything recorded about it."""
    identity = found.manifest.id
    with context.records.read() as c:
        refused = denied(c, found)
        chosen = choice(c, found.manifest.device_class)
        devices = records.many(c, tables.device, Device, order="name", device_class=found.manifest.device_class)
        return ReleaseView(
            release=found,
            state=_state(found, refused),
            chosen=chosen is not None and chosen.release == identity,
            signatures=tuple(signatures(c, identity)),
            denials=tuple(refused),
            devices=tuple(d.name for d in devices),
        )


def _state(found: Release, refused: list[Denial]) -> State:
    if refused and found.allowed_at is not None:
        return "denied"
    if found.published_at is not None:
        return "published"
    return "allowed" if found.allowed_at is not None else "proposed"
