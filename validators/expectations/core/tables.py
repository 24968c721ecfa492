"""Great Expectations' core expectations of a table: its columns, their types, and how many rows there are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, ClassVar

import polars as pl

from validators.expectations.core.expectation import CoreExpectation, Scalar, columns, needs_of, within
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics.measures import size
from validators.metrics.types import fits, named
from validators.values import Values


@dataclass(frozen=True)
class _Declared(Expectation):
    """What headers tell; no row is read for it."""

    def needs(self, subject: Subject) -> Needs:
        self.verdict(subject)
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        wrong, observed = self.verdict(subject)
        where = getattr(self, "column", "")
        found = (Finding(self.check, where, wrong, resolves="the table"),) if wrong else ()
        return Judgement(found, observed={"observed_value": observed})

    @abstractmethod
    def verdict(self, subject: Subject) -> tuple[str, Any]:
        """What is wrong ("" for nothing), and what was observed."""


@dataclass(frozen=True)
class ExpectColumnToExist(_Declared):
    """Column: the stream has `column`, at `column_index` where that is given (from 0).

    Unit: none. Default: at any place. Source: Great Expectations. Resolves: the table. Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_to_exist"
    check: ClassVar[str] = "column_exists"
    column: str
    column_index: int | None = None

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        found = list(subject.stream.columns)
        if self.column_index is None:
            return ("" if self.column in columns(subject.stream) else f"there is no column {self.column!r}"), found
        here = found[self.column_index] if -len(found) <= self.column_index < len(found) else None
        return ("" if here == self.column else f"column {self.column_index} is {here!r}, not {self.column!r}"), found


@dataclass(frozen=True)
class ExpectTableColumnCountToBeBetween(_Declared):
    """Number of columns: within bounds.

    Unit: columns. Default: either bound may be left open. Source: Great Expectations. Resolves: the table.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_table_column_count_to_be_between"
    check: ClassVar[str] = "column_count_between"
    min_value: Scalar = None
    max_value: Scalar = None

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        n = len(subject.stream.columns)
        good = within(n, self.min_value, self.max_value, strict_min=False, strict_max=False)
        return ("" if good else f"{n} columns, expected {self.min_value} to {self.max_value}"), n


@dataclass(frozen=True)
class ExpectTableColumnCountToEqual(_Declared):
    """Number of columns: `value`.

    Unit: columns. Default: none, it is given. Source: Great Expectations. Resolves: the table.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_table_column_count_to_equal"
    check: ClassVar[str] = "column_count"
    value: int

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        n = len(subject.stream.columns)
        return ("" if n == self.value else f"{n} columns, expected {self.value}"), n


@dataclass(frozen=True)
class ExpectTableColumnsToMatchOrderedList(_Declared):
    """Columns in order: exactly `column_list`.

    Unit: columns. Default: none, they are given. Source: Great Expectations. Resolves: the table.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_table_columns_to_match_ordered_list"
    check: ClassVar[str] = "columns_in_order"
    column_list: tuple[Any, ...] | None

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        found = list(subject.stream.columns)
        pairs = list(zip_longest(self.column_list if self.column_list is not None else found, found))
        wrong = [f"column {i} is {has!r}, not {want!r}" for i, (want, has) in enumerate(pairs) if want != has]
        return "; ".join(wrong[:5]), found


@dataclass(frozen=True)
class ExpectTableColumnsToMatchSet(_Declared):
    """Columns: those of `column_set`, and no other unless `exact_match` is false.

    Unit: columns. Default: exact. Source: Great Expectations. Resolves: the table. Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_table_columns_to_match_set"
    check: ClassVar[str] = "columns_in_set"
    column_set: tuple[Any, ...] | None
    exact_match: bool | None = True

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        found, wanted = set(subject.stream.columns), set(self.column_set or ())
        missing, strange = sorted(wanted - found), sorted(found - wanted)
        wrong = [f"missing {', '.join(missing)}"] if missing else []
        wrong += [f"not expected {', '.join(strange)}"] if strange and self.exact_match else []
        return "; ".join(wrong), sorted(found)


def _dtype(subject: Subject, column: str) -> pl.DataType:
    found = columns(subject.stream).get(column)
    if found is None:
        raise NotEvaluable(f"there is no column {column!r}")
    return found.dtype


