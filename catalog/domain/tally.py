"""One table of trials, counted: the law that the gate and whoever checks a report offline both count by.

Trials not returned and assisted trials are failures; a repeated seed counts once, with its worst outcome.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from catalog.domain.base import Count, Entity
from catalog.domain.evidence import PlanWithSeed, Trial
from catalog.errors import Invalid

WITHIN = "success_within_m"  # the plan's threshold


class Tally(Entity):
    """What a table comes to; `n` is what was planned."""

    n: Count
    returned: Count
    repeated: Count
    assisted: Count
    successes: Count


def by_seed(plan: PlanWithSeed, trials: Sequence[Trial]) -> dict[int, list[Trial]]:
    """The trials of each planned seed; raises `Invalid` for a table that is not of this plan, or contradicts itself."""
    planned, units = set(plan.seeds()), dict[str, int]()
    within = plan.plan.thresholds.get(WITHIN)
    judged: dict[int, list[Trial]] = {}
    for row, trial in enumerate(trials):
        if trial.seed not in planned:
            raise _wrong(row, f"seed {trial.seed} is not of the plan", "return the planned trials only")
        if units.setdefault(trial.unit, trial.seed) != trial.seed:
            raise _wrong(row, f"unit {trial.unit!r} appears under two seeds", "one unit, one seed")
        if within is not None and trial.outcome == "success" and trial.distance_m > within:
            what = f"a success at {trial.distance_m} m, where success means within {within} m"
            raise _wrong(row, what, "judge with the plan's thresholds")
        judged.setdefault(trial.seed, []).append(trial)
    return judged


def succeeded(rows: Sequence[Trial]) -> bool:
    """Whether a seed counts as a success."""
    return all(trial.outcome == "success" and not trial.assisted for trial in rows)


def tally(plan: PlanWithSeed, trials: Sequence[Trial]) -> Tally:
    """Count a table against its plan."""
    judged = by_seed(plan, trials)
    return Tally(
        n=len(plan.seeds()),
        returned=len(judged),
        repeated=len(trials) - len(judged),
        assisted=sum(any(t.assisted for t in rows) for rows in judged.values()),
        successes=sum(succeeded(rows) for rows in judged.values()),
    )


def chance_of_as_many(successes: int, n: int, rate: float) -> float:
    """The chance of at least so many successes of n at a true rate: at a Clopper–Pearson lower bound, its alpha."""
    if successes <= 0:
        return 1.0
    if not 0 < rate < 1:
        return float(rate >= 1)

    def term(k: int) -> float:
        ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        return math.exp(ways + k * math.log(rate) + (n - k) * math.log1p(-rate))

    return math.fsum(term(k) for k in range(successes, n + 1))


def _wrong(row: int, what: str, do: str) -> Invalid:
    return Invalid("evidence-invalid", what, where=f"trials.{row}", do=do)
