"""A plan and the table that answers it, as an honest evaluator would post it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.domain.evidence import Plan, PlanWithSeed, Trials
from catalog.policy.loader import load
from catalog.policy.shipped import shipped_policies
from catalog.policy.statistics import attempt_alpha

PLANNED = datetime(2026, 3, 1, 8, tzinfo=UTC)
Table = Callable[..., dict[str, Any]]


@pytest.fixture
def received_at() -> datetime:
    return PLANNED + timedelta(hours=2)


@pytest.fixture
def make_plan() -> Callable[..., PlanWithSeed]:
    """A plan of `demo-arm`; attempt, slices and thresholds can be another's."""
    policy = load(dict(shipped_policies())["demo-arm"])

    def make(k: int = 1, slices: tuple[str, ...] = (), n: int = 400, **thresholds: float) -> PlanWithSeed:
        assert policy.protocol is not None
        plan = Plan(
            id="p",
            model="sha256:" + "a" * 64,
            model_name="reach",
            device_class="demo-arm",
            environment="demo",
            policy=policy.digest(),
            thresholds={**policy.thresholds, **thresholds},
            protocol=policy.protocol.model_copy(update={"slices": slices, "n": n}),
            line="reach",
            k=k,
            alpha=attempt_alpha(k),
            by="eva",
            at=PLANNED,
        )
        return PlanWithSeed(plan=plan, plan_digest=plan.digest(), seed="5e" * 32)

    return make


@pytest.fixture
def make_table() -> Table:
    """A complete table as JSON data: the first `failures` trials fail, `late` steps of each load are over 20 ms."""

    def make(plan: PlanWithSeed, failures: int = 0, late: int = 0) -> dict[str, Any]:
        start = PLANNED + timedelta(minutes=1)
        trials = [
            {
                "unit": f"seed-{i}",
                "seed": seed,
                "outcome": "failure" if i < failures else "success",
                "distance_m": 0.3 if i < failures else 0.01,
                "duration_s": 2.0,
                "judge": "distance",
            }
            for i, seed in enumerate(plan.seeds())
        ]
        latency = []
        for number, load_name in enumerate(("idle", "loaded")):
            for block in range(plan.plan.protocol.latency_blocks):
                times = [3.0] * plan.plan.protocol.latency_block_steps
                if block < late:
                    times[0] = 25.0
                at = start + timedelta(minutes=10 * (number + 1), seconds=10 * block)
                latency.append({"load": load_name, "started_at": at.isoformat(), "milliseconds": times})
        return {
            "plan": plan.plan_digest,
            "evaluator": "eva",
            "harness": {"name": "reach", "version": "1", "origin": "simulated"},
            "host": {
                "name": "h",
                "machine": "x86_64",
                "processor": "p",
                "cores": 2,
                "memory_bytes": 8,
                "system": "s",
                "python": "3.11",
                "load_idle": 0.1,
                "load_loaded": 1.9,
            },
            "started_at": start.isoformat(),
            "finished_at": (start + timedelta(hours=1)).isoformat(),
            "trials": trials,
            "latency": latency,
        }

    return make


@pytest.fixture
def table_of(make_table: Table) -> Callable[..., Trials]:
    def parse(plan: PlanWithSeed, failures: int = 0, late: int = 0, **changes: Any) -> Trials:
        return Trials.of({**make_table(plan, failures, late), **changes})

    return parse
