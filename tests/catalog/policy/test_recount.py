"""The catalog's count against a naive one, and every way in which a table can be wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.domain.evidence import PlanWithSeed, Trials
from catalog.errors import Invalid
from catalog.policy.recount import recount
from catalog.policy.statistics import attempt_alpha, success_lower_bound

MakePlan = Callable[..., PlanWithSeed]
Table = Callable[..., dict[str, Any]]
TableOf = Callable[..., Trials]


def test_an_honest_table(make_plan: MakePlan, table_of: TableOf, received_at: datetime) -> None:
    plan = make_plan()
    facts = recount(plan, table_of(plan, failures=9, late=2), received_at)
    assert facts["success"] == {
        "n": 400,
        "returned": 400,
        "repeated": 0,
        "assisted": 0,
        "successes": 391,
        "lower": success_lower_bound(391, 400, 0.04),
        "alpha": pytest.approx(0.04),
        "confidence": 0.95,
        "attempt": 1,
        "origin": "simulated",
        "within_m": 0.02,
    }
    assert facts["latency"]["idle"] == {
        "blocks": 20,
        "blocks_planned": 20,
        "steps": 2000,
        "limit_ms": 20.0,
        "misses": 2,
        "allowed": 12,
        "effective_steps": 2000.0,
        "p99_ms": 3.0,
        "max_ms": 25.0,
        "dependence": "tested",
    }
    assert facts["latency"]["loaded"]["misses"] == 2


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_every_attempt_speaks_of_the_same_cycle(
    make_plan: MakePlan, table_of: TableOf, received_at: datetime, k: int
) -> None:
    plan = make_plan(k)
    success = recount(plan, table_of(plan), received_at)["success"]
    assert success["confidence"] == 0.95
    assert success["lower"] == success_lower_bound(400, 400, attempt_alpha(k))


@given(st.data())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_subset_repeated_in_any_way_counts_as_the_naive_count(
    make_plan: MakePlan, make_table: Table, received_at: datetime, data: st.DataObject
) -> None:
    plan = make_plan(n=12)
    table = make_table(plan)
    rows = []
    for i, place in enumerate(data.draw(st.lists(st.integers(0, 11), max_size=30))):
        outcome = data.draw(st.sampled_from(["success", "failure"]))
        row = {
            **table["trials"][place],
            "outcome": outcome,
            "assisted": data.draw(st.booleans()),
            "duration_s": float(i),
        }
        rows.append(row)
    success = recount(plan, Trials.of({**table, "trials": rows}), received_at)["success"]
    wins = 0
    for seed in plan.seeds():
        mine = [r for r in rows if r["seed"] == seed]
        wins += bool(mine) and not any(r["outcome"] == "failure" or r["assisted"] for r in mine)
    assert success["successes"] == wins
    assert success["n"] == 12
    assert success["returned"] == len({r["seed"] for r in rows})
    assert success["repeated"] == len(rows) - success["returned"]


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        target: Any = table
        for step in steps:
            target = target[int(step)] if step.isdigit() else target[step]
        target[last] = value

    return change


def _swap_blocks(table: dict[str, Any]) -> None:
    table["latency"][0], table["latency"][1] = table["latency"][1], table["latency"][0]


def _blocks_overlap(table: dict[str, Any]) -> None:
    table["latency"][1]["started_at"] = table["latency"][0]["started_at"]


def _loads_overlap(table: dict[str, Any]) -> None:
    at = datetime.fromisoformat(table["latency"][19]["started_at"]) + timedelta(milliseconds=10)
    table["latency"][20]["started_at"] = at.isoformat()


WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "another plan": ("evidence-subject", _set("plan", "sha256:" + "0" * 64)),
    "a seed not of the plan": ("evidence-invalid", _set("trials.30.seed", 7)),
    "a unit under two seeds": ("evidence-invalid", _set("trials.30.unit", "seed-4")),
    "a success far from the target": ("evidence-invalid", _set("trials.30.distance_m", 0.021)),
    "before the plan": ("evidence-time", _set("started_at", "2026-03-01T07:59:59+00:00")),
    "ended before it began": ("evidence-time", _set("finished_at", "2026-03-01T08:00:30+00:00")),
    "in the future": ("evidence-time", _set("finished_at", "2026-03-01T10:05:01+00:00")),
    "blocks out of order": ("evidence-invalid", _swap_blocks),
    "blocks that overlap": ("evidence-invalid", _blocks_overlap),
    "loads that overlap": ("evidence-invalid", _loads_overlap),
    "a block before the trials": ("evidence-time", _set("latency.0.started_at", "2026-03-01T08:00:30+00:00")),
    "a block after the trials": ("evidence-time", _set("latency.39.started_at", "2026-03-01T09:30:00+00:00")),
    "one success more": ("evidence-aggregate", _set("claimed", {"success.successes": 392})),
    "a better bound": ("evidence-aggregate", _set("claimed", {"success.lower": 0.97})),
    "a better quantile": ("evidence-aggregate", _set("claimed", {"latency.idle.p99_ms": 2.9})),
    "a number that no table gives": ("evidence-aggregate", _set("claimed", {"success.rate": 0.99})),
    "a text as number": ("evidence-aggregate", _set("claimed", {"success.origin": 1.0})),
}


@pytest.mark.parametrize("name", WRONG)
def test_refuses(name: str, make_plan: MakePlan, make_table: Table, received_at: datetime) -> None:
    kind, change = WRONG[name]
    plan = make_plan()
    table = make_table(plan, failures=9)
    recount(plan, Trials.of(copy.deepcopy(table)), received_at)
    change(table)
    with pytest.raises(Invalid) as error:
        recount(plan, Trials.of(table), received_at)
    assert error.value.kind == kind
    assert error.value.where
    assert error.value.do


def test_what_is_claimed_and_true_is_accepted(make_plan: MakePlan, table_of: TableOf, received_at: datetime) -> None:
    plan = make_plan()
    claimed = {"success.successes": 391, "success.n": 400, "latency.loaded.misses": 0}
    recount(plan, table_of(plan, failures=9, claimed=claimed), received_at)


def test_a_plan_that_is_not_its_digest_is_refused(
    make_plan: MakePlan, table_of: TableOf, received_at: datetime
) -> None:
    plan = make_plan()
    easier = plan.plan.model_copy(update={"alpha": 0.5})
    with pytest.raises(Invalid) as error:
        recount(plan.model_copy(update={"plan": easier}), table_of(plan), received_at)
    assert error.value.kind == "evidence-subject"


@pytest.mark.parametrize(
    "change",
    [
        lambda blocks: blocks[1:],
        lambda blocks: [{**blocks[0], "milliseconds": [3.0] * 99}, *blocks[1:]],
        lambda blocks: [
            *blocks,
            {**blocks[39], "started_at": "2026-03-01T08:30:00+00:00"},
            {**blocks[0], "started_at": "2026-03-01T08:31:00+00:00"},
        ],
    ],
    ids=["a block less", "a short block", "a block more"],
)
def test_incomplete_blocks_prove_no_quantile(
    change: Callable[[list[Any]], list[Any]], make_plan: MakePlan, make_table: Table, received_at: datetime
) -> None:
    plan = make_plan()
    table = make_table(plan)
    table["latency"] = change(table["latency"])
    idle = recount(plan, Trials.of(table), received_at)["latency"]["idle"]
    assert "p99_ms" not in idle
    assert "misses" not in idle
    assert idle["blocks_planned"] == 20


def test_without_latency_there_are_no_latency_facts(
    make_plan: MakePlan, table_of: TableOf, received_at: datetime
) -> None:
    plan = make_plan()
    assert "latency" not in recount(plan, table_of(plan, latency=[]), received_at)
    only_idle = [b for b in table_of(plan).document()["latency"] if b["load"] == "idle"]
    assert "loaded" not in recount(plan, table_of(plan, latency=only_idle), received_at)["latency"]


def test_above_99_percent_a_judge_without_a_false_accept_rate_proves_nothing(
    make_plan: MakePlan, table_of: TableOf, received_at: datetime
) -> None:
    plan = make_plan(success_lower_ratio=0.999)
    success = recount(plan, table_of(plan), received_at)["success"]
    assert success["successes"] == 400
    assert "lower" not in success


def test_slices_follow_the_plan(make_plan: MakePlan, table_of: TableOf, received_at: datetime) -> None:
    plan = make_plan(slices=("near", "far"))
    table = table_of(plan)
    near = set(plan.seeds()[::2])
    dropped = table.model_copy(update={"trials": tuple(t for t in table.trials if t.seed in near)})
    slices = recount(plan, dropped, received_at)["success"]["slices"]
    assert [(s["name"], s["n"], s["successes"]) for s in slices] == [("near", 200, 200), ("far", 200, 0)]
    assert slices[1]["lower"] == 0.0
