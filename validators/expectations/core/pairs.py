"""Great Expectations' core expectations of several columns, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from validators.expectations.core.expectation import PairRows, RecordRows


@dataclass(frozen=True)
class ExpectColumnPairValuesToBeEqual(PairRows):
    """Pairs: A = B in every row; a row with one missing value is unexpected, unless `ignore_row_if` passes over it.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_pair_values_to_be_equal"
    check: ClassVar[str] = "pair_equal"
    metric: ClassVar[str] = "column_pair_values.equal"


@dataclass(frozen=True)
class ExpectColumnPairValuesAToBeGreaterThanB(PairRows):
    """Pairs in order: A > B in every row; with `or_equal` A >= B.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_pair_values_a_to_be_greater_than_b"
    check: ClassVar[str] = "pair_greater"
    metric: ClassVar[str] = "column_pair_values.a_greater_than_b"
    or_equal: bool | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"or_equal": self.or_equal}


@dataclass(frozen=True)
class ExpectColumnPairValuesToBeInSet(PairRows):
    """Pairs in a set: (A, B) of every row is one of `value_pairs_set`, null for a missing value.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_pair_values_to_be_in_set"
    check: ClassVar[str] = "pair_in_set"
    metric: ClassVar[str] = "column_pair_values.in_set"
    value_pairs_set: tuple[Any, ...] | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"value_pairs_set": self.value_pairs_set}


@dataclass(frozen=True)
class ExpectCompoundColumnsToBeUnique(RecordRows):
    """Unique records: the values of `column_list` together occur once in the whole stream.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: indices that start again in each episode; name the episode's column too.
    """

    type: ClassVar[str] = "expect_compound_columns_to_be_unique"
    check: ClassVar[str] = "compound_unique"
    metric: ClassVar[str] = "compound_columns.unique"


@dataclass(frozen=True)
class ExpectMulticolumnSumToEqual(RecordRows):
    """Sum of a row: the values of `column_list` add up to `sum_total`; a row with a missing value has no sum.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: floats that are rounded; compare with bounds instead.
    """

    type: ClassVar[str] = "expect_multicolumn_sum_to_equal"
    check: ClassVar[str] = "row_sum"
    metric: ClassVar[str] = "multicolumn_sum.equal"
    sum_total: int | float

    def kwargs(self) -> Mapping[str, Any]:
        return {"sum_total": self.sum_total}


@dataclass(frozen=True)
class ExpectMulticolumnValuesToBeEqual(RecordRows):
    """Equal in a row: the values of `column_list` are the same; missing equals missing.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_multicolumn_values_to_be_equal"
    check: ClassVar[str] = "row_equal"
    metric: ClassVar[str] = "multicolumn_values.equal"


@dataclass(frozen=True)
class ExpectSelectColumnValuesToBeUniqueWithinRecord(RecordRows):
    """Unique in a row: no two values of `column_list` are the same; missing equals missing.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_select_column_values_to_be_unique_within_record"
    check: ClassVar[str] = "row_unique"
    metric: ClassVar[str] = "select_column_values.unique.within_record"
