"""A thousand devices and their catalog: promoted, recalled and rolled back by its own services, on a clock that the test sets.

Half of the fleet goes out of reach; what those devices have to say waits, and is delivered in order. Each decides for
itself by the function that a real one calls, on documents that a real one, with a home on disk, fetched and verified.
Each report is signed by the device's own key and received by the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from catalog.attest.envelope import DEVICE_REPORT, sign
from catalog.attest.keys import generate, keyid
from catalog.domain.base import sha256
from catalog.domain.clock import wall_clock
from catalog.domain.device import DeviceReport
from catalog.domain.enrolment import DeviceFacts, Enrolment
from catalog.services import device_records, recall
from catalog.services.audit import verify_audit
from catalog.services.context import Context
from catalog.services.enrol import _take_in
from catalog.services.publish import publish
from catalog.services.receive_report import receive_report
from infra.edge.decide import Identity, Shown, decide, permitted
from infra.edge.device import Device
from infra.edge.errors import EdgeError, Refused
from infra.edge.fetch import source
from infra.edge.permit import permit
from infra.edge.provision import provision
from infra.edge.pull import pull
from infra.edge.state import State
from tests.attack.attacker import CLASS, Attack
from tests.catalog.services.test_recall import made
from tests.support.house import House, ended

DEVICES = 1000
FACTS = DeviceFacts(device_class=CLASS, environment="demo", hardware="any", site="hall")


@dataclass
class Hour:
    """The clock of the catalog and of every device."""

    now: datetime = field(default_factory=lambda: wall_clock() + timedelta(seconds=1))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Simulated:
    """One device: its state, what it last verified, the reports that wait."""

    identity: Identity
    key: Path
    state: State
    shown: Shown | None = None
    waiting: list[dict[str, Any]] = field(default_factory=list)
    said: tuple[Any, ...] = ()

    def poll(self, at: datetime, published: Shown | None) -> None:
        """One round: decide on what is published, or without the catalog on what is kept; say what is new."""
        before = self.state.current
        if published is not None:
            decision = decide(self.identity, self.state, published, at)
            self.state = decision.state
            if decision.refused is None:
                self.shown = published
            if decision.release is not None and decision.release.id != before:
                self.state = replace(self.state, current=decision.release.id, previous=before)
        self.state = self.state.at_least(at)
        release, kind = self.running(at)
        event = "blocked" if release is None else "current" if release == before else "installed"
        news = (event, release, sorted(self.state.denials.releases))
        if news != self.said:
            self.said = news
            self._tell(at, event, release, kind)

    def running(self, at: datetime) -> tuple[str | None, str]:
        """The release that may run, or None and the kind of the reason."""
        if self.shown is None:
            return None, "nothing-installed"
        try:
            return permitted(self.identity, self.state, self.shown, self.state.current, at).id, ""
        except Refused as why:
            return None, why.kind

    def _tell(self, at: datetime, event: str, release: str | None, kind: str) -> None:
        self.state = replace(self.state, seq=self.state.seq + 1)
        report = {
            "schema": "device-report@1", "device": self.identity.name, "seq": self.state.seq, "at": at.isoformat(),
            "time_floor": self.state.floor.isoformat(), "event": event, "release": release, "kind": kind,
            "denied": sorted(self.state.denials.releases),
            "seen": self.state.head.document() if self.state.head else None,
        }  # fmt: skip
        self.waiting.append(sign(DeviceReport.of(report).canonical(), DEVICE_REPORT, self.key))

    def deliver(self, context: Context) -> int:
        """Everything that waits, oldest first."""
        for envelope in self.waiting:
            receive_report(context, self.identity.name, envelope)
        delivered, self.waiting = len(self.waiting), []
        return delivered


def enrolled(context: Context, folder: Path) -> list[Simulated]:
    """The whole fleet in one transaction, as an approver's signature takes in each."""
    folder.mkdir()
    fleet = []
    with context.records.write("approver-1") as write:
        for number in range(DEVICES):
            name = f"arm-{number}"
            public = generate(folder / f"{name}.pem")
            enrolment = Enrolment(
                id=context.ids(), name=name, roles=("device",), key_role="device", public=public, keyid=keyid(public),
                token_digest=sha256(name.encode()), device=FACTS, known_before=False, signatures=1,
                expires_at=write.now + timedelta(days=365), issued_at=write.now, epoch=write.epoch,
                open_until=write.now + timedelta(hours=1), audit_head=write.head,
            )  # fmt: skip
            _take_in(write, enrolment, ["approver-1"])
            identity = Identity(name, CLASS, "demo", "any")
            fleet.append(Simulated(identity, folder / f"{name}.pem", State(floor=write.now)))
    return fleet


