"""T5: an evaluator who tries until it passes. False passes stay within α for a release cycle, by exact sums.

Each attack goes through what the gate uses: the catalog's recount of a table and the shipped `demo-arm` policy. Where a
rate is claimed, the set of tables that pass is found there first, and the binomial sum over it is exact. The true
success rate is the threshold itself, the worst case of a model that must not pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from catalog.domain.decision import RuleVerdict
from catalog.domain.evidence import Plan, PlanWithSeed, Trials
from catalog.domain.policy import Policy
from catalog.errors import Invalid
from catalog.policy.evaluate import evaluate
from catalog.policy.floor import model_floor
from catalog.policy.floor_facts import ModelFloor
from catalog.policy.loader import load
from catalog.policy.recount import recount
from catalog.policy.shipped import shipped_policies
from catalog.policy.statistics import attempt_alpha, success_lower_bound

ALPHA, N, THRESHOLD = 0.05, 400, 0.90
AT = datetime(2026, 3, 1, tzinfo=UTC)
DEMO_ARM = load(dict(shipped_policies())["demo-arm"])


def plan_of(k: int = 1, policy: Policy = DEMO_ARM, slices: tuple[str, ...] = ()) -> PlanWithSeed:
    assert policy.protocol is not None
    plan = Plan(
        id="p",
        model="sha256:" + "a" * 64,
        model_name="reach",
        device_class="demo-arm",
        environment="demo",
        policy=policy.digest(),
        thresholds=policy.thresholds,
        protocol=policy.protocol.model_copy(update={"slices": slices}),
        line="reach",
        k=k,
        alpha=attempt_alpha(k),
        by="eva",
        at=AT,
    )
    return PlanWithSeed(plan=plan, plan_digest=plan.digest(), seed=f"{k:064x}")


def trial(seed: int, success: bool, **more: Any) -> dict[str, Any]:
    return {
        "unit": f"seed-{seed}",
        "seed": seed,
        "outcome": "success" if success else "failure",
        "distance_m": 0.01 if success else 0.2,
        "duration_s": 2.0,
        "judge": "distance",
        **more,
    }


def facts_of(plan: PlanWithSeed, trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    host = {"name": "h", "machine": "m", "processor": "p", "cores": 2, "memory_bytes": 1, "system": "s"}
    table = {
        "plan": plan.plan_digest,
        "evaluator": "eva",
        "harness": {"name": "reach", "version": "1", "origin": "simulated"},
        "host": {**host, "python": "3", "load_idle": 0.1, "load_loaded": 1.9},
        "started_at": AT.isoformat(),
        "finished_at": (AT + timedelta(hours=1)).isoformat(),
        "trials": list(trials),
    }
    return recount(plan, Trials.of(table), AT + timedelta(hours=2))


def verdicts(plan: PlanWithSeed, trials: Sequence[dict[str, Any]], policy: Policy = DEMO_ARM) -> dict[str, RuleVerdict]:
    return {v.rule: v for v in evaluate(policy, facts_of(plan, trials))}


def passes(plan: PlanWithSeed, trials: Sequence[dict[str, Any]]) -> bool:
    return verdicts(plan, trials)["success-rate"].verdict == "pass"


@cache
def fewest_successes(k: int) -> int:
    """The fewest of 400 successes with which attempt k passes at the gate: one below is tried, too."""
    plan = plan_of(k)
    seeds = plan.seeds()
    wins = next(w for w in range(N + 1) if success_lower_bound(w, N, attempt_alpha(k)) >= THRESHOLD)
    assert passes(plan, [trial(s, i < wins) for i, s in enumerate(seeds)])
    assert not passes(plan, [trial(s, i < wins - 1) for i, s in enumerate(seeds)])
    return wins


def false_pass(k: int) -> float:
    """The probability that attempt k passes though the true rate is the threshold."""
    return float(binom.sf(fewest_successes(k) - 1, N, THRESHOLD))


def test_best_of_twenty_evaluations_passes_falsely_within_alpha() -> None:
    never = math.prod(1 - false_pass(k) for k in range(1, 21))
    assert 1 - never <= ALPHA
    assert 1 - never == pytest.approx(0.042, abs=5e-4)


def test_without_a_shared_budget_it_would_not() -> None:
    batch = sum(
        float(binom.pmf(x, 100, THRESHOLD)) for x in range(101) if success_lower_bound(x, 100, ALPHA) >= THRESHOLD
    )
    assert 1 - (1 - batch) ** 10 == pytest.approx(0.21, abs=0.005)
    assert 1 - (1 - batch) ** 20 == pytest.approx(0.38, abs=0.005)


def test_peeking_after_each_trial_would_pass_falsely_a_third_of_the_time() -> None:
    """Exact, by the distribution of successes among runs that have not passed yet."""
    alive, passed = np.array([1.0]), 0.0
    for n in range(1, 2001):
        alive = np.append(alive * (1 - THRESHOLD), 0.0) + np.append(0.0, alive * THRESHOLD)
        low = int(binom.ppf(0.5, n, THRESHOLD))
        while low <= n and success_lower_bound(low, n, ALPHA) < THRESHOLD:
            low += 1
        passed += float(alive[low:].sum())
        alive[low:] = 0.0
    assert passed == pytest.approx(0.31, abs=0.005)


def test_ten_thousand_cycles_of_up_to_twenty_attempts() -> None:
    random = np.random.default_rng(20260301)
    needed = np.array([fewest_successes(k) for k in range(1, 21)])
    wins = random.binomial(N, THRESHOLD, size=(10_000, 20))
    assert int((wins >= needed).any(axis=1).sum()) <= 583


def test_peeking_and_partial_tables_gain_nothing() -> None:
    """Stopping early leaves the rest as failures: no prefix, and no choice of rows, passes where the table does not."""
    plan = plan_of()
    random = np.random.default_rng(7)
    rows = [trial(s, i < 370) for i, s in enumerate(plan.seeds())]
    assert not passes(plan, rows)
    assert passes(plan, [trial(s, i < 371) for i, s in enumerate(plan.seeds())])
    for count in (1, 63, 299, 370, 399):
        assert not passes(plan, rows[:count])
        assert not passes(plan, [rows[i] for i in random.permutation(N)[:count]])
    only_good = verdicts(plan, rows[:370])["success-rate"]
    assert only_good.verdict == "fail"
    assert facts_of(plan, [])["success"]["lower"] == 0.0


def test_an_abandoned_plan_costs_its_share_all_the_same() -> None:
    rows = {k: [trial(s, i < 374) for i, s in enumerate(plan_of(k).seeds())] for k in (1, 2)}
    assert passes(plan_of(1), rows[1])
    assert not passes(plan_of(2), rows[2]), "the second plan of a line needs 375, whatever became of the first"


def test_a_table_serves_the_plan_that_it_was_made_for() -> None:
    rows = [trial(s, True) for s in plan_of(1).seeds()]
    with pytest.raises(Invalid) as error:
        facts_of(plan_of(2), rows)
    assert error.value.kind == "evidence-invalid"
    assert "not of the plan" in error.value.what


def test_a_repeated_seed_counts_once_with_its_worst_outcome() -> None:
    plan = plan_of()
    failed = [trial(s, i < 360) for i, s in enumerate(plan.seeds())]
    again = [trial(row["seed"], True) for row in failed if row["outcome"] == "failure"]
    for rows in (failed + again, again + failed, failed + again * 20):
        success = facts_of(plan, rows)["success"]
        assert success["successes"] == 360
        assert success["n"] == N
    assert not passes(plan, failed + again)


def test_a_repeated_unit_under_another_seed_is_refused() -> None:
    plan = plan_of()
    easy = [trial(s, True, unit="the easy target") for s in plan.seeds()]
    with pytest.raises(Invalid, match="under two seeds"):
        facts_of(plan, easy)


def test_an_assisted_success_is_a_failure() -> None:
    plan = plan_of()
    rows = [trial(s, True, assisted=i >= 370) for i, s in enumerate(plan.seeds())]
    assert facts_of(plan, rows)["success"]["assisted"] == 30
    assert not passes(plan, rows)


SLICED = load(
    dict(shipped_policies())["demo-arm"].replace(
        "  - name: trials-planned",
        """\
  - name: success-slices
    expr: success.slices.all(s, s.lower >= policy.success_lower_ratio)
    message: Each slice succeeds.
    clause: c
    fixtures:
      pass: {success: {slices: [{lower: 0.9}, {lower: 0.95}]}}
      fail: {success: {slices: [{lower: 0.95}, {lower: 0.89}]}}
      missing: {success: {slices: []}}
  - name: trials-planned""",
    )
)


def test_a_dropped_slice_fails_and_an_absent_one_is_missing() -> None:
    plan = plan_of(policy=SLICED, slices=("near", "far"))
    rows = [trial(s, True) for s in plan.seeds()]
    assert verdicts(plan, rows, SLICED)["success-slices"].verdict == "pass"
    hard_ones_left_out = [row for i, row in enumerate(rows) if i % 2 == 0]
    assert verdicts(plan, hard_ones_left_out, SLICED)["success-slices"].verdict == "fail"
    hard_ones_bad = [trial(s, i % 2 == 0 or i < 60) for i, s in enumerate(plan.seeds())]
    assert verdicts(plan, hard_ones_bad, SLICED)["success-slices"].verdict == "fail"
    without = plan_of(policy=SLICED)
    assert verdicts(without, [trial(s, True) for s in without.seeds()], SLICED)["success-slices"].verdict == "missing"


def test_a_threshold_lowered_afterwards_needs_a_new_plan() -> None:
    lowered = DEMO_ARM.model_copy(
        update={"version": 2, "thresholds": {**DEMO_ARM.thresholds, "success_lower_ratio": 0.80}}
    )
    plan = plan_of()
    state = {
        "digest": "sha256:" + "e" * 64,
        "signer": "eva",
        "enrolled": True,
        "expires_at": (AT + timedelta(days=1)).isoformat(),
        "plan_policy": plan.plan.policy,
    }
    facts: dict[str, Any] = {
        "clock": {"wall": AT.isoformat(), "last_audit": None},
        "environment": "demo",
        "mode": "single-operator",
        "device_class": "demo-arm",
        "policy": lowered.digest(),
        "run": "r",
        "evidence": [state],
    }
    enrolled = {v.rule: v for v in model_floor(ModelFloor.of(facts))}["evidence-enrolled"]
    assert enrolled.verdict == "fail"
    assert "another policy" in enrolled.message
    facts["policy"] = plan.plan.policy
    assert {v.rule: v for v in model_floor(ModelFloor.of(facts))}["evidence-enrolled"].verdict == "pass"


def test_success_judged_wider_than_the_policy_fails() -> None:
    wide = DEMO_ARM.model_copy(update={"thresholds": {**DEMO_ARM.thresholds, "success_within_m": 0.05}})
    plan = plan_of(policy=wide)
    rows = [trial(s, True, distance_m=0.04) for s in plan.seeds()]
    assert verdicts(plan, rows)["success-within"].verdict == "fail"
    with pytest.raises(Invalid, match="success means within"):
        facts_of(plan_of(), [trial(s, True, distance_m=0.04) for s in plan_of().seeds()])


def test_a_larger_error_budget_than_the_cycle_allows_shows() -> None:
    plan = plan_of()
    generous = plan.plan.model_copy(update={"alpha": 0.4})
    cheat = plan.model_copy(update={"plan": generous, "plan_digest": generous.digest()})
    rows = [trial(s, True) for s in cheat.seeds()]
    assert verdicts(cheat, rows)["cycle-confidence"].verdict == "fail"


@pytest.mark.parametrize(("k", "allowed"), [(1, 12), (2, 9), (3, 7)])
def test_latency_attempts_share_the_budget_too(k: int, allowed: int) -> None:
    assert binom.cdf(allowed, 2000, 0.01) <= attempt_alpha(k) < binom.cdf(allowed + 1, 2000, 0.01)
