"""The catalog counts for itself: the table of trials is the evidence, and every number in it is computed again.

Successes are counted as `domain.tally` says; an aggregate that was claimed must equal the one computed. Trial i of the
plan belongs to slice i modulo the number of slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NoReturn

from catalog.domain.evidence import LatencyBlock, PlanWithSeed, Trials
from catalog.domain.tally import WITHIN, by_seed, succeeded
from catalog.errors import Invalid
from catalog.policy.facts import LatencyFacts, LoadFacts, PromotionFacts, SliceFacts, SuccessFacts
from catalog.policy.statistics import attempt_alpha, latency_bound, success_lower_bound

LOWER, P99 = "success_lower_ratio", "latency_p99_ms"  # thresholds of the plan
UNJUDGED_LIMIT = 0.99  # above it a success bound needs the judge's false-accept rate, which no table carries
CLOCK_TOLERANCE = timedelta(minutes=5)
TOLERANCE = 1e-9  # relative, of claimed aggregates


def recount(plan: PlanWithSeed, trials: Trials, received_at: datetime) -> dict[str, Any]:
    """The promotion facts `success` and `latency` of one complete table, as plain data.

    Raises `Invalid`: `evidence-subject` (another plan), `evidence-time` (before the plan, or in the future),
    `evidence-invalid` (a seed not of the plan, a unit under two seeds, blocks that are not separated, an outcome that
    contradicts its distance), `evidence-aggregate` (a claim that the table does not bear out).
    """
    _about(plan, trials, received_at)
    facts = PromotionFacts(success=_success(plan, trials), latency=_latency(plan, trials)).facts()
    for name, claim in sorted(trials.claimed.items()):
        value = _at(facts, name)
        if value is None or not math.isclose(claim, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            computed = "cannot be computed from the table" if value is None else f"is {value} in the table"
            _refuse(
                "evidence-aggregate", f"{name} is claimed as {claim} and {computed}", "claimed", "claim what was seen"
            )
    return facts


def _about(plan: PlanWithSeed, trials: Trials, received_at: datetime) -> None:
    if plan.plan.digest() != plan.plan_digest or trials.plan != plan.plan_digest:
        _refuse("evidence-subject", f"the trials are of plan {trials.plan}, not of {plan.plan_digest}", "plan")
    if not plan.plan.at <= trials.started_at <= trials.finished_at:
        _refuse("evidence-time", "the trials did not begin after their plan and end after they began", "started_at")
    if trials.finished_at > received_at + CLOCK_TOLERANCE:
        _refuse("evidence-time", f"the trials end in the future ({trials.finished_at.isoformat()})", "finished_at")


def _success(plan: PlanWithSeed, trials: Trials) -> SuccessFacts:
    alpha, protocol = plan.plan.alpha, plan.plan.protocol
    judged = by_seed(plan, trials.trials)
    seeds = plan.seeds()
    won = [seed in judged and succeeded(judged[seed]) for seed in seeds]
    provable = plan.plan.thresholds.get(LOWER, 0.0) <= UNJUDGED_LIMIT

    def lower(outcomes: Sequence[bool]) -> float:
        return success_lower_bound(sum(outcomes), len(outcomes), alpha)

    slices = [(name, won[i :: len(protocol.slices)]) for i, name in enumerate(protocol.slices)]
    return SuccessFacts(
        n=len(seeds),
        returned=len(judged),
        repeated=len(trials.trials) - len(judged),
        assisted=sum(any(t.assisted for t in rows) for rows in judged.values()),
        successes=sum(won),
        lower=lower(won) if provable else None,
        alpha=alpha,
        confidence=round(1 - alpha / attempt_alpha(plan.plan.k, 0.5) * 0.5, 9),
        attempt=plan.plan.k,
        origin=trials.harness.origin,
        within_m=plan.plan.thresholds.get(WITHIN),
        slices=tuple(SliceFacts(name=s, n=len(w), successes=sum(w), lower=lower(w)) for s, w in slices if w) or None,
    )


def _latency(plan: PlanWithSeed, trials: Trials) -> LatencyFacts | None:
    _separated(trials)
    idle, loaded = (_load(plan, [b for b in trials.latency if b.load == load]) for load in ("idle", "loaded"))
    return LatencyFacts(idle=idle, loaded=loaded) if idle or loaded else None


def _load(plan: PlanWithSeed, blocks: Sequence[LatencyBlock]) -> LoadFacts | None:
    if not blocks:
        return None
    protocol, limit = plan.plan.protocol, plan.plan.thresholds.get(P99)
    facts = LoadFacts(
        blocks=len(blocks),
        blocks_planned=protocol.latency_blocks,
        steps=sum(len(b.milliseconds) for b in blocks),
        limit_ms=limit,
        max_ms=max(max(b.milliseconds) for b in blocks),
    )
    complete = len(blocks) == protocol.latency_blocks and all(
        len(b.milliseconds) == protocol.latency_block_steps for b in blocks
    )
    if limit is None or not complete:
        return facts
    bound = latency_bound([b.milliseconds for b in blocks], limit, 0.99, plan.plan.alpha)
    if bound is None:
        return facts
    return facts.model_copy(
        update={
            "misses": bound.misses,
            "allowed": bound.allowed,
            "effective_steps": bound.effective_n,
            "p99_ms": bound.upper_ms,
            "dependence": bound.dependence,
        }
    )


def _separated(trials: Trials) -> None:
    """Blocks lie within the trials' time, each load's in order, and none begins before another has ended."""
    for load in ("idle", "loaded"):
        starts = [b.started_at for b in trials.latency if b.load == load]
        if starts != sorted(starts):
            _refuse("evidence-invalid", f"the {load} blocks are not in the order of their times", "latency")
    blocks = sorted(trials.latency, key=lambda b: b.started_at)
    for block, later in pairwise(blocks):
        if _end(block) > later.started_at:
            what = f"the block of {later.started_at.isoformat()} begins before the one before it has ended"
            _refuse("evidence-invalid", what, "latency", "measure separated blocks")
    if blocks and not (trials.started_at <= blocks[0].started_at and _end(blocks[-1]) <= trials.finished_at):
        _refuse("evidence-time", "a latency block lies outside the time of the trials", "latency")


def _end(block: LatencyBlock) -> datetime:
    return block.started_at + timedelta(milliseconds=sum(block.milliseconds))


def _at(facts: dict[str, Any], name: str) -> float | None:
    value: Any = facts
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _refuse(kind: str, what: str, where: str, do: str = "evaluate again") -> NoReturn:
    raise Invalid(kind, what, where=where, do=do)
