"""How many rows are as expected: the counts behind every expectation of rows, from one pass where that is possible."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from validators.findings import NotEvaluable
from validators.metrics import Lift, Metric
from validators.metrics.condition import Condition, Kwargs, RowTest
from validators.metrics.conditions import CONDITIONS, owned
from validators.metrics.domain import Domain
from validators.metrics.measures import MEASURES, Measure, Part, Seen, end, size


@dataclass(frozen=True)
class Counts:
    """Rows of the domain, rows that are judged, and those of them that are as expected (None: a second look tells).

    `rising` may prove that nothing occurs twice.
    """

    name: str
    domain: Domain
    kwargs: Kwargs
    rows: Part
    judged: Part
    met: Part | None
    before: Measure | None
    rising: tuple[Part, Part, Part] | None

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the pass computes."""
        extra = self.before.parts if self.before else ()
        return tuple(p for p in (self.rows, self.judged, self.met, *(self.rising or ()), *extra) if p is not None)

    def unexpected(self, seen: Seen) -> int:
        """Rows that are not as expected."""
        if self.met is not None:
            return int((seen.pooled(self.judged) or 0) - (seen.pooled(self.met) or 0))
        if self.rising is not None:
            return 0 if _apart(seen, self.rising) else self._duplicates(seen)
        return int(self.failing(seen).select(pl.len()).collect(engine="streaming").item())

    def failing(self, seen: Seen) -> pl.LazyFrame:
        """The rows that are not as expected, with the columns in the domain as lifts."""
        test = self.test(self.before.finish(seen) if self.before else None)
        judged = _judged(CONDITIONS[self.name], self.domain)
        lifts = (*self.domain.values(), *test.lifts)
        return seen.look(lifts).filter(judged & ~test.met.fill_null(value=False))

    def test(self, statistic: Any = None) -> RowTest:
        """The test of a row."""
        return CONDITIONS[self.name].build(self.domain, self.kwargs, statistic)

    def _duplicates(self, seen: Seen) -> int:
        """Rows whose value, or record, occurs more than once; no window over all rows is needed for their number."""
        lifts = self.domain.values()
        rows = seen.look(lifts).filter(_judged(CONDITIONS[self.name], self.domain))
        sizes = rows.group_by([v.column for v in lifts]).agg(n=pl.len())
        return int(sizes.filter(pl.col("n") > 1).select(pl.col("n").sum()).collect(engine="streaming").item())


def counts(name: str, domain: Domain, kwargs: Kwargs) -> Counts:
    """The counts of one metric of rows. Raises `NotEvaluable`."""
    condition = CONDITIONS[name]
    if condition.arity == "record" and len(domain.names) < 2:
        raise NotEvaluable("column_list: at least two columns were expected")
    lifts, judged = domain.values(), _judged(condition, domain)
    label = name if condition.arity == "rows" else f"{'+'.join(domain.names)}/{domain.ignore}{domain.key}"
    considered = size(domain) if condition.arity == "rows" else _judged_part(condition, domain, label, judged, lifts)
    before = MEASURES[condition.statistic](domain, kwargs) if condition.statistic else None
    met = rising = None
    if condition.whole:
        rising = _rising(domain)
    elif before is None:
        test = condition.build(domain, kwargs, None)
        asked = f"{name}({', '.join(domain.names)}; {_text(kwargs)}; {domain.ignore}{domain.key}; {domain.group})"
        expr = test.met if condition.arity in ("column", "rows") else judged & test.met.fill_null(value=False)
        met = Part(Metric(f"met {asked}", expr.sum(), test.lifts), "sum")
    return Counts(name, domain, kwargs, size(domain), considered, met, before, rising)


def _text(kwargs: Kwargs) -> str:
    return json.dumps(kwargs, sort_keys=True, default=repr)


def _judged(condition: Condition, domain: Domain) -> pl.Expr:
    if condition.arity == "column":
        (value,) = domain.values()
        return value.column.is_not_null()
    rows = domain.rows()
    if condition.arity == "rows":
        return pl.lit(value=True) if rows is None else rows
    return domain.considered()


def _judged_part(condition: Condition, domain: Domain, label: str, judged: pl.Expr, lifts: tuple[Lift, ...]) -> Part:
    if condition.arity == "column":
        (value,) = lifts
        return Part(Metric(f"count({value.name})", value.column.count(), (value,)), "sum")
    if domain.ignore == "never":
        return size(domain)
    return Part(Metric(f"considered {label}", judged.sum(), lifts), "sum")


def _rising(domain: Domain) -> tuple[Part, Part, Part]:
    """Steps that do not rise, and both ends, of each group: where no step fails and no groups meet, nothing occurs
    twice, and no second look is needed."""
    lifts = domain.values()
    first = lifts[0]
    before = Lift(f"{first.name} before", first.column.forward_fill().shift(), (first,))
    falls = first.column <= before.column
    needs: tuple[Lift, ...] = (first, before)
    if domain.group is not None:
        owner = owned(domain, first)
        falls, needs = falls & (owner.column == pl.col(domain.group)), (*needs, owner)
    if len(lifts) > 1:
        falls = falls | first.column.is_null()
    steps = Part(Metric(f"not rising({first.name}, {len(lifts) > 1})", falls.sum(), needs), "sum")
    one = replace(domain, names=domain.names[:1])
    return steps, end(one, "min"), end(one, "max")


def _apart(seen: Seen, rising: tuple[Part, Part, Part]) -> bool:
    """Whether every value is surely another."""
    steps, low, high = rising
    if seen.pooled(steps):
        return False
    ends = pl.DataFrame({"low": seen.each(low), "high": seen.each(high)}).drop_nulls().sort("low")
    return bool(ends.select((pl.col("low") > pl.col("high").shift()).all()).item())
