"""A claim says its attempt, its origin, what was fixed, what could be forged and what could not be tested."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from catalog.domain.evidence import PlanWithSeed, Trials
from catalog.domain.replay import Replay
from catalog.policy.conditions import conditions
from catalog.policy.recount import recount

Make = Callable[..., PlanWithSeed]
TableOf = Callable[..., Trials]


def said(plan: PlanWithSeed, trials: Trials, at: datetime, replay: Replay | None = None) -> str:
    return "\n".join(conditions(plan.plan, trials, recount(plan, trials, at), replay))


def replay_of(state: str = "done", replayed: int = 0, why: str = "") -> Replay:
    document = {"evidence": "sha256:" + "e" * 64, "protocol": "p", "operation": "o", "draw": "0" * 64}
    times = {"drawn_at": "2026-03-01T09:00:00Z"}
    return Replay.of({**document, **times, "state": state, "returned": 400, "replayed": replayed, "why": why})


def test_names_attempt_origin_and_what_was_fixed(make_plan: Make, table_of: TableOf, received_at: datetime) -> None:
    plan = make_plan(2)
    text = said(plan, table_of(plan, late=1), received_at)
    assert "attempt 2 of line reach" in text
    assert "with probability 0.008" in text
    assert "together with 0.05" in text
    assert "trials are simulated" in text
    assert "fixed, so not covered beyond it: scene, arm, payload, simulator version" in text
    assert "idle latency was measured on h (p)" in text


@pytest.mark.parametrize(
    ("replay", "text"),
    [
        (None, "any share of them could be forged"),
        (replay_of("drawn"), "no trial was replayed by the catalog yet: any share of them could be forged"),
        (replay_of("failed", why="no harness"), "replayed by the catalog (no harness): any share"),
        (replay_of(replayed=59), "59 of 400 trials, drawn after receipt, were replayed by the catalog: a forged"),
        (replay_of(replayed=59), "a forged share of 5.0% would be found with 95 %"),
        (replay_of(replayed=400), "all 400 trials were replayed"),
    ],
)
def test_says_what_could_be_forged(
    make_plan: Make, table_of: TableOf, received_at: datetime, replay: Replay | None, text: str
) -> None:
    plan = make_plan()
    assert text in said(plan, table_of(plan), received_at, replay)


def test_says_where_dependence_could_not_be_tested(make_plan: Make, table_of: TableOf, received_at: datetime) -> None:
    plan = make_plan()
    assert "loaded latency: no step was over the limit" in said(plan, table_of(plan), received_at)
    assert "not testable" not in said(plan, table_of(plan, late=3), received_at)
    assert "latency" not in said(plan, table_of(plan, latency=[]), received_at)