def test_a_thousand_devices_meet_their_catalog(tmp_path: Path) -> None:
    hour = Hour()
    house = House.begin(tmp_path, lease_hours=1)
    with house.open(clock=hour) as desk:
        attack, context = Attack(house, desk), desk.context
        fleet = enrolled(context, tmp_path / "fleet")
        online, back, gone = fleet[::2], fleet[1::4], fleet[3::4]
        real = _real(tmp_path / "real", context, hour)
        delivered = 0

        def round_of(devices: Sequence[Simulated], minutes: int) -> None:
            """So much later these devices reach the catalog and report; the others judge for themselves."""
            nonlocal delivered
            hour.now += timedelta(minutes=minutes)
            publish(context)
            published = _published(real, context)
            reached = {id(device) for device in devices}
            for device in fleet:
                device.poll(hour.now, published if id(device) in reached else None)
            delivered += sum(device.deliver(context) for device in devices)

        one = made(attack, "clean", tmp_path)
        round_of(fleet, 1)
        hour.now += timedelta(minutes=9)
        two = made(attack, "bent", tmp_path)
        round_of(fleet, 1)
        assert _run(fleet, hour.now) == {two}
        assert all(view.acknowledged for view in device_records.devices(context))

        hour.now += timedelta(minutes=20)
        shown = recall.show(context, "rig:rig-bent")
        operation = recall.start(desk.service.operations, "steward", shown.what, "bent", shown.plan)
        recalled = ended(desk.wait(operation))["recall"]
        round_of(online, 1)
        assert _run(online, hour.now) == {None}
        assert _run([*back, *gone], hour.now) == {two}, "who is out of reach runs on until the lease ends"
        assert _heard(context, recalled) == _names(online)

        assert desk.rollback()["release"] == one
        round_of(online, 1)
        assert _run(online, hour.now) == {one}

        round_of([], 8)
        assert {len(device.waiting) for device in (*back, *gone)} == {1}, "said later, in order"
        round_of([*online, *back], 5)
        assert _run(back, hour.now) == {one}
        assert _heard(context, recalled) == _names([*online, *back])

        withdrawal = recall.view(context, recalled).withdrawal
        until = {state.exposure_until for state in withdrawal.devices if not state.acknowledged}
        assert {state.device for state in withdrawal.devices if not state.acknowledged} == _names(gone)
        (end,) = until
        assert end is not None
        hour.now = end - timedelta(minutes=1)
        assert _run(gone, hour.now) <= {two}
        round_of([*online, *back], 2)
        assert _run(gone, hour.now) == {None}, "nobody runs it once the exposure has ended"
        assert _run([*online, *back], hour.now) == {one}

        assert sum(e.action == "device.report" for e in desk.audit()) == delivered
        seqs = [view.newest.seq for view in device_records.devices(context) if view.newest is not None]
        assert sum(seqs) == delivered, "no report was lost, and none counted twice"
        assert verify_audit(context).size > delivered > 3 * DEVICES


def _real(home: Path, context: Context, hour: Hour) -> Device:
    """A device with a home on disk, which fetches and verifies for all."""
    provision(
        home, name="arm-real", device_class=CLASS, environment="demo", hardware="any", clock=hour,
        root=context.releases.folder / "metadata" / "1.root.json", root_digest=context.releases.root_digest(),
        source=str(context.releases.folder),
    )  # fmt: skip
    return Device(home, hour)


def _published(real: Device, context: Context) -> Shown:
    try:
        pull(real, source(str(context.releases.folder), real.token()))
    except EdgeError as error:
        if error.kind != "no-release-allowed":
            raise
    return permit(real, real.state())


def _run(devices: Iterable[Simulated], at: datetime) -> set[str | None]:
    return {device.running(at)[0] for device in devices}


def _names(devices: Iterable[Simulated]) -> set[str]:
    return {device.identity.name for device in devices}


def _heard(context: Context, recalled: str) -> set[str]:
    """Who acknowledged the withdrawal, as the catalog says."""
    return {state.device for state in recall.view(context, recalled).withdrawal.devices if state.acknowledged}
