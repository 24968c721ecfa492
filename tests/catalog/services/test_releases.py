"""A release goes live by two, comes back by one, and what devices find is what the records say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from catalog.attest.approval import checked, first_root
from catalog.attest.envelope import DECISION, sign
from catalog.attest.roles import sign_role
from catalog.domain.clock import wall_clock
from catalog.domain.release import CurrentRelease
from catalog.errors import Absent, Unavailable
from catalog.services.approve_release import approve_release
from catalog.services.deny import deny_reached
from catalog.services.propose_release import propose_release
from catalog.services.publish import publish
from tests.attack.attacker import CLASS, Attack
from tests.support.house import House
from tests.support.postgresql import on_both_databases
from tests.support.recordings import recording


def chosen(attack: Attack) -> CurrentRelease | None:
    """What devices of the class are told."""
    return attack.desk.context.releases.said()[0].get(CLASS)


def _released(attack: Attack, name: str, folder: Path, seed: int) -> str:
    """The id of a release of a new model."""
    attack.eligible(name, folder / name, seed, line=name)
    return str(attack.desk.release(name)["release"])


@on_both_databases
def test_two_approvers_and_a_promotion_make_a_release(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    assert desk.fails(lambda: desk.promote("first")).kind == "approvals-missing"
    assert desk.sign_release("first", "approver-1").signed_by == ("approver-1",)
    assert desk.fails(lambda: desk.promote("first")).kind == "approvals-missing"
    assert desk.fails(lambda: desk.sign_release("first", "approver-1")).kind == "already-exists"
    desk.sign_release("first", "approver-2")
    done = desk.promote("first")
    assert (done["number"], done["denied"]) == (1, None)
    view = desk.view(done["release"])
    assert (view.state, view.chosen, len(view.signatures)) == ("published", True, 2)
    said = chosen(attack)
    assert said is not None
    assert (said.release, said.fallbacks) == (done["release"], ())
    desk.context.releases.verify(desk.context.clock())
    actions = [e.action for e in desk.audit()]
    order = ["release.propose", "release.approve", "release.allow", "release.choose", "lease.issue", "release.publish"]
    assert [a for a in actions if a in order] == [
        "release.propose", "release.approve", "release.approve", "release.allow", "release.choose", "lease.issue",
        "release.publish",
    ]  # fmt: skip


@on_both_databases
def test_the_second_release_can_be_rolled_back_and_withdrawn(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    for number, name in enumerate(("first", "second"), start=1):
        attack.eligible(name, tmp_path / name, number, line=name)
        assert desk.release(name)["number"] == number
    said = chosen(attack)
    assert said is not None
    assert len(said.fallbacks) == 1
    back = desk.rollback(reason="it drops things")
    assert (back["number"], back["name"]) == (1, "first")
    said = chosen(attack)
    assert said is not None
    assert said.release == back["release"]
    assert "it drops things" in said.reason
    desk.withdraw(back["release"], "the gripper slips")
    said = chosen(attack)
    assert said is not None
    assert said.release is None
    assert desk.rollback()["release"] is None, "what was gone back from does not come again by going back"
    said = chosen(attack)
    assert said is not None
    assert said.reason == "no release allowed; there is no older release; withdrawn: the gripper slips"


def test_going_back_too_far_says_how_to_come_back(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    one, two = (_released(attack, name, tmp_path, seed) for seed, name in enumerate(("first", "second"), 1))
    done = desk.rollback()
    assert (done["release"], done["left"]) == (one, two)
    done = desk.rollback(reason="once more by mistake")
    assert (done["release"], done["left"]) == (None, one)
    assert done["reason"] == "no release allowed; once more by mistake; there is no older release"
    assert desk.rollback(to=done["left"])["release"] == one


def test_a_rollback_that_finds_nothing_says_why_not_and_keeps_what_was_said_before(
    attack: Attack, tmp_path: Path
) -> None:
    desk = attack.desk
    one, two = (_released(attack, name, tmp_path, seed) for seed, name in enumerate(("first", "second"), 1))
    desk.withdraw(one, "bad welds")
    desk.withdraw(two, "stolen key")
    for _ in range(2):
        done = desk.rollback()
        assert (done["release"], done["left"]) == (None, None), "what is denied cannot be come back to"
        assert done["reason"] == "no release allowed; not release 1: withdrawn: bad welds; withdrawn: stolen key"


def test_the_gate_says_that_a_denial_stands(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    released = _released(attack, "first", tmp_path, 1)
    assert not any("withdrawn" in said for said in attack.gate("first").conditions)
    desk.withdraw(released, "bad welds")
    decision = attack.gate("first")
    assert decision.verdict == "eligible", "the evidence is as good as before"
    assert decision.conditions[0] == "withdrawn for good, so no release of it can be approved: bad welds"
    assert desk.fails(lambda: desk.sign_release("first", "approver-1")).kind == "release-denied"


def test_when_no_release_is_left_none_is_what_is_signed(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    done = desk.release("first")
    desk.withdraw(done["release"], "bad welds")
    assert desk.rollback()["release"] is None
    said = chosen(attack)
    assert said is not None
    assert said.release is None
    assert "no release allowed" in said.reason
    assert desk.fails(lambda: desk.rollback(to=done["release"])).kind == "release-denied"
    assert desk.fails(lambda: desk.withdraw(done["release"])).kind == "already-exists"
    assert desk.fails(lambda: desk.sign_release("first", "approver-1")).kind == "release-denied"


@on_both_databases
def test_a_quarantine_after_the_release_denies_it_in_its_own_transaction(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    done = desk.release("first")
    desk.quarantine("arm", "one", [0], reason="the table was moved")
    assert desk.view(done["release"]).state == "denied"
    publish(desk.context)
    said, denied, _ = desk.context.releases.said()
    assert said[CLASS].release is None
    assert denied is not None
    assert [d.release for d in denied.releases] == [done["release"]]


def test_what_was_signed_must_still_be_so(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    for by in ("approver-1", "approver-2"):
        desk.sign_release("first", by)
    desk.quarantine("arm", "one", [0])
    assert desk.fails(lambda: desk.promote("first")).kind == "decision-blocked"
    assert chosen(attack) is None


def test_an_unrelated_revocation_leaves_approvals_standing(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    for by in ("approver-1", "approver-2"):
        desk.sign_release("first", by)
    desk.register("other", "one", recording(tmp_path / "other", seed=5))
    desk.quarantine("other", "one", [0])
    assert desk.promote("first")["number"] == 1


@on_both_databases
def test_a_proposal_of_a_class_that_moved_on_is_signed_again(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    for number, name in enumerate(("first", "second"), start=1):
        attack.eligible(name, tmp_path / name, number, line=name)
        desk.sign_release(name, "approver-1")
    desk.sign_release("first", "approver-2")
    stale = propose_release(desk.context, "approver-2", "second", CLASS)
    desk.promote("first")
    role = sign_role(stale.release.role.encode(), desk.key("approver-2"))
    envelope = sign(stale.decision.canonical(), DECISION, desk.key("approver-2"))
    act = lambda: approve_release(desk.context, "approver-2", stale.release.manifest.id, envelope, role)  # noqa: E731
    assert desk.fails(act).kind == "release-outdated"
    assert desk.release("second")["number"] == 2


@on_both_databases
def test_a_lease_is_recorded_before_a_device_can_see_it_and_renewed_at_half(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    desk.release("first")
    before = chosen(attack)
    assert not publish(desk.context)
    assert publish(desk.context, renew=True)
    after = chosen(attack)
    assert before is not None
    assert after is not None
    assert after.issued_at > before.issued_at
    assert after.release == before.release


def test_a_denial_is_for_good_and_counts_once(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    done = desk.release("first")
    with desk.context.records.write("steward") as write:
        assert len(deny_reached(desk.context, write, [done["release"], done["release"]], "bad")) == 1
    with desk.context.records.write("steward") as write:
        assert deny_reached(desk.context, write, [done["release"]], "bad") == []
    assert desk.fails(lambda: desk.promote("first")).kind in ("approvals-missing", "release-denied")


def test_a_root_file_that_is_none_is_named(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    honest = propose_release(desk.context, "approver-1", "first", CLASS)
    folder = desk.context.releases.folder / "metadata"

    def get(name: str) -> bytes:
        if not (folder / name).is_file():
            raise Absent("release-unknown", name)
        return (folder / name).read_bytes()

    checked(honest, get, first_root(desk.service.settings.keys_folder))
    assert desk.fails(lambda: checked(honest, get, tmp_path / "none")).kind == "path-missing"
    for wrong in (b"{}", b"not json", (folder / "1.targets.json").read_bytes()):
        (tmp_path / "wrong").write_bytes(wrong)
        error = desk.fails(lambda: checked(honest, get, tmp_path / "wrong"))
        assert (error.kind, error.where) == ("trust-invalid", str(tmp_path / "wrong"))


def test_a_floor_that_cannot_be_looked_at_ends_the_renewal_and_not_the_lease(attack: Attack, tmp_path: Path) -> None:
    """The store is away: what was published stays as it is; when it answers again, leases are renewed."""
    desk = attack.desk
    attack.eligible("first", tmp_path / "m1", 1)
    done = desk.release("first")
    before = chosen(attack)
    away = desk.restarted()
    away = replace(away, service=replace(away.service, context=replace(away.context, store=_Away(), standings={})))
    publish(away.context, renew=True)
    assert chosen(attack) == before
    assert before is not None
    assert before.release == done["release"]
    assert publish(desk.context, renew=True)
    after = chosen(attack)
    assert after is not None
    assert after.issued_at > before.issued_at


class _Away:
    """A store that does not answer, whatever it is asked."""

    name = "embedded"

    def __getattr__(self, name: str) -> Any:
        raise Unavailable("store-unreachable", f"the store does not answer to {name}")


def test_evidence_that_expired_suspends_at_once(tmp_path: Path) -> None:
    house = House.begin(tmp_path)
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        Attack(house, desk).eligible("first", tmp_path / "m1", 1)
        desk.release("first")
    with house.open(clock=lambda: wall_clock() + timedelta(days=31)) as desk:
        publish(desk.context)
        said = desk.context.releases.said()[0][CLASS]
        assert said.release is None
        assert "is suspended: evidence-enrolled" in said.reason
        assert desk.rollback()["release"] is None
