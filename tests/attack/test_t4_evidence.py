"""T4: forged evidence. Each lie is refused with its reason and leaves no evidence; an honest table passes beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import EVIDENCE, sign
from catalog.domain.base import canonical, sha256
from catalog.domain.evidence import PlanWithSeed
from catalog.services.plan import enrol_line
from catalog.services.receive_evidence import receive_evidence
from catalog.services.replay import find_replay
from tests.attack.attacker import Attack, blocked_by, one_evidence, statement, trial, verdict

Lie = Callable[[Attack, PlanWithSeed], dict[str, Any]]


@pytest.fixture(scope="module")
def planned(attack: Attack, tmp_path_factory: pytest.TempPathFactory) -> PlanWithSeed:
    """A model with its plan, to be evaluated."""
    enrol_line(attack.desk.context, "approver-1", "reach", "demo-arm")
    folder = tmp_path_factory.mktemp("t4")
    attack.model("reach-a", folder / "a", attack.run("reach-a", "arm"))
    return attack.plan("reach-a")


@pytest.fixture(scope="module")
def other(attack: Attack, planned: PlanWithSeed, tmp_path_factory: pytest.TempPathFactory) -> PlanWithSeed:
    """Another model with a plan of its own."""
    folder = tmp_path_factory.mktemp("t4-other")
    attack.model("reach-b", folder / "b", attack.run("reach-b", "arm"), seed=1)
    return attack.plan("reach-b")


def _predicate(**changes: Any) -> Lie:
    return lambda attack, plan: statement(attack, plan, **changes)


def _trials(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Lie:
    def lie(attack: Attack, plan: PlanWithSeed) -> dict[str, Any]:
        said = statement(attack, plan, wins=300)
        said["predicate"]["trials"] = change(said["predicate"]["trials"])
        return said

    return lie


def _at(**offsets: timedelta) -> Lie:
    def lie(attack: Attack, plan: PlanWithSeed) -> dict[str, Any]:
        said = statement(attack, plan)
        for name, offset in offsets.items():
            said["predicate"][name] = (plan.plan.at + offset).isoformat()
        return said

    return lie


HOUR = timedelta(hours=1)
LIES: dict[str, tuple[Lie, str, str]] = {
    "edited aggregate": (
        _predicate(wins=300, claimed={"success.successes": 400.0}),
        "evidence-aggregate",
        "is claimed as 400",
    ),
    "invented aggregate": (_predicate(claimed={"real_robot.lower": 0.999}), "evidence-aggregate", "cannot be computed"),
    "real claimed": (
        _predicate(harness={"name": "mujoco-reach", "version": "1", "origin": "real"}),
        "document-invalid",
        "harness.origin",
    ),
    "in the future": (_at(finished_at=24 * HOUR), "evidence-time", "future"),
    "before the plan": (_at(started_at=-HOUR), "evidence-time", "after their plan"),
    "ends before it began": (_at(finished_at=timedelta(0)), "evidence-time", ""),
    "a seed of one's own": (
        _trials(lambda rows: [*rows[:-1], trial(12345, success=True)]),
        "evidence-invalid",
        "12345 is not of the plan",
    ),
    "an extra trial": (_trials(lambda rows: [*rows, trial(7, success=True)]), "evidence-invalid", "not of the plan"),
    "one unit twice": (
        _trials(lambda rows: [*rows[:-1], rows[-1] | {"unit": rows[0]["unit"]}]),
        "evidence-invalid",
        "two seeds",
    ),
    "a success far away": (
        _trials(lambda rows: [rows[0] | {"distance_m": 0.05}, *rows[1:]]),
        "evidence-invalid",
        "0.05 m",
    ),
    "a negative distance": (
        _trials(lambda rows: [rows[0] | {"distance_m": -1.0}, *rows[1:]]),
        "document-invalid",
        "distance_m",
    ),
    "a field more": (_trials(lambda rows: [rows[0] | {"weight": 9}, *rows[1:]]), "document-invalid", "weight"),
    "outcome as a number": (_trials(lambda rows: [rows[0] | {"outcome": 1}, *rows[1:]]), "document-invalid", "outcome"),
    "another evaluator's name": (_predicate(evaluator="approver-1"), "signer-not-enrolled", "approver-1"),
    "overlapping blocks": (
        _predicate(latency=[{"load": "idle", "started_at": "2099-01-01T00:00:00Z", "milliseconds": [0.1]}]),
        "evidence-time",
        "outside",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_in_the_table_is_named(attack: Attack, planned: PlanWithSeed, name: str) -> None:
    lie, kind, said = LIES[name]
    error = attack.refused(kind, lambda: attack.bring(lie(attack, planned)))
    assert said in str(error)
    assert one_evidence(attack, planned.plan.model) == []


def test_another_models_trials(attack: Attack, planned: PlanWithSeed, other: PlanWithSeed) -> None:
    said = statement(attack, other)
    said["subject"] = statement(attack, planned)["subject"]
    assert "is about" in attack.refused("evidence-subject", lambda: attack.bring(said)).what


def test_another_plans_trials(attack: Attack, planned: PlanWithSeed, other: PlanWithSeed) -> None:
    theirs = statement(attack, other)["predicate"]["trials"]
    said = statement(attack, planned, trials=theirs)
    assert "not of the plan" in attack.refused("evidence-invalid", lambda: attack.bring(said)).what


def test_a_plan_by_its_id_instead_of_its_digest(attack: Attack, planned: PlanWithSeed) -> None:
    attack.refused("document-invalid", lambda: attack.bring(statement(attack, planned, plan=planned.plan.id)))


def test_a_plan_that_nobody_made(attack: Attack, planned: PlanWithSeed) -> None:
    attack.refused("plan-unknown", lambda: attack.bring(statement(attack, planned, plan="sha256:" + "7" * 64)))


@pytest.mark.parametrize("signer", ["steward", "approver-1"])
def test_a_key_of_another_role(attack: Attack, planned: PlanWithSeed, signer: str) -> None:
    said = statement(attack, planned, evaluator=signer)
    error = attack.refused("signer-not-enrolled", lambda: attack.bring(said, by=signer, key=attack.key(signer)))
    assert f"role {signer.split('-', maxsplit=1)[0]}, not evaluator" in error.what


def test_a_key_that_nobody_enrolled(attack: Attack, planned: PlanWithSeed) -> None:
    stray = attack.stray_key("evaluator")
    error = attack.refused("signer-not-enrolled", lambda: attack.bring(statement(attack, planned), key=stray))
    assert "is not enrolled" in error.what


def test_evidence_of_one_brought_by_another(attack: Attack, planned: PlanWithSeed) -> None:
    attack.refused("signer-not-enrolled", lambda: attack.bring(statement(attack, planned), by="engineer"))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("field", ["distance_m", "duration_s"])
def test_numbers_that_are_none(attack: Attack, planned: PlanWithSeed, text: str, field: str) -> None:
    said = canonical(statement(attack, planned))
    number = b'"distance_m":0.01' if field == "distance_m" else b'"duration_s":2.0'
    bent = said.replace(number, f'"{field}":{text}'.encode(), 1)
    assert bent != said
    envelope = sign(bent, EVIDENCE, attack.key("evaluator"))
    error = attack.refused("document-invalid", lambda: receive_evidence(attack.desk.context, "evaluator", envelope))
    assert "not strict JSON" in error.what


def test_a_key_twice_in_the_payload(attack: Attack, planned: PlanWithSeed) -> None:
    said = canonical(statement(attack, planned, wins=0)).replace(b'{"_type"', b'{"_type":"x","_type"', 1)
    envelope = sign(said, EVIDENCE, attack.key("evaluator"))
    attack.refused("document-invalid", lambda: receive_evidence(attack.desk.context, "evaluator", envelope))


def test_missing_trials_are_failures_and_a_repeated_seed_counts_once_with_its_worst(
    attack: Attack, other: PlanWithSeed, tmp_path: Path
) -> None:
    """A table of its best 390 trials, the lucky ones repeated: it is taken, and what is missing counts against it."""
    attack.model("reach-c", tmp_path / "c", attack.run("reach-c", "arm"), seed=2)
    plan = attack.plan("reach-c")
    rows = [trial(s, success=True) for s in plan.seeds()[:360]]
    rows += [trial(s, success=True) for s in plan.seeds()[:40]] + [trial(plan.seeds()[0], success=False)]
    said = statement(attack, plan, trials=rows)
    attack.house.world.fails(plan.seeds()[:1], plan.seeds())
    attack.bring(said)
    decision = attack.gate("reach-c")
    assert blocked_by(decision) == {"success-rate"}
    read = next(r for r in decision.rules if r.rule == "success-rate").read
    assert verdict(decision, "success-rate")[0] == "fail"
    assert read
    assert attack.audited("promotion.judged", plan.plan.model)


def test_the_honest_table_is_taken_once_and_passes(attack: Attack, planned: PlanWithSeed) -> None:
    """The control of every lie above: what was refused is one step from this."""
    said = statement(attack, planned)
    assert "evidence-enrolled" in blocked_by(attack.gate("reach-a"))
    attack.bring(said)
    assert attack.gate("reach-a").verdict == "eligible"
    for again in (said, statement(attack, planned, wins=399)):
        attack.refused("already-exists", lambda again=again: attack.bring(again))
    assert len(one_evidence(attack, planned.plan.model)) == 1
    assert attack.gate("reach-b").verdict == "blocked"


# what only running the trials again can find


def _line(attack: Attack, name: str, folder: Path, seed: int) -> PlanWithSeed:
    enrol_line(attack.desk.context, "approver-1", f"line-{name}", "demo-arm")
    attack.model(name, folder / name, attack.run(name, "arm"), seed=seed)
    return attack.plan(name, f"line-{name}")


def test_an_enrolled_evaluator_edits_outcomes_and_signs(attack: Attack, tmp_path: Path) -> None:
    """Twenty failures become successes, each with a distance to match; no rule of the table finds it, a replay does."""
    plan = _line(attack, "reach-forged", tmp_path, seed=31)
    said = statement(attack, plan, wins=355)
    forged = [trial(s, success=i < 375) for i, s in enumerate(plan.seeds())]
    said["predicate"]["trials"] = forged
    evidence = attack.bring(said)
    replay = find_replay(attack.desk.context, evidence.digest_)
    assert (replay.replayed, replay.differing) == (400, 20)
    assert replay.first is not None
    assert replay.first.seed in plan.seeds()[355:375]
    decision = attack.gate("reach-forged")
    assert decision.verdict == "blocked"
    assert blocked_by(decision) == {"evidence-enrolled", "replay-agrees"}
    found, words = verdict(decision, "evidence-enrolled")
    assert found == "fail"
    assert "20 of 400 replayed trials differ" in words
    assert f"seed {replay.first.seed}, said success and is a failure" in words
    assert attack.audited("evidence.replay", evidence.digest_)
    with attack.unchanged():
        assert attack.gate("reach-forged").verdict == "blocked"


def test_a_forged_failure_does_not_agree_either(attack: Attack, tmp_path: Path) -> None:
    """Somebody makes a rival's good model look bad: the evidence does not count, whoever it favours."""
    plan = _line(attack, "reach-slandered", tmp_path, seed=32)
    said = statement(attack, plan)
    said["predicate"]["trials"][7] = trial(plan.seeds()[7], success=False)
    attack.bring(said)
    words = verdict(attack.gate("reach-slandered"), "evidence-enrolled")[1]
    assert f"1 of 400 replayed trials differ; the first, seed {plan.seeds()[7]}, said failure" in words


