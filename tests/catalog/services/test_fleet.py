"""What people look at before they act agrees with what the acts then do."""

from __future__ import annotations

from pathlib import Path

from catalog.domain.fleet import ClassView
from catalog.services import device_records, release_records, withdraw
from catalog.services.fleet import classes
from catalog.services.waiting import waiting
from tests.attack.attacker import CLASS, Attack
from tests.support.devices import Arm
from tests.support.postgresql import on_both_databases


def of_class(attack: Attack) -> ClassView:
    return next(v for v in classes(attack.desk.context) if v.device_class == CLASS)


def test_an_eligible_model_waits_until_it_is_promoted(attack: Attack, tmp_path: Path) -> None:
    desk, context = attack.desk, attack.desk.context
    attack.model("unproven", tmp_path / "unproven", None)
    attack.gate("unproven")
    assert waiting(context) == []
    attack.eligible("first", tmp_path / "first", 1)
    (found,) = waiting(context)
    assert found.decision == attack.desk.context.decision(found.decision.digest())
    assert (found.release, found.signed_by, found.missing) == (None, (), ("approver-1", "approver-2"))
    proposal = desk.sign_release("first", "approver-2")
    (found,) = waiting(context)
    assert found.release == proposal.release
    assert (found.signed_by, found.missing) == (("approver-2",), ("approver-1",))
    desk.sign_release("first", "approver-1")
    (found,) = waiting(context)
    assert (len(found.signed_by), found.missing, found.threshold) == (2, (), 2)
    desk.promote("first")
    assert waiting(context) == []


def test_a_model_judged_blocked_since_waits_no_more(attack: Attack, tmp_path: Path) -> None:
    attack.eligible("first", tmp_path / "first", 1)
    attack.desk.quarantine("arm", "one")
    assert len(waiting(attack.desk.context)) == 1
    assert attack.gate("first").verdict == "blocked"
    assert waiting(attack.desk.context) == []


def test_a_class_says_what_going_back_brings_and_going_back_brings_it(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    view = of_class(attack)
    assert (view.choice, view.published, view.back) == (None, None, None)
    for name in ("first", "second"):
        attack.eligible(name, tmp_path / name, len(name), line=name)
        desk.release(name)
    view = of_class(attack)
    assert view.choice is not None
    assert view.published is not None
    assert view.back is not None
    assert view.choice.release == view.published.release != view.back.manifest.id
    assert desk.rollback()["release"] == view.back.manifest.id
    assert of_class(attack).back is None
    assert desk.rollback()["release"] is None


@on_both_databases
def test_no_report_and_no_silence_shortens_an_exposure(attack: Attack, tmp_path: Path) -> None:
    desk, context = attack.desk, attack.desk.context
    attack.eligible("first", tmp_path / "first", 1)
    released = desk.release("first")["release"]
    told = context.releases.said()[0][CLASS]
    silent, shortens, hears = (Arm.enrol(desk, tmp_path, name) for name in ("silent", "shortens", "hears"))
    shortens.report(lease_until=told.issued_at)
    desk.withdraw(released)
    hears.report("blocked")
    with context.records.read() as c:
        withdrawn = withdraw.withdrawal(context, release_records.denials(c))
    seen = {view.device.name: view for view in device_records.devices(context)}
    for device in (silent, shortens):
        assert (seen[device.name].pending, seen[device.name].acknowledged) == ((released,), False)
        assert seen[device.name].exposure_until == told.lease_until
    assert (seen["hears"].pending, seen["hears"].acknowledged, seen["hears"].exposure_until) == ((), True, None)
    assert {d.device: d.exposure_until for d in withdrawn.devices} == {n: v.exposure_until for n, v in seen.items()}