@dataclass(frozen=True)
class ExpectColumnTypeToBe(_Declared):
    """Type of a column: `type_`, as numpy, pandas, Python or Polars call it; nullable or not is the same.

    Unit: none. Default: none, it is given. Source: Great Expectations. Resolves: the table.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_type_to_be"
    check: ClassVar[str] = "column_type"
    column: str
    type_: str

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        dtype = _dtype(subject, self.column)
        return ("" if fits(dtype, self.type_) else f"holds {named(dtype)}, not {self.type_}"), named(dtype)


@dataclass(frozen=True)
class ExpectColumnValuesToBeOfType(_Declared):
    """Type of values: `type_`, as numpy, pandas, Python or Polars call it.

    Unit: none. Default: none, it is given. Source: Great Expectations. Resolves: the table.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_values_to_be_of_type"
    check: ClassVar[str] = "of_type"
    column: str
    type_: str | None
    mostly: float = field(default=1.0, kw_only=True)  # a column of Polars has one type

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        dtype = _dtype(subject, self.column)
        good = self.type_ is None or fits(dtype, self.type_)
        return ("" if good else f"holds {named(dtype)}, not {self.type_}"), named(dtype)


@dataclass(frozen=True)
class ExpectColumnValuesToBeInTypeList(_Declared):
    """Types of values: one of `type_list`, as numpy, pandas, Python or Polars call them.

    Unit: none. Default: none, they are given. Source: Great Expectations. Resolves: the table.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_values_to_be_in_type_list"
    check: ClassVar[str] = "in_type_list"
    column: str
    type_list: tuple[Any, ...] | None
    mostly: float = field(default=1.0, kw_only=True)

    def verdict(self, subject: Subject) -> tuple[str, Any]:
        dtype = _dtype(subject, self.column)
        good = self.type_list is None or any(fits(dtype, name) for name in self.type_list)
        return ("" if good else f"holds {named(dtype)}, none of {', '.join(self.type_list or ())}"), named(dtype)


@dataclass(frozen=True)
class _RowCount(CoreExpectation):
    """How many rows meet `row_condition`."""

    def needs(self, subject: Subject) -> Needs:
        return needs_of([size(self.domain(subject))])

    def judge(self, subject: Subject, values: Values) -> Judgement:
        n = values.pooled(size(self.domain(subject))) or 0
        wrong = self.wrong(n)
        found = (Finding(self.check, "", wrong, value=float(n), unit="rows", resolves="one row"),) if wrong else ()
        return Judgement(found, observed={"observed_value": n})

    @abstractmethod
    def wrong(self, rows: int) -> str:
        """What is wrong with the number, "" for nothing."""


@dataclass(frozen=True)
class ExpectTableRowCountToBeBetween(_RowCount):
    """Number of rows: within bounds, over the whole stream.

    Unit: rows. Default: either bound may be left open. Source: Great Expectations. Resolves: one row.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_table_row_count_to_be_between"
    check: ClassVar[str] = "row_count_between"
    min_value: Scalar = None
    max_value: Scalar = None
    strict_min: bool = False
    strict_max: bool = False

    def wrong(self, rows: int) -> str:
        good = within(rows, self.min_value, self.max_value, self.strict_min, self.strict_max)
        return "" if good else f"{rows} rows, expected {self.min_value} to {self.max_value}"


@dataclass(frozen=True)
class ExpectTableRowCountToEqual(_RowCount):
    """Number of rows: `value`, over the whole stream.

    Unit: rows. Default: none, it is given. Source: Great Expectations. Resolves: one row.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_table_row_count_to_equal"
    check: ClassVar[str] = "row_count"
    value: int

    def wrong(self, rows: int) -> str:
        return "" if rows == self.value else f"{rows} rows, expected {self.value}"


REFUSED: Mapping[str, str] = {
    "unexpected_rows_expectation": "it is a query in SQL, and no database is asked here",
    "expect_query_results_to_match_comparison": "it compares two queries in SQL, and no database is asked here",
    "expect_table_row_count_to_equal_other_table": "it names another table, and a recording has no others; compare the"
    " counts of streams with expect_table_row_count_to_be_between",
    "expect_column_pair_cramers_phi_value_to_be_less_than": "Great Expectations itself only has its name",
    "expect_column_bootstrapped_ks_test_p_value_to_be_greater_than": "Great Expectations itself only has its name",
    "expect_column_chisquare_test_p_value_to_be_greater_than": "Great Expectations itself only has its name",
    "expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than": "Great Expectations itself only has"
    " its name",
    "expect_multicolumn_values_to_be_unique": "Great Expectations itself only has its name; take"
    " expect_select_column_values_to_be_unique_within_record",
}
