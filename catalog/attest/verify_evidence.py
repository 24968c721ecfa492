"""The evidence behind a decision: signed by an enrolled evaluator, planned before it was made, and counted again here.

The success bound is checked without a statistics library: at a Clopper–Pearson lower bound, the chance of as many
successes is the error that the attempt may use.
"""

from __future__ import annotations

import math
from typing import Any

from catalog.attest.bundle import untrusted
from catalog.attest.case import Case
from catalog.attest.envelope import EVIDENCE, verify
from catalog.domain.base import sha256
from catalog.domain.evidence import PlanWithSeed, Statement, Trials
from catalog.domain.replay import Replay
from catalog.domain.tally import WITHIN, Tally, chance_of_as_many, tally

CLOSE = 1e-6  # relative; bounds are printed with fewer digits
LOADS = ("idle", "loaded")
SPENT = 0.8  # an attempt may use four fifths of what is left of the line's error budget


def check(case: Case) -> None:
    """Every evidence that the decision names, and every number that its rules read from it."""
    names = case.opened.numbered("evidence", "envelope.json")
    digests = [sha256(case.opened.bytes_of(name)) for name in names]
    if sorted(digests) != sorted(case.known.evidence):
        raise untrusted("the evidence is not that which the decision names", "evidence")
    if case.known.verdict == "eligible" and not names:
        raise untrusted("an eligible decision rests on no evidence", "evidence")
    for name, digest in zip(names, digests, strict=True):
        plan, trials = _one(case, name, digest)
        counted = tally(plan, trials.trials)
        _compare(case, _counts(plan, trials, counted) | _replay(case, name, digest), trials)
        _bound(case, plan, counted)
        case.say(
            "evidence",
            f"{counted.successes:,} of {counted.n:,} planned trials succeeded, counted again from every trial; "
            f"{trials.harness.origin}, signed by {trials.evaluator}",
        )


def _one(case: Case, name: str, digest: str) -> tuple[PlanWithSeed, Trials]:
    plan_file = name.replace("envelope.json", "plan.json")
    plan = case.opened.document(plan_file, PlanWithSeed)
    received = case.log.one("evidence.receive", digest)
    made, drawn = (
        case.log.one("plan.make", plan.plan_digest),
        case.log.one("plan.seed", plan.plan_digest, seed=plan.seed),
    )
    if plan.plan.digest() != plan.plan_digest or not made.seq < drawn.seq < received.seq:
        raise untrusted("the plan, its seed and its evidence did not come in this order", plan_file)
    verified = verify(case.opened.bytes_of(name), EVIDENCE, case.root.keys, role="evaluator", at=received.at)
    statement = Statement.parse(verified.payload)
    trials = statement.predicate
    about = (statement.model, plan.plan.model, trials.plan, trials.evaluator)
    if about != (case.model, case.model, plan.plan_digest, verified.keys[0].principal):
        raise untrusted("the evidence is about another model or plan, or of another evaluator than signed it", name)
    if not plan.plan.at <= trials.started_at <= trials.finished_at:
        raise untrusted("the trials began before their plan", name)
    return plan, trials


def _replay(case: Case, name: str, digest: str) -> dict[str, Any]:
    """What the catalog found when it ran trials again itself, as the log has it."""
    path = name.replace("envelope.json", "replay.json")
    if path not in case.opened.files:
        return {"success.replayed": 0}
    replay = case.opened.document(path, Replay)
    if replay.evidence != digest:
        raise untrusted("the replay is of other evidence", path)
    if replay.state != "done":
        return {"success.replayed": 0}
    case.log.one("evidence.replay", digest, replayed=replay.replayed, differing=replay.differing)
    case.say(
        "replay",
        f"the catalog ran {replay.replayed:,} of {replay.returned:,} trials again; {replay.differing} differed",
    )
    return {"success.replayed": replay.replayed, "success.replay_differing": replay.differing}


def _counts(plan: PlanWithSeed, trials: Trials, counted: Tally) -> dict[str, Any]:
    """What a rule may have read, counted here."""
    found: dict[str, Any] = {
        "success.n": counted.n,
        "success.returned": counted.returned,
        "success.repeated": counted.repeated,
        "success.assisted": counted.assisted,
        "success.successes": counted.successes,
        "success.attempt": plan.plan.k,
        "success.alpha": plan.plan.alpha,
        "success.confidence": 1 - plan.plan.alpha / (SPENT * (1 - SPENT) ** (plan.plan.k - 1)),
        "success.origin": trials.harness.origin,
        "success.within_m": plan.plan.thresholds.get(WITHIN),
    }
    for load in LOADS:
        blocks = [b.milliseconds for b in trials.latency if b.load == load]
        found[f"latency.{load}.blocks"] = len(blocks)
        found[f"latency.{load}.steps"] = sum(len(b) for b in blocks)
        found[f"latency.{load}.max_ms"] = max((max(b) for b in blocks), default=None)
    return found


def _compare(case: Case, counted: dict[str, Any], trials: Trials) -> None:
    """Every value that a rule read and that can be counted here is what is counted here."""
    measured = {load: {t for b in trials.latency if b.load == load for t in b.milliseconds} for load in LOADS}
    for rule in case.known.rules:
        for path, value in rule.read.items():
            if path in counted and not _same(value, counted[path]):
                what = f"rule {rule.rule} read {path} = {value}, and the table gives {counted[path]}"
                raise untrusted(what, "decision.json")
        for load, times in measured.items():
            bound = rule.read.get(f"latency.{load}.p99_ms")
            if bound is not None and bound not in times:  # the bound is an order statistic
                raise untrusted(f"rule {rule.rule} read a latency that nobody measured", "decision.json")


def _same(value: Any, counted: Any) -> bool:
    if isinstance(value, float) and isinstance(counted, int | float):
        return math.isclose(value, counted, rel_tol=CLOSE, abs_tol=1e-8)
    return type(value) is type(counted) and bool(value == counted)


def _bound(case: Case, plan: PlanWithSeed, counted: Tally) -> None:
    for rule in case.known.rules:
        lower = rule.read.get("success.lower")
        if lower is None:
            continue
        chance = chance_of_as_many(counted.successes, counted.n, lower)
        if counted.successes and not math.isclose(chance, plan.plan.alpha, rel_tol=CLOSE):
            what = f"rule {rule.rule} read a success bound of {lower}, which these counts do not give"
            raise untrusted(what, "decision.json")
        case.say("bound", f"success rate at least {lower:.4g} with confidence {1 - plan.plan.alpha:g}, computed again")
