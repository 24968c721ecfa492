"""Take what a device reports of itself: signed by its own key, in order, kept with its envelope.

A report changes nothing but what is known of that device; it never allows anything.
"""

from __future__ import annotations

from typing import Any

from catalog.attest.envelope import DEVICE_REPORT, signers, verify
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import sha256, utc_text
from catalog.domain.device import DeviceReport, ReceivedReport
from catalog.domain.principal import Key
from catalog.domain.release import Release
from catalog.errors import Conflict, Refused
from catalog.services import device_records, lineage_edges
from catalog.services.audit import refusals_audited
from catalog.services.context import Context

INSTALLED = frozenset({"installed", "current", "returned", "started"})


def receive_report(context: Context, by: str, envelope: dict[str, Any]) -> ReceivedReport:
    """Verify and keep one report; the same report again changes nothing, an older one is refused."""
    now, _ = context.records.now()
    with context.records.read() as c:  # of a large fleet only the keys that are named
        named = [records.many(c, tables.key, Key, order="keyid", keyid=key) for key in signers(envelope, DEVICE_REPORT)]
    verified = verify(envelope, DEVICE_REPORT, [key for found in named for key in found], role="device", at=now)
    with refusals_audited(context, by, "device.report", sha256(verified.payload)):
        report = DeviceReport.parse(verified.payload)
        if {k.principal for k in verified.keys} != {by} or report.device != by:
            raise Refused("separation-of-duties", f"{by} brought a report of {report.device}", do="report for yourself")
        device_records.device(context, by)
        with context.records.write(by) as write:
            last = device_records.newest(write.connection, by)
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
