"""Devices as they are recorded: what each last said, what it still has to hear, and until when it may act on old word.

What a device says is its claim. The end of an exposure is not: it is the last lease that was ever issued on a denied
release of its class, so no report, and no silence, shortens it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from catalog.db import records, tables
from catalog.domain.device import ChangeTimes, Device, DeviceView, ReceivedReport
from catalog.domain.release import DeviceState
from catalog.errors import Absent
from catalog.services import release_records
from catalog.services.context import Context

LOOKED = 20  # reports that are looked through for the last change


def device(context: Context, name: str) -> Device:
    """An enrolled device."""
    with context.records.read() as c:
        found = records.one(c, tables.device, Device, name=name)
    if found is None:
        raise Absent("device-unknown", f"no device {name!r}", do="enrol it: assay device enrol REQUEST")
    return found


def newest(connection: Connection, name: str) -> ReceivedReport | None:
    """The newest report of a device, or None."""
    return next(iter(_last(connection, name, 1)), None)


def devices(context: Context) -> list[DeviceView]:
    """Every device as it last spoke."""
    with context.records.read() as c:
        found = records.many(c, tables.device, Device, order="name")
        return [_view(c, d) for d in found]


def view(context: Context, found: Device) -> DeviceView:
    """One device as it last spoke."""
    with context.records.read() as c:
        return _view(c, found)


def _view(connection: Connection, found: Device) -> DeviceView:
    last = _last(connection, found.name, LOOKED)
    said = last[0].report if last else None
    choice = release_records.choice(connection, found.device_class)
    chosen = choice.release if choice is not None else None
    own = {r.manifest.id for r in release_records.of_class(connection, found.device_class)}
    denied = {d.release for d in release_records.denials(connection)} & own
    pending = denied - set(said.denied if said is not None else ())
    return DeviceView(
        device=found,
        newest=said,
        changed=next((r.report.times for r in last if r.report.times != ChangeTimes()), ChangeTimes()),
        last_seen=last[0].received_at if last else None,
        chosen=chosen,
        acknowledged=said is not None and not pending and said.release == chosen,
        pending=tuple(sorted(pending)),
        exposure_until=_exposure(connection, found.device_class, pending),
    )


def state(connection: Connection, found: Device, denied: set[str]) -> DeviceState:
    """What one device last said of itself, and whether it has heard of these denials."""
    last = newest(connection, found.name)
    said = last.report if last is not None else None
    acknowledged = said is not None and denied <= set(said.denied)
    return DeviceState(
        device=found.name,
        release=said.release if said is not None else None,
        last_seen=last.received_at if last is not None else None,
        acknowledged=acknowledged,
        exposure_until=None if acknowledged else _exposure(connection, found.device_class, denied),
    )


def _last(connection: Connection, name: str, count: int) -> list[ReceivedReport]:
    r = tables.device_report.c
    bodies = select(r.body).where(r.device == name).order_by(r.seq.desc()).limit(count)
    return [ReceivedReport.parse(body) for body in connection.execute(bodies).scalars()]


def _exposure(connection: Connection, device_class: str, denied: set[str]) -> datetime | None:
    """The end of the last lease on one of these, or None where none was ever issued."""
    lease = tables.lease.c
    among = (lease.device_class == device_class, lease.release.in_(sorted(denied)))
    until = connection.execute(select(func.max(lease.lease_until)).where(*among)).scalar()
    return datetime.fromisoformat(until) if until is not None else None
