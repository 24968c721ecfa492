"""Great Expectations' core expectations on our engine: what their families have in common.

Their names, parameters and verdicts are Great Expectations'; `validators/metrics` says what is computed. NaN is missing
in them, as null is. A column is a column of the stream or one channel of a vector, as `observation.state[2]`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics.counts import Counts, counts
from validators.metrics.domain import Column, Columns, Domain, ignore
from validators.metrics.measures import MEASURES, Measure, Part
from validators.stream import EPISODE, Stream
from validators.values import Values

Scalar: TypeAlias = int | float | str | None
RowCondition: TypeAlias = str | Mapping[str, Any] | None
SHOWN = 5  # unexpected values in a message


def columns(stream: Stream) -> Columns:
    """The stream's columns, and each channel of its vectors."""
    held = [name for name in stream.columns if name in stream.schema]
    found = {name: Column(pl.col(name), stream.schema[name]) for name in held}
    for feature in stream.features.values():
        dtype = stream.schema.get(feature.name)
        if feature.width and isinstance(dtype, pl.List | pl.Array):
            inner = pl.DataType.from_python(float) if dtype.inner is None else dtype.inner
            kind = inner if isinstance(inner, pl.DataType) else inner()
            found |= {n: Column(e, kind) for n, e in stream.unpacked(feature).items()}
    return found


def needs_of(parts: Sequence[Part]) -> Needs:
    """The pass that the parts want."""
    return Needs(tuple(dict.fromkeys(p.metric for p in parts)))


@dataclass(frozen=True)
class CoreExpectation(Expectation):
    """About the rows that meet `row_condition`, all where there is none."""

    row_condition: RowCondition = field(default=None, kw_only=True)
    condition_parser: str | None = field(default=None, kw_only=True)

    def domain(self, subject: Subject, *names: str, ignoring: str | None = None) -> Domain:
        """Columns over those rows; sequences end with their episode."""
        stream = subject.stream
        group = EPISODE if len(stream.lengths) > 1 else None
        return Domain(columns(stream), names, self.row_condition, self.condition_parser, ignore(ignoring), group)


@dataclass(frozen=True)
class RowsExpectation(CoreExpectation):
    """At least the share `mostly` of the rows that are judged is as expected; each episode with others is named."""

    metric: ClassVar[str]
    mostly: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.mostly <= 1:
            raise ValueError(f"mostly lies between 0 and 1, not {self.mostly}")

    def kwargs(self) -> Mapping[str, Any]:
        """The metric's own parameters."""
        return {}

    @abstractmethod
    def domains(self, subject: Subject) -> Mapping[str, Domain]:
        """What is judged, by the name that a finding gives it."""

    def counts(self, subject: Subject) -> dict[str, Counts]:
        """How many rows, of each of them. Raises `NotEvaluable`."""
        return {name: counts(self.metric, domain, self.kwargs()) for name, domain in self.domains(subject).items()}

    def needs(self, subject: Subject) -> Needs:
        return needs_of([p for one in self.counts(subject).values() for p in one.parts])

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found, notes, observed = [], [], {}
        for name, one in self.counts(subject).items():
            rows, judged = values.pooled(one.rows) or 0, values.pooled(one.judged) or 0
            unexpected = one.unexpected(values)
            observed[name] = tally(rows, judged, unexpected)
            if judged and (judged - unexpected) / judged < self.mostly:
                found += self._findings(subject, values, name, one, judged)
            elif unexpected:
                notes.append(
                    f"{name}: {unexpected} of {judged} rows are not as expected, within mostly {self.mostly:g}"
                )
        return Judgement(tuple(found), "; ".join(notes), observed[name] if len(observed) == 1 else observed)

    def _findings(self, subject: Subject, values: Values, name: str, one: Counts, judged: int) -> list[Finding]:
        shown = one.domain.names[0]
        aggregates = [pl.len().alias("n"), one.domain.column(shown).expr.head(SHOWN).alias("values")]
        stream = subject.stream
        if stream.clock is not None:
            aggregates += [stream.seconds().min().alias("start"), stream.seconds().max().alias("end")]
        table = one.failing(values).group_by(EPISODE).agg(aggregates).sort(EPISODE).collect(engine="streaming")
        return [
            Finding(
                self.check,
                name,
                f"{row['n']} rows are not as expected, the first: {', '.join(map(str, row['values']))}",
                episode=subject.recording.episodes[row[EPISODE]].index,
                start_s=row.get("start"),
                end_s=row.get("end"),
                value=float(row["n"]),
                limit=float(int((1 - self.mostly) * judged)),
                unit="rows",
                resolves="one row",
            )
            for row in table.iter_rows(named=True)
        ]