@pytest.mark.parametrize("harness", [{"name": "toy-reach"}, {"version": "2"}], ids=["name", "version"])
def test_another_harness_than_the_protocols(attack: Attack, tmp_path: Path, harness: dict[str, str]) -> None:
    """A simulator of one's own, in which everything succeeds: the operator installed another for this protocol."""
    name = f"reach-other-{next(iter(harness))}"
    plan = _line(attack, name, tmp_path, seed=33 + len(harness["name"]) if "name" in harness else 60)
    attack.bring(
        statement(attack, plan, harness={"name": "mujoco-reach", "version": "1", "origin": "simulated"} | harness)
    )
    decision = attack.gate(name)
    assert blocked_by(decision) == {"evidence-enrolled", "trials-replayed", "replay-agrees"}
    words = verdict(decision, "evidence-enrolled")[1]
    assert "made by harness" in words
    assert "protocol reach-in-simulation is run here by mujoco-reach 1 (simulated)" in words
    assert attack.audited("promotion.judged", decision.subject)


def test_a_stand_in_is_never_replayed_into_a_simulation(attack: Attack, tmp_path: Path) -> None:
    plan = _line(attack, "reach-stand-in", tmp_path, seed=70)
    harness = {"name": "mujoco-reach", "version": "1", "origin": "stand-in"}
    evidence = attack.bring(statement(attack, plan, harness=harness))
    assert attack.desk.fails(lambda: find_replay(attack.desk.context, evidence.digest_)).kind == "evidence-unknown"
    assert {"trials-simulated", "trials-replayed"} <= blocked_by(attack.gate("reach-stand-in"))


def test_nobody_knows_the_draw_before_the_table_is_signed(attack: Attack, tmp_path: Path) -> None:
    """It is made in the transaction that receives the table, of nothing that was there before."""
    drawn = []
    for number in (1, 2):
        plan = _line(attack, f"reach-draw-{number}", tmp_path, seed=80 + number)
        envelope = attack.envelope(statement(attack, plan))
        digest = sha256(canonical(envelope))
        assert attack.desk.fails(lambda digest=digest: find_replay(attack.desk.context, digest))
        evidence = receive_evidence(attack.desk.context, "evaluator", envelope)
        replay = find_replay(attack.desk.context, evidence.digest_)
        assert replay.drawn_at == evidence.received_at
        text = canonical(envelope) + plan.canonical() + str(attack.desk.service.settings).encode()
        assert replay.draw.encode() not in text
        drawn.append(replay.order(range(400)))
        attack.desk.settle()
    assert drawn[0] != drawn[1]
    assert drawn[0] != sorted(drawn[0])
