"""T7, weights: what was fitted on quarantined data, withdrawn or recalled comes again under another name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.domain.run import RunEnd
from catalog.services import plan, recall
from catalog.services.fleet import classes
from catalog.services.propose_release import propose_release
from catalog.services.publish import publish
from lineage import urn
from tests.attack.attacker import CLASS, Attack, blocked_by, opened, verdict
from tests.support.house import House, ended
from tests.support.recordings import recording


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    """A catalog with approved data."""
    house = House.begin(tmp_path)
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        yield Attack(house, desk)


def tainted(attack: Attack, tmp_path: Path, seed: int) -> str:
    """A model whose own record says that it was fitted on quarantined episodes."""
    bad = recording(tmp_path / "tainted", seed=70)
    attack.desk.register("tainted", "one", bad)
    attack.desk.check("tainted", "one")
    attack.desk.quarantine("tainted", "one", [1], "slip")
    return attack.model("tainted", tmp_path / "tainted-model", attack.run("tainted", "arm", folders=(bad,)), seed)


def running(attack: Attack) -> str | None:
    choices, _, _ = attack.desk.context.releases.said()
    return choices[CLASS].release


def denied(attack: Attack) -> set[str]:
    """What devices are told is denied."""
    _, published, _ = attack.desk.context.releases.said()
    return {line.release for line in published.releases} if published is not None else set()


@pytest.mark.parametrize("seen", [False, True])
def test_tainted_weights_under_another_name_and_a_clean_run(attack: Attack, tmp_path: Path, seen: bool) -> None:
    """The run hides that it copied them, or it is seen to open them; the bytes say it in either case."""
    tainted(attack, tmp_path, seed=5)
    weights = (opened(tmp_path / "tainted-model" / "weights.npz"),) if seen else ()
    run = attack.run("clean", "arm", end=RunEnd(status="finished", observed=True, opened=weights))
    clean = attack.model("clean", tmp_path / "clean", run, seed=5)
    plan.enrol_line(attack.desk.context, "approver-1", "reach", CLASS)
    attack.refused("plan-refused", lambda: attack.plan("clean"))
    with attack.unchanged():
        decision = attack.gate("clean")
        assert {"no-quarantined-input", "inputs-approved"} <= blocked_by(decision)
        assert attack.desk.fails(lambda: attack.desk.sign_release("clean", "approver-1")).kind == "decision-blocked"
    assert "tainted" in verdict(decision, "inputs-approved")[1]
    assert attack.audited("promotion.judged", clean)
    assert attack.audited("release.propose.refused", clean)


def test_the_clean_name_first_and_its_origin_afterwards(attack: Attack, tmp_path: Path) -> None:
    """What is tainted taints both, whichever was registered first."""
    clean = attack.eligible("clean", tmp_path / "clean", 5)
    for by in ("approver-1", "approver-2"):
        attack.desk.sign_release("clean", by)
    tainted(attack, tmp_path, seed=5)
    error = attack.desk.fails(lambda: attack.desk.promote("clean"))
    assert error.kind == "decision-blocked", error
    assert denied(attack) == set()
    assert attack.audited("release.promote.refused", clean)


def test_weights_that_nobody_recorded_under_a_run_that_copied_them(attack: Attack, tmp_path: Path) -> None:
    """A job that copies a file reproduces byte for byte; where the file came from is still not known."""
    attack.model("found-somewhere", tmp_path / "found", None, seed=5)
    copied = attack.model("copied", tmp_path / "copied", attack.run("copied", "arm"), seed=5)
    with attack.unchanged():
        decision = attack.gate("copied")
    assert verdict(decision, "ancestry")[0] == "fail"
    assert "found-somewhere" in verdict(decision, "ancestry")[1]
    assert attack.audited("promotion.judged", copied)


def test_the_same_good_run_or_the_same_recipe_blocks_nothing(attack: Attack, tmp_path: Path) -> None:
    """Fitting is deterministic, so honest work gives the same bytes twice, in a circle of names."""
    attack.eligible("first", tmp_path / "first", 5)
    run = attack.desk.context.model("first").run
    assert run is not None
    attack.model("again", tmp_path / "again", attack.desk.context.run(run), seed=5)
    attack.eligible("third", tmp_path / "third", 5, line="another")
    assert blocked_by(attack.gate("again")) & {"inputs-approved", "ancestry", "no-quarantined-input"} == set()


def test_withdrawn_weights_neither_stay_nor_come_again(attack: Attack, tmp_path: Path) -> None:
    """Two releases of one file under two names: withdrawing one leaves no other to run, to go back to, or to sign."""
    attack.eligible("a1", tmp_path / "1", 9, line="l1")
    first = str(attack.desk.release("a1")["release"])
    attack.eligible("a2", tmp_path / "2", 9, line="l2")
    second = str(attack.desk.release("a2")["release"])
    attack.desk.withdraw(second, "it drops the gripper")
    assert denied(attack) == {first, second}
    assert attack.desk.rollback()["release"] is None
    assert attack.desk.fails(lambda: attack.desk.rollback(to=first)).kind == "release-denied"
    assert running(attack) is None
    assert all(attack.audited("release.deny", release) for release in (first, second))
    third = attack.eligible("a3", tmp_path / "3", 9, line="l3")
    error = attack.refused("release-denied", lambda: propose_release(attack.desk.context, "approver-1", "a3", CLASS))
    assert "it drops the gripper" in error.what
    assert attack.audited("release.propose.refused", third)


def test_signed_before_another_name_of_it_was_withdrawn(attack: Attack, tmp_path: Path) -> None:
    """Both approvers have signed; inside the write that allows, the denial counts."""
    attack.eligible("a1", tmp_path / "1", 9, line="l1")
    first = str(attack.desk.release("a1")["release"])
    second = attack.eligible("a2", tmp_path / "2", 9, line="l2")
    for by in ("approver-1", "approver-2"):
        attack.desk.sign_release("a2", by)
    attack.desk.withdraw(first, "it drops the gripper")
    error = attack.desk.fails(lambda: attack.desk.promote("a2"))
    assert error.kind == "release-denied", error
    assert (running(attack), denied(attack)) == (None, {first})
    assert attack.audited("release.promote.refused", second)


def test_a_recall_shows_and_denies_the_same_weights_under_another_name(attack: Attack, tmp_path: Path) -> None:
    attack.eligible("a1", tmp_path / "1", 9, line="l1")
    first = str(attack.desk.release("a1")["release"])
    digest = attack.eligible("a2", tmp_path / "2", 9, line="l2")
    shown = recall.show(attack.desk.context, "model:a2")
    assert str(urn.release(first)) in {reached.urn for reached in shown.reached}
    operation = recall.start(attack.desk.service.operations, "steward", "model:a2", "it drifts", shown.plan)
    assert ended(attack.desk.wait(operation))["denied"] == [first]
    assert (running(attack), denied(attack)) == (None, {first})
    assert attack.audited("release.deny", first)
    assert "not-recalled" in blocked_by(attack.gate("a1"))
    assert str(urn.model(digest)) in {reached.urn for reached in shown.reached}


def test_one_token_cannot_end_what_is_live_by_registering_it_again(attack: Attack, tmp_path: Path) -> None:
    """It is questioned, visibly, and nothing new of it goes live; a steward who believes it ends it."""
    live = attack.eligible("live", tmp_path / "live", 5)
    release = str(attack.desk.release("live")["release"])
    origin = tainted(attack, tmp_path, seed=5)
    publish(attack.desk.context, renew=True)
    assert (running(attack), denied(attack)) == (release, set())
    assert attack.audited("release.questioned", release)
    (question,) = attack.desk.status().questions
    assert "inputs-approved" in question
    assert question in {view.question for view in classes(attack.desk.context)}
    publish(attack.desk.context, renew=True)
    assert sum(e.action == "release.questioned" for e in attack.desk.audit()) == 1
    assert "inputs-approved" in blocked_by(attack.gate("live"))
    shown = recall.show(attack.desk.context, "model:tainted")
    operation = recall.start(attack.desk.service.operations, "steward", "model:tainted", "true", shown.plan)
    assert ended(attack.desk.wait(operation))["denied"] == [release]
    assert (running(attack), denied(attack)) == (None, {release})
    assert attack.desk.status().questions == ()
    assert live != origin
