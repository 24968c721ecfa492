"""Take what a device reports of itself: signed by its own key, in order, kept with its envelope.

A report changes nothing but what is known of that device; it never allows anything.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from catalog.attest.envelope import DEVICE_REPORT, verify
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import sha256, utc_text
from catalog.domain.device import ChangeTimes, Device, DeviceReport, DeviceView, ReceivedReport
from catalog.domain.release import Release
from catalog.errors import Absent, Conflict, Refused
from catalog.services import lineage_edges, release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context

LOOKED = 20  # reports that are looked through for the last change
INSTALLED = frozenset({"installed", "current", "returned", "started"})


def receive_report(context: Context, by: str, envelope: dict[str, Any]) -> ReceivedReport:
    """Verify and keep one report; the same report again changes nothing, an older one is refused."""
    now, _ = context.records.now()
    verified = verify(envelope, DEVICE_REPORT, context.keys(), role="device", at=now)
    with refusals_audited(context, by, "device.report", sha256(verified.payload)):
        report = DeviceReport.parse(verified.payload)
        if {k.principal for k in verified.keys} != {by} or report.device != by:
            raise Refused("separation-of-duties", f"{by} brought a report of {report.device}", do="report for yourself")
        device(context, by)
        with context.records.write(by) as write:
            last = _newest(write.connection, by)
            if last is not None and report.seq <= last.report.seq:
                if kept := _same(write, report):
                    return kept
                what = f"{by} has reported up to {last.report.seq}; {report.seq} is older or another"
                raise Conflict("release-outdated", what, do="a device counts its reports and never goes back")
            received = ReceivedReport(report=report, envelope=envelope, received_at=write.now)
            write.insert(tables.device_report, received, device=by, seq=report.seq, received_at=utc_text(write.now))
            write.audit(
                "device.report", by, seq=report.seq, event=report.event, release=report.release, kind=report.kind,
                seen=report.seen.document() if report.seen else None,
            )  # fmt: skip
            if report.release is not None and report.event in INSTALLED:
                _installed(write, by, report.release)
    return received


def _installed(write: Write, device_name: str, identity: str) -> None:
    """An edge, when the catalog knows the release; what a device claims beyond that stays its claim."""
    if records.one(write.connection, tables.release, Release, id=identity) is not None:
        lineage_edges.of_install(write, identity, device_name)


def _same(write: Write, report: DeviceReport) -> ReceivedReport | None:
    found = records.one(write.connection, tables.device_report, ReceivedReport, device=report.device, seq=report.seq)
    return found if found is not None and found.report == report else None


def _newest(connection: Any, name: str) -> ReceivedReport | None:
    t = tables.device_report
    body = connection.execute(select(t.c.body).where(t.c.device == name).order_by(t.c.seq.desc()).limit(1)).scalar()
    return ReceivedReport.parse(body) if body is not None else None


def newest_report(context: Context, name: str) -> ReceivedReport | None:
    """The newest report of a device, or None."""
    with context.records.read() as c:
        return _newest(c, name)


def _changed(context: Context, name: str) -> ChangeTimes:
    """The times of the device's last change, from the newest of its last reports that says them."""
    t = tables.device_report
    with context.records.read() as c:
        bodies = c.execute(select(t.c.body).where(t.c.device == name).order_by(t.c.seq.desc()).limit(LOOKED)).scalars()
        reports = [ReceivedReport.parse(body).report for body in bodies]
    return next((r.times for r in reports if r.times != ChangeTimes()), ChangeTimes())


def device(context: Context, name: str) -> Device:
    """An enrolled device."""
    with context.records.read() as c:
        found = records.one(c, tables.device, Device, name=name)
    if found is None:
        raise Absent("device-unknown", f"no device {name!r}", do="enrol it: assay device enrol REQUEST")
    return found


def devices(context: Context) -> list[DeviceView]:
    """Every device, what it last said, and what it still has to hear."""
    with context.records.read() as c:
        found = records.many(c, tables.device, Device, order="name")
    return [device_view(context, d) for d in found]


def device_view(context: Context, found: Device) -> DeviceView:
    """One device as it last spoke."""
    newest = newest_report(context, found.name)
    with context.records.read() as c:
        chosen = release_records.choice(c, found.device_class)
        own = {r.manifest.id for r in release_records.of_class(c, found.device_class)}
        refused = {d.release for d in release_records.denials(c)} & own
    heard = set(newest.report.denied) if newest is not None else set()
    pending = tuple(sorted(refused - heard))
    wanted = chosen.release if chosen is not None else None
    return DeviceView(
        device=found,
        newest=newest.report if newest is not None else None,
        changed=_changed(context, found.name) if newest is not None else ChangeTimes(),
        last_seen=newest.received_at if newest is not None else None,
        chosen=wanted,
        acknowledged=newest is not None and not pending and newest.report.release == wanted,
        pending=pending,
        exposure_until=newest.report.lease_until if newest is not None and pending else None,
    )
