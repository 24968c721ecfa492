"""Withdraw a release: one person denies it for good, and every device is told; who has heard is said device by device.

The claim is "withdrawal published". A device that has not acknowledged may run until its lease ends, and not longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.device import Device
from catalog.domain.release import Denial, Withdrawal
from catalog.errors import Conflict, Invalid, Refused
from catalog.services import device_records, release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.deny import deny_reached
from catalog.services.intent import Kind, Operations, Work
from catalog.services.publish import publish


def start(operations: Operations, by: str, identity: str, reason: str) -> str:
    """Begin the withdrawal of a release; returns the operation's id."""
    context = operations.context
    with refusals_audited(context, by, "release.withdraw", identity):
        release = release_records.release(context, identity)
        if not reason.strip():
            raise Invalid("input-invalid", "a withdrawal needs a reason", do="say it with --reason")
        if release.allowed_at is None:
            raise Refused("no-release-allowed", "this release was never allowed", where=identity)
        with context.records.read() as c:
            if release_records.denials(c, identity):
                raise Conflict("already-exists", f"release {identity} is withdrawn already")
        arguments = {"release": identity, "reason": reason.strip()}
        return operations.start("withdraw", by, arguments).id


def _deny(work: Work) -> None:
    """Deny it, once."""
    context, arguments = work.context, work.arguments
    with context.records.write(work.intent.by) as write:
        if deny_reached(context, write, [arguments["release"]], arguments["reason"]):
            write.audit("release.withdraw", arguments["release"], reason=arguments["reason"])


def _publish(work: Work) -> None:
    """Tell the devices."""
    publish(work.context)


def _record(work: Work, write: Write) -> dict[str, Any]:
    write.audit("release.withdrawn", work.arguments["release"])
    return {"release": work.arguments["release"], "reason": work.arguments["reason"]}


def _abandon(_work: Work) -> None:
    """A denial stands; the next poll publishes it."""


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"withdraw:{arguments['release']}"  # not "releases": a promotion that stages its files must not hold it up


KIND = Kind("withdraw", (_deny, _publish), _record, _abandon, _serial, urgent=True)


def withdrawal(context: Context, denials: Sequence[Denial]) -> Withdrawal:
    """How far a withdrawal has come: per device of the classes it touches, acknowledged or until when exposed."""
    refused = {d.release for d in denials}
    classes = {release_records.release(context, r).manifest.device_class for r in refused}
    published = [d.published_at for d in denials if d.published_at is not None]
    with context.records.read() as c:
        states = [
            device_records.state(c, device, refused)
            for name in sorted(classes)
            for device in records.many(c, tables.device, Device, order="name", device_class=name)
            if device.retired_at is None
        ]
    return Withdrawal(
        denials=tuple(denials),
        published_at=max(published) if published and len(published) == len(denials) else None,
        devices=tuple(states),
    )
