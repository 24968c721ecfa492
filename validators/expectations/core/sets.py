"""Great Expectations' core expectations of a column's distinct values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from validators.expectations.core.expectation import SHOWN, MeasureExpectation
from validators.metrics.literals import literals


@dataclass(frozen=True)
class _Distinct(MeasureExpectation):
    """Distinct values against a set."""

    value_set: tuple[Any, ...] | None

    @abstractmethod
    def missing_and_strange(self, found: set[Any], wanted: set[Any]) -> tuple[set[Any], set[Any]]:
        """Values of the set that do not occur, and values that are not in it."""

    def verdict(self, value: Any) -> tuple[bool, Mapping[str, object], str]:
        fits = literals(self.value_set or (), value.dtype).to_list()
        strangers = {("no value", w) for w in self.value_set or () if not len(literals([w], value.dtype))}
        missing, strange = self.missing_and_strange(set(value.to_list()), {*fits, *strangers})
        shown = [v[1] if isinstance(v, tuple) else v for v in (*missing, *strange)]
        observed = {"observed_value": None, "missing_count": len(missing), "unexpected_count": len(strange)}
        message = f"{len(missing)} values do not occur, {len(strange)} are not expected: "
        return not shown, observed, message + ", ".join(sorted(map(str, shown))[:SHOWN])


@dataclass(frozen=True)
class ExpectColumnDistinctValuesToBeInSet(_Distinct):
    """Distinct values in a set: each is one of `value_set`.

    Unit: the column's. Default: none, the set is given. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_distinct_values_to_be_in_set"
    check: ClassVar[str] = "distinct_in_set"
    metric: ClassVar[str] = "column.distinct_values"

    def missing_and_strange(self, found: set[Any], wanted: set[Any]) -> tuple[set[Any], set[Any]]:
        return set(), found - wanted


@dataclass(frozen=True)
class ExpectColumnDistinctValuesToContainSet(_Distinct):
    """Distinct values contain a set: each of `value_set` occurs.

    Unit: the column's. Default: none, the set is given. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_distinct_values_to_contain_set"
    check: ClassVar[str] = "distinct_contain"
    metric: ClassVar[str] = "column.distinct_values"

    def missing_and_strange(self, found: set[Any], wanted: set[Any]) -> tuple[set[Any], set[Any]]:
        return wanted - found, set()


@dataclass(frozen=True)
class ExpectColumnDistinctValuesToEqualSet(_Distinct):
    """Distinct values are a set: each of `value_set` occurs, and nothing else does.

    Unit: the column's. Default: none, the set is given. Source: Great Expectations. Resolves: the whole stream.
    Known false alarms: none known.
    """

    type: ClassVar[str] = "expect_column_distinct_values_to_equal_set"
    check: ClassVar[str] = "distinct_equal"
    metric: ClassVar[str] = "column.distinct_values"

    def missing_and_strange(self, found: set[Any], wanted: set[Any]) -> tuple[set[Any], set[Any]]:
        return wanted - found, found - wanted