def tally(rows: int, judged: int, unexpected: int) -> dict[str, Any]:
    """The numbers of a result, as Great Expectations names them."""
    return {
        "element_count": rows,
        "unexpected_count": unexpected,
        "unexpected_percent": 100 * unexpected / judged if judged else None,
        "missing_count": rows - judged,
        "missing_percent": 100 * (rows - judged) / rows if rows else None,
        "unexpected_percent_total": 100 * unexpected / rows if rows else None,
        "unexpected_percent_nonmissing": 100 * unexpected / judged if judged else None,
    }


@dataclass(frozen=True)
class ColumnRows(RowsExpectation):
    """Of one column."""

    column: str

    def domains(self, subject: Subject) -> Mapping[str, Domain]:
        return {self.column: self.domain(subject, self.column)}


@dataclass(frozen=True)
class PairRows(RowsExpectation):
    """Of two columns, side by side."""

    column_A: str  # noqa: N815 - Great Expectations' name
    column_B: str  # noqa: N815
    ignore_row_if: str = field(default="both_values_are_missing", kw_only=True)

    def domains(self, subject: Subject) -> Mapping[str, Domain]:
        pair = self.column_A, self.column_B
        return {f"{self.column_A}, {self.column_B}": self.domain(subject, *pair, ignoring=self.ignore_row_if)}


@dataclass(frozen=True)
class RecordRows(RowsExpectation):
    """Of some columns, row by row."""

    column_list: tuple[Any, ...]
    ignore_row_if: str = field(default="all_values_are_missing", kw_only=True)

    def domains(self, subject: Subject) -> Mapping[str, Domain]:
        return {", ".join(self.column_list): self.domain(subject, *self.column_list, ignoring=self.ignore_row_if)}


@dataclass(frozen=True)
class MeasureExpectation(CoreExpectation):
    """One measure of a column over the whole stream."""

    metric: ClassVar[str]
    column: str

    def kwargs(self) -> Mapping[str, Any]:
        """The measure's own parameters."""
        return {}

    def measure(self, subject: Subject) -> Measure:
        """The measure. Raises `NotEvaluable`."""
        return MEASURES[self.metric](self.domain(subject, self.column), self.kwargs())

    def needs(self, subject: Subject) -> Needs:
        return needs_of(self.measure(subject).parts)

    def judge(self, subject: Subject, values: Values) -> Judgement:
        value = self.measure(subject).finish(values)
        good, observed, message = self.verdict(value)
        if good:
            return Judgement(observed=observed)
        number = float(value) if isinstance(value, int | float) else None
        finding = Finding(self.check, self.column, message, value=number, resolves="the whole stream")
        return Judgement((finding,), observed=observed)

    @abstractmethod
    def verdict(self, value: Any) -> tuple[bool, Mapping[str, object], str]:
        """Whether the measure is as expected, what was observed, and what is wrong if it is not."""


@dataclass(frozen=True)
class MeasureBetween(MeasureExpectation):
    """A measure within bounds; a column without values has none, and fails."""

    min_value: Scalar = None
    max_value: Scalar = None
    strict_min: bool = False
    strict_max: bool = False

    def verdict(self, value: Any) -> tuple[bool, Mapping[str, object], str]:
        good = value is not None and within(value, self.min_value, self.max_value, self.strict_min, self.strict_max)
        where = f"{'(' if self.strict_min else '['}{self.min_value}, {self.max_value}{')' if self.strict_max else ']'}"
        return good, {"observed_value": value}, f"{self.metric} is {value}, expected in {where}"


def within(value: Any, low: Any, high: Any, strict_min: bool, strict_max: bool) -> bool:
    """Whether low <= value <= high, open where strict. Raises `NotEvaluable` when they do not compare."""
    try:
        low, high = (_like(value, end) for end in (low, high))
        above = low is None or (value > low if strict_min else value >= low)
        below = high is None or (value < high if strict_max else value <= high)
    except TypeError as error:
        raise NotEvaluable(f"{value!r} cannot be compared with {low!r} and {high!r}") from error
    return bool(above and below)


def _like(value: Any, end: Any) -> Any:
    """ISO text beside a date is a date."""
    if not isinstance(end, str) or isinstance(value, str):
        return end
    kind = type(value)
    try:
        return kind.fromisoformat(end) if hasattr(kind, "fromisoformat") else end
    except ValueError as error:
        raise NotEvaluable(f"{end!r} is no {kind.__name__}") from error
