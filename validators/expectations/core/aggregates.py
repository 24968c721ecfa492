"""Great Expectations' core expectations of one number of a column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from validators.expectations.core.expectation import MeasureBetween, MeasureExpectation
from validators.expectations.expectation import Subject
from validators.findings import NotEvaluable
from validators.metrics.divergence import divergence
from validators.metrics.measures import Measure


def _near(value: Any, low: Any, high: Any) -> bool:
    """Great Expectations' own tolerance at the ends."""
    if value is None:
        return False
    ends = [end for end in (low, high) if end is not None]
    return any(math.isclose(value, end, rel_tol=1e-4) for end in ends) or (
        (low is None or low <= value) and (high is None or value <= high)
    )


@dataclass(frozen=True)
class ExpectColumnMinToBeBetween(MeasureBetween):
    """Minimum: the least value lies within bounds.

    Unit: the column's. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_min_to_be_between"
    check: ClassVar[str] = "minimum"
    metric: ClassVar[str] = "column.min"


@dataclass(frozen=True)
class ExpectColumnMaxToBeBetween(MeasureBetween):
    """Maximum: the greatest value lies within bounds.

    Unit: the column's. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_max_to_be_between"
    check: ClassVar[str] = "maximum"
    metric: ClassVar[str] = "column.max"


@dataclass(frozen=True)
class ExpectColumnMeanToBeBetween(MeasureBetween):
    """Mean: sum / n lies within bounds.

    Unit: the column's. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_mean_to_be_between"
    check: ClassVar[str] = "mean"
    metric: ClassVar[str] = "column.mean"


@dataclass(frozen=True)
class ExpectColumnMedianToBeBetween(MeasureBetween):
    """Median: the middle value, or the mean of the two middle ones, lies within bounds. Exact, in a second look.

    Unit: the column's. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_median_to_be_between"
    check: ClassVar[str] = "median"
    metric: ClassVar[str] = "column.median"


@dataclass(frozen=True)
class ExpectColumnStdevToBeBetween(MeasureBetween):
    """Standard deviation: with n - 1, lies within bounds.

    Unit: the column's. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_stdev_to_be_between"
    check: ClassVar[str] = "deviation"
    metric: ClassVar[str] = "column.standard_deviation"


@dataclass(frozen=True)
class ExpectColumnSumToBeBetween(MeasureBetween):
    """Sum: of all values, lies within bounds; of none it is 0.

    Unit: the column's. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_sum_to_be_between"
    check: ClassVar[str] = "sum"
    metric: ClassVar[str] = "column.sum"


@dataclass(frozen=True)
class ExpectColumnUniqueValueCountToBeBetween(MeasureBetween):
    """Distinct values: their number lies within bounds.

    Unit: a count. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_unique_value_count_to_be_between"
    check: ClassVar[str] = "distinct_count"
    metric: ClassVar[str] = "column.distinct_values.count"


@dataclass(frozen=True)
class ExpectColumnProportionOfUniqueValuesToBeBetween(MeasureBetween):
    """Share of distinct values: their number by that of all values, 0 where there are none.

    Unit: a share. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: falls as a recording grows.
    """

    type: ClassVar[str] = "expect_column_proportion_of_unique_values_to_be_between"
    check: ClassVar[str] = "distinct_share"
    metric: ClassVar[str] = "column.unique_proportion"


@dataclass(frozen=True)
class ExpectColumnProportionOfNonNullValuesToBeBetween(MeasureBetween):
    """Share of values: those that are not missing by all rows, 0 where there are none.

    Unit: a share. Default: either bound may be left open. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_proportion_of_non_null_values_to_be_between"
    check: ClassVar[str] = "non_null_share"
    metric: ClassVar[str] = "column.non_null_proportion"


