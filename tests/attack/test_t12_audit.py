"""T12: the log rewritten and signed anew, cut, forked, restored from yesterday: a kept head finds it, and nothing is promoted."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from catalog.attest.envelope import DEVICE_REPORT, ENROLMENT, REVOCATION, sign
from catalog.attest.keys import generate
from catalog.db import tables
from catalog.domain.audit import GENESIS, AuditEntry, AuditHead, Frontier
from catalog.domain.base import sha256
from catalog.domain.device import DeviceReport
from catalog.domain.enrolment import DeviceFacts, KeyRequest, Revocation, RevokeKey
from catalog.errors import AssayError
from catalog.services.audit import verify_audit, verify_chain
from catalog.services.enrol import enrol, propose_enrolment
from catalog.services.kept_heads import heads_agree
from catalog.services.receive_report import receive_report
from catalog.services.revoke_key import revoke_key
from tests.attack.attacker import CLASS, Attack
from tests.support.bundles import head, head_of
from tests.support.house import Desk, House
from tests.support.recordings import recording

Bend = Callable[[list[AuditEntry]], list[AuditEntry]]


@dataclass
class Arm:
    """A device that keeps the newest head it was shown, outside the catalog."""

    name: str
    key: Path
    seen: AuditHead | None = None
    seq: int = 0

    @classmethod
    def enrolled(cls, attack: Attack, folder: Path, name: str = "arm-7") -> Arm:
        arm = cls(name, folder / f"{name}.pem")
        facts = DeviceFacts(device_class=CLASS, environment="demo", hardware="any", site="lab")
        token = sha256(name.encode())
        asked = KeyRequest(name=name, key_role="device", public=generate(arm.key), token_digest=token, device=facts)
        shown = propose_enrolment(attack.desk.context, "approver-1", asked)
        envelope = sign(shown.enrolment.canonical(), ENROLMENT, attack.key("approver-1"))
        enrol(attack.desk.context, "approver-1", envelope)
        return arm

    def pull(self, desk: Desk) -> None:
        """Keep the head that the release repository shows now."""
        self.seen = desk.context.records.head()[0]

    def report(self, desk: Desk) -> None:
        now = desk.context.clock()
        self.seq += 1
        said = DeviceReport(
            device=self.name, seq=self.seq, at=now, time_floor=now, event="current", seen=self.seen
        )  # fmt: skip
        receive_report(desk.context, self.name, sign(said.canonical(), DEVICE_REPORT, self.key))


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    """An eligible model, signed by both approvers, one act away from its release."""
    house = House.begin(tmp_path)
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        found = Attack(house, desk)
        found.eligible("reach", tmp_path / "reach", 1)
        yield found


def approved(attack: Attack) -> None:
    for by in ("approver-1", "approver-2"):
        attack.desk.sign_release("reach", by)


def rewritten(desk: Desk, bend: Bend) -> None:
    """What the operator of the disk can do: other entries, every hash after them and the head made anew."""
    bent = bend(desk.audit())
    prev, frontier = GENESIS, Frontier()
    with desk.context.records.engine.begin() as c:
        c.execute(delete(tables.audit))
        for seq, entry in enumerate(bent):
            made = entry.model_copy(update={"seq": seq, "prev": prev})
            body = made.canonical()
            row = {"seq": seq, "prev": prev, "action": made.action, "subject": made.subject, "body": body.decode()}
            c.execute(tables.audit.insert().values(**row))
            prev, frontier = made.hash(), frontier.append(body)
        c.execute(update(tables.head).values(last_hash=prev, frontier=frontier.canonical().decode()))


def another_actor(entries: list[AuditEntry]) -> list[AuditEntry]:
    at = next(e.seq for e in entries if e.action == "dataset.approve")
    return [e.model_copy(update={"actor": "somebody"}) if e.seq == at else e for e in entries]


def without_one(entries: list[AuditEntry]) -> list[AuditEntry]:
    return [e for e in entries if e.action != "dataset.check"]


def cut(entries: list[AuditEntry]) -> list[AuditEntry]:
    return entries[:-3]


def grown_again(entries: list[AuditEntry]) -> list[AuditEntry]:
    return [*entries[:-3], *(e.model_copy(update={"actor": "somebody"}) for e in entries[-3:]), entries[-1]]


BENT = pytest.mark.parametrize("bend", [another_actor, without_one, cut, grown_again])


def stopped(desk: Desk) -> AssayError:
    """A promotion is refused with the damage named, nothing is allowed, and the refusal is in the log."""
    before = desk.status().epoch
    error = desk.fails(lambda: desk.promote("reach"))
    assert error.kind == "audit-damaged", error
    with desk.context.records.read() as c:
        assert c.execute(tables.release.select().where(tables.release.c.state != "proposed")).all() == []
    assert desk.status().epoch == before
    assert any(e.action == "release.promote.refused" and e.details["kind"] == "audit-damaged" for e in desk.audit())
    return error


@BENT
def test_a_device_kept_a_head(attack: Attack, tmp_path: Path, bend: Bend) -> None:
    """The log verifies in itself; what the arm kept outside does not fit, once the arm has spoken."""
    desk, arm = attack.desk, Arm.enrolled(attack, tmp_path)
    approved(attack)
    arm.pull(desk)
    kept = arm.seen
    rewritten(desk, bend)
    verify_chain(desk.context)
    assert desk.fails(lambda: verify_audit(desk.context, kept)).kind == "audit-damaged"
    arm.report(desk)
    who = "device arm-7" if bend in (cut, grown_again) else "who signed decision"  # what is found first is named
    assert f"{who} " in stopped(desk).what


@BENT
def test_an_approver_signed_a_head(attack: Attack, bend: Bend) -> None:
    """The decision's head is below two signatures; a log that does not lead to it promotes nothing."""
    desk = attack.desk
    approved(attack)
    rewritten(desk, lambda entries: another_actor(bend(entries)))
    verify_chain(desk.context)
    assert "signed decision" in stopped(desk).what


