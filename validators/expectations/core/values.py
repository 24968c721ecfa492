"""Great Expectations' core expectations of the values of one column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from validators.expectations.core.expectation import ColumnRows, Scalar
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.expectations.signal.values import ChannelsBetween, ChannelsNotNull
from validators.findings import Judgement, NotEvaluable
from validators.values import Values


@dataclass(frozen=True)
class _ColumnOrVector(ColumnRows):
    """Of one column, or of every channel of a vector, where each episode and channel is judged alone."""

    @abstractmethod
    def channels(self) -> Expectation:
        """The same of a vector."""

    def _vector(self, subject: Subject) -> Expectation | None:
        feature = subject.stream.features.get(self.column)
        if feature is None or feature.width < 2:
            return None
        if self.mostly != 1 or self.row_condition:
            raise NotEvaluable(f"mostly and row_condition of a vector: name one channel, as {self.column}[0]")
        return self.channels()

    def needs(self, subject: Subject) -> Needs:
        vector = self._vector(subject)
        return vector.needs(subject) if vector else super().needs(subject)

    def judge(self, subject: Subject, values: Values) -> Judgement:
        vector = self._vector(subject)
        return vector.judge(subject, values) if vector else super().judge(subject, values)


@dataclass(frozen=True)
class ExpectColumnValuesToNotBeNull(_ColumnOrVector):
    """Nulls: no value is missing; of a vector, no channel is null.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN is missing in a single column, and another check in a vector.
    """

    type: ClassVar[str] = "expect_column_values_to_not_be_null"
    check: ClassVar[str] = "nulls"
    metric: ClassVar[str] = "column_values.nonnull"

    def channels(self) -> Expectation:
        return ChannelsNotNull(self.column, stream=self.stream)


@dataclass(frozen=True)
class ExpectColumnValuesToBeBetween(_ColumnOrVector):
    """Range: min_value <= x <= max_value for every value, and for every channel of a vector.

    Unit: the column's. Default: either bound may be left open; every row (mostly 1). Source: Great Expectations.
    Resolves: one row. NaN and null are other checks. Known false alarms: bounds copied from another unit.
    """

    type: ClassVar[str] = "expect_column_values_to_be_between"
    check: ClassVar[str] = "ranges"
    metric: ClassVar[str] = "column_values.between"
    min_value: Scalar = None
    max_value: Scalar = None
    strict_min: bool = False
    strict_max: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_value is None and self.max_value is None:
            raise ValueError("min_value or max_value is needed")

    def kwargs(self) -> Mapping[str, Any]:
        bounds = {"min_value": self.min_value, "max_value": self.max_value}
        return {**bounds, "strict_min": self.strict_min, "strict_max": self.strict_max}

    def channels(self) -> Expectation:
        ends = self.min_value, self.max_value
        if self.strict_min or self.strict_max or any(isinstance(end, str) for end in ends):
            raise NotEvaluable(f"strict bounds or text of a vector: name one channel, as {self.column}[0]")
        low, high = (None if end is None else float(end) for end in ends)
        return ChannelsBetween(self.column, low, high, stream=self.stream)


@dataclass(frozen=True)
class ExpectColumnValuesToBeNull(ColumnRows):
    """Only nulls: every value is missing.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_be_null"
    check: ClassVar[str] = "only_nulls"
    metric: ClassVar[str] = "column_values.null"


@dataclass(frozen=True)
class ExpectColumnValuesToBeInSet(ColumnRows):
    """In a set: every value is one of `value_set`; an integer and the same number as a float are one.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_be_in_set"
    check: ClassVar[str] = "in_set"
    metric: ClassVar[str] = "column_values.in_set"
    value_set: tuple[Any, ...] | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"value_set": self.value_set}


@dataclass(frozen=True)
class ExpectColumnValuesToNotBeInSet(ColumnRows):
    """Outside a set: no value is one of `value_set`.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_not_be_in_set"
    check: ClassVar[str] = "not_in_set"
    metric: ClassVar[str] = "column_values.not_in_set"
    value_set: tuple[Any, ...] | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"value_set": self.value_set}


@dataclass(frozen=True)
class ExpectColumnValuesToBeUnique(ColumnRows):
    """Unique: no value occurs twice in the whole stream. Where every step rises that is known at once; else all values
    are counted.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: identifiers that start again in each episode, which are unique within it only.
    """

    type: ClassVar[str] = "expect_column_values_to_be_unique"
    check: ClassVar[str] = "unique"
    metric: ClassVar[str] = "column_values.unique"


@dataclass(frozen=True)
class ExpectColumnValuesToBeIncreasing(ColumnRows):
    """Increasing: no value is below the one before in its episode, missing ones passed over; `strictly`: above it.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: wheels, joints and counters that wrap.
    """

    type: ClassVar[str] = "expect_column_values_to_be_increasing"
    check: ClassVar[str] = "increasing"
    metric: ClassVar[str] = "column_values.increasing"
    strictly: bool | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"strictly": self.strictly}


@dataclass(frozen=True)
class ExpectColumnValuesToBeDecreasing(ColumnRows):
    """Decreasing: no value is above the one before in its episode, missing ones passed over; `strictly`: below it.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: a battery that is charged.
    """

    type: ClassVar[str] = "expect_column_values_to_be_decreasing"
    check: ClassVar[str] = "decreasing"
    metric: ClassVar[str] = "column_values.decreasing"
    strictly: bool | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"strictly": self.strictly}


@dataclass(frozen=True)
class ExpectColumnValueZScoresToBeLessThan(ColumnRows):
    """Z-scores: |x - mean| / s < threshold over the whole stream, s with n - 1; one-sided unless `double_sided`.

    Unit: standard deviations. Default: none, the threshold is given. Source: Great Expectations. Resolves: one row.
    Known false alarms: signals that rest most of the time have a small deviation, and each movement is far from it.
    """

    type: ClassVar[str] = "expect_column_value_z_scores_to_be_less_than"
    check: ClassVar[str] = "z_scores"
    metric: ClassVar[str] = "column_values.z_score.under_threshold"
    threshold: float
    double_sided: bool

    def kwargs(self) -> Mapping[str, Any]:
        return {"threshold": self.threshold, "double_sided": self.double_sided}


@dataclass(frozen=True)
class ExpectColumnValuesToNotBeOutliers(ColumnRows):
    """Outliers: x within multiplier * (q75 - q25) of the quartiles (iqr), or within multiplier * s of the mean (std).

    Unit: the column's. Default: iqr, 1.5. Source: Great Expectations. Resolves: one row.
    Known false alarms: signals that rest most of the time; quartiles of a signal in two poses.
    """

    type: ClassVar[str] = "expect_column_values_to_not_be_outliers"
    check: ClassVar[str] = "core_outliers"
    metric: ClassVar[str] = "column_values.not_outliers"
    method: str = "iqr"
    multiplier: float = 1.5

    def kwargs(self) -> Mapping[str, Any]:
        return {"method": self.method, "multiplier": self.multiplier}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in ("iqr", "std") or self.multiplier < 0:
            raise ValueError("method is iqr or std, multiplier not negative")