@dataclass(frozen=True)
class ExpectColumnQuantileValuesToBeBetween(MeasureExpectation):
    """Quantiles: each of quantile_ranges.quantiles lies within its pair of quantile_ranges.value_ranges, or within 1e-4
    of an end. The nearest value, unless `allow_relative_error` names an interpolation.

    Unit: the column's. Default: none, the ranges are given. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_quantile_values_to_be_between"
    check: ClassVar[str] = "quantiles"
    metric: ClassVar[str] = "column.quantile_values"
    quantile_ranges: Mapping[str, Any]
    allow_relative_error: bool | str = False

    def __post_init__(self) -> None:
        ranges = self.quantile_ranges
        quantiles, pairs = ranges.get("quantiles"), ranges.get("value_ranges")
        if (
            not isinstance(quantiles, list | tuple)
            or not isinstance(pairs, list | tuple)
            or len(quantiles) != len(pairs)
        ):
            raise ValueError("quantile_ranges: quantiles and as many value_ranges were expected")
        if any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs):
            raise ValueError("quantile_ranges: each of value_ranges is a pair, null where it is open")

    def kwargs(self) -> Mapping[str, Any]:
        return {"quantiles": self.quantile_ranges["quantiles"], "allow_relative_error": self.allow_relative_error}

    def verdict(self, value: Any) -> tuple[bool, Mapping[str, object], str]:
        wanted = self.quantile_ranges
        good = [_near(v, *pair) for v, pair in zip(value, wanted["value_ranges"], strict=True)]
        wrong = [f"q{q} is {v}" for q, v, fine in zip(wanted["quantiles"], value, good, strict=True) if not fine]
        observed = {"quantiles": list(wanted["quantiles"]), "values": list(value)}
        return all(good), {"observed_value": observed}, ", ".join(wrong)


@dataclass(frozen=True)
class ExpectColumnMostCommonValueToBeInSet(MeasureExpectation):
    """Most common value: it is one of `value_set`; where several tie, that is a failure unless `ties_okay` and one of
    them is.

    Unit: the column's. Default: none, the set is given. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_most_common_value_to_be_in_set"
    check: ClassVar[str] = "most_common"
    metric: ClassVar[str] = "column.most_common_value"
    value_set: tuple[Any, ...]
    ties_okay: bool | None = None

    def verdict(self, value: Any) -> tuple[bool, Mapping[str, object], str]:
        shared = len(set(self.value_set) & set(value))
        good = shared > 0 if self.ties_okay else len(value) == 1 and shared == 1
        return good, {"observed_value": value}, f"most common is {', '.join(map(str, value)) or 'nothing'}"


@dataclass(frozen=True)
class ExpectColumnKlDivergenceToBeLessThan(MeasureExpectation):
    """Divergence: Kullback-Leibler's, of the column from `partition_object`; sum of p ln(p / q) over values or bins.
    Not finite is a failure.

    Unit: nats. Default: none, the threshold is given. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: few values against many bins: empty bins of the expected partition make it infinite.
    """

    type: ClassVar[str] = "expect_column_kl_divergence_to_be_less_than"
    check: ClassVar[str] = "divergence"
    metric: ClassVar[str] = "column.kl_divergence"
    partition_object: Mapping[str, Any]
    threshold: float | None = None
    tail_weight_holdout: float = 0
    internal_weight_holdout: float = 0
    bucketize_data: bool = True

    def kwargs(self) -> Mapping[str, Any]:
        return {
            "partition_object": self.partition_object,
            "tail_weight_holdout": self.tail_weight_holdout,
            "internal_weight_holdout": self.internal_weight_holdout,
        }

    def __post_init__(self) -> None:
        if self.threshold is not None and self.threshold < 0:
            raise ValueError("threshold is not negative")

    def measure(self, subject: Subject) -> Measure:
        if not self.bucketize_data and "bins" in self.partition_object:
            raise NotEvaluable("bucketize_data must be true beside bins")
        return divergence(self.domain(subject, self.column), self.kwargs())

    def verdict(self, value: Any) -> tuple[bool, Mapping[str, object], str]:
        good = self.threshold is None or (value is not None and value <= self.threshold)
        return good, {"observed_value": value}, f"divergence is {value}, at most {self.threshold} is expected"