def test_a_signed_decision_was_changed_with_the_log(attack: Attack) -> None:
    desk = attack.desk
    approved(attack)
    with desk.context.records.engine.begin() as c:
        for row in c.execute(tables.decision.select()).all():
            body = row.body.replace('"audit_head":{"root":"sha256:', '"audit_head":{"root":"sha256:0')[:]
            c.execute(update(tables.decision).where(tables.decision.c.digest == row.digest).values(body=body))
    assert desk.fails(lambda: heads_agree(desk.context)).kind == "audit-damaged"


def test_restored_from_yesterday(attack: Attack, tmp_path: Path) -> None:
    """A backup is whole in itself; the device that was shown more says so, at the next start of the service."""
    desk, arm = attack.desk, Arm.enrolled(attack, tmp_path)
    approved(attack)
    backup(desk, tmp_path / "yesterday.db")
    desk.start_run("another")
    desk.start_run("and-another")
    arm.pull(desk)
    newer = head(attack)
    desk.service.close()
    database = attack.house.settings.database
    for leftover in database.parent.glob(database.name + "*"):
        leftover.unlink()
    shutil.copy(tmp_path / "yesterday.db", database)
    with attack.house.open() as again:
        verify_audit(again.context)
        heads_agree(again.context)  # nothing came back yet that knows better
        assert again.fails(lambda: verify_audit(again.context, head_of(newer).head)).kind == "audit-damaged"
        arm.report(again)
        assert "it was cut or restored" in stopped(again).what


def test_forked_after_a_restore(attack: Attack, tmp_path: Path) -> None:
    """Yesterday's records go on with other acts until the log is longer than what the device saw."""
    desk, arm = attack.desk, Arm.enrolled(attack, tmp_path)
    approved(attack)
    backup(desk, tmp_path / "yesterday.db")
    desk.start_run("one-way")
    arm.pull(desk)
    desk.service.close()
    database = attack.house.settings.database
    for leftover in database.parent.glob(database.name + "*"):
        leftover.unlink()
    shutil.copy(tmp_path / "yesterday.db", database)
    with attack.house.open() as again:
        for name in ("the-other-way", "and-on", "and-on-again"):
            again.start_run(name)
        arm.report(again)
        assert "it was rewritten" in stopped(again).what


def backup(desk: Desk, to: Path) -> None:
    """A copy of the records as they are."""
    with closing(sqlite3.connect(desk.service.settings.database)) as of, closing(sqlite3.connect(to)) as copy:
        of.backup(copy)


def test_an_honest_log_agrees_with_every_head_that_comes_back(attack: Attack, tmp_path: Path) -> None:
    """Also in the same process, as the log grows, with heads of any size, in any order."""
    desk, arm = attack.desk, Arm.enrolled(attack, tmp_path)
    heads_agree(desk.context)
    old = desk.context.records.head()[0]
    for name in ("a", "b", "c"):
        desk.start_run(f"run-{name}")
        arm.pull(desk)
        arm.report(desk)
        heads_agree(desk.context)
    arm.seen = old
    arm.report(desk)
    heads_agree(desk.context)
    approved(attack)
    desk.promote("reach")


def test_rewritten_under_a_service_that_looked_before(attack: Attack, tmp_path: Path) -> None:
    """What was looked at is not taken for granted: the last entry's hash depends on all before it."""
    desk, arm = attack.desk, Arm.enrolled(attack, tmp_path)
    arm.pull(desk)
    arm.report(desk)
    heads_agree(desk.context)
    rewritten(desk, another_actor)
    assert desk.fails(lambda: heads_agree(desk.context)).kind == "audit-damaged"
    rewritten(
        desk,
        lambda entries: [e.model_copy(update={"actor": "steward"}) if e.actor == "somebody" else e for e in entries],
    )
    heads_agree(desk.context)


def test_a_stolen_device_stops_promotions_until_its_key_is_revoked(attack: Attack, tmp_path: Path) -> None:
    """It reports a head that never was. Nothing is promoted until somebody has looked, and then not for ever."""
    desk, arm = attack.desk, Arm.enrolled(attack, tmp_path)
    approved(attack)
    arm.seen = AuditHead(size=10**6, root="sha256:" + "0" * 64)
    arm.report(desk)
    assert "arm-7" in stopped(desk).what
    keyid = next(k.keyid for k in desk.context.keys() if k.principal == "arm-7")  # noqa: SIM118 - no dict
    revocation = Revocation(keyid=keyid, principal="arm-7", compromised=True, reason="stolen", by="steward")
    envelope = sign(revocation.canonical(), REVOCATION, attack.key("steward"))
    revoke_key(desk.context, "steward", RevokeKey(revocation=revocation, envelope=envelope))
    heads_agree(desk.context)
    assert attack.audited("key.revoke", keyid)
    assert desk.promote("reach")["number"] == 1


def test_a_kept_head_that_is_no_head_is_not_taken(attack: Attack) -> None:
    kept: Any = AuditHead(size=3, root="sha256:" + "0" * 64)
    assert attack.desk.fails(lambda: verify_audit(attack.desk.context, kept)).kind == "audit-damaged"
