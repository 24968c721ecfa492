"""Devices of a fleet in tests: each with a key of its own, enrolled as people enrol it, reporting as it would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from catalog.attest.envelope import DEVICE_REPORT, ENROLMENT, sign
from catalog.attest.keys import generate
from catalog.domain.base import sha256
from catalog.domain.device import ChangeTimes, DeviceReport
from catalog.domain.enrolment import DeviceFacts, KeyRequest
from catalog.domain.release import CurrentRelease
from catalog.services.enrol import enrol, propose_enrolment
from catalog.services.receive_report import receive_report
from tests.support.house import Desk


@dataclass
class Arm:
    """One simulated device, as far as the catalog sees it."""

    desk: Desk
    name: str
    key: Path
    seq: int = 0

    @classmethod
    def enrol(cls, desk: Desk, folder: Path, name: str, device_class: str = "demo-arm") -> Arm:
        """Enrolled by one approver."""
        key = folder / f"{name}.pem"
        facts = DeviceFacts(device_class=device_class, environment="demo", hardware="any", site="lab")
        token = sha256(f"token of {name}".encode())
        asked = KeyRequest(name=name, key_role="device", public=generate(key), token_digest=token, device=facts)
        shown = propose_enrolment(desk.context, "approver-1", asked)
        enrol(desk.context, "approver-1", sign(shown.enrolment.canonical(), ENROLMENT, desk.key("approver-1")))
        return cls(desk, name, key)

    def report(self, event: str = "installed", **said: Any) -> None:
        """Say that it has what its class was told; `said` replaces parts of that."""
        context = self.desk.context
        now = context.clock()
        current, denied, _ = context.releases.said()
        told: CurrentRelease | None = current.get("demo-arm")
        head, _ = context.records.head()
        self.seq += 1
        times = {name: now + timedelta(milliseconds=40 * i) for i, name in enumerate(ChangeTimes.model_fields)}
        fields = {
            "device": self.name,
            "seq": self.seq,
            "at": now,
            "time_floor": now,
            "event": event,
            "release": told.release if told else None,
            "lease_until": told.lease_until if told else None,
            "seen": head,
            "denied": tuple(d.release for d in denied.releases) if denied else (),
            "times": ChangeTimes(**times),
            **said,
        }
        report = DeviceReport(**fields)
        receive_report(context, self.name, sign(report.canonical(), DEVICE_REPORT, self.key))
