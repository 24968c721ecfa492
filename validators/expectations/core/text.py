"""Great Expectations' core expectations of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from validators.expectations.core.expectation import ColumnRows, Scalar


@dataclass(frozen=True)
class ExpectColumnValueLengthsToBeBetween(ColumnRows):
    """Lengths: characters of each value, an integer as it is written, within bounds.

    Unit: characters. Default: either bound may be left open. Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_value_lengths_to_be_between"
    check: ClassVar[str] = "lengths"
    metric: ClassVar[str] = "column_values.value_length.between"
    min_value: Scalar = None
    max_value: Scalar = None
    strict_min: bool = False
    strict_max: bool = False

    def kwargs(self) -> Mapping[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "strict_min": self.strict_min,
            "strict_max": self.strict_max,
        }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_value is None and self.max_value is None:
            raise ValueError("min_value or max_value is needed")


@dataclass(frozen=True)
class ExpectColumnValueLengthsToEqual(ColumnRows):
    """Length: each value has `value` characters, an integer as it is written.

    Unit: characters. Default: none, the length is given. Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_value_lengths_to_equal"
    check: ClassVar[str] = "length"
    metric: ClassVar[str] = "column_values.value_length.equals"
    value: int | float

    def kwargs(self) -> Mapping[str, Any]:
        return {"value": self.value}


@dataclass(frozen=True)
class ExpectColumnValuesToMatchRegex(ColumnRows):
    """Pattern: `regex` is found in every value, as Python's re.search finds it.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_match_regex"
    check: ClassVar[str] = "regex"
    metric: ClassVar[str] = "column_values.match_regex"
    regex: str = "(?s).*"

    def kwargs(self) -> Mapping[str, Any]:
        return {"regex": self.regex}


@dataclass(frozen=True)
class ExpectColumnValuesToNotMatchRegex(ColumnRows):
    """No pattern: `regex` is found in no value.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_not_match_regex"
    check: ClassVar[str] = "not_regex"
    metric: ClassVar[str] = "column_values.not_match_regex"
    regex: str

    def kwargs(self) -> Mapping[str, Any]:
        return {"regex": self.regex}


@dataclass(frozen=True)
class ExpectColumnValuesToMatchRegexList(ColumnRows):
    """Patterns: any of `regex_list` is found in every value; `match_on` all: all of them are.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_match_regex_list"
    check: ClassVar[str] = "regex_list"
    metric: ClassVar[str] = "column_values.match_regex_list"
    regex_list: tuple[Any, ...]
    match_on: str = "any"

    def kwargs(self) -> Mapping[str, Any]:
        return {"regex_list": self.regex_list, "match_on": self.match_on}


@dataclass(frozen=True)
class ExpectColumnValuesToNotMatchRegexList(ColumnRows):
    """No patterns: none of `regex_list` is found in any value.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_not_match_regex_list"
    check: ClassVar[str] = "not_regex_list"
    metric: ClassVar[str] = "column_values.not_match_regex_list"
    regex_list: tuple[Any, ...]

    def kwargs(self) -> Mapping[str, Any]:
        return {"regex_list": self.regex_list}


@dataclass(frozen=True)
class ExpectColumnValuesToMatchLikePattern(ColumnRows):
    """LIKE: every value fits SQL's pattern whole; % is any text, _ one character, `escape` takes the next as it is.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_match_like_pattern"
    check: ClassVar[str] = "like"
    metric: ClassVar[str] = "column_values.match_like_pattern"
    like_pattern: str
    escape: str | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"like_pattern": self.like_pattern, "escape": self.escape}


@dataclass(frozen=True)
class ExpectColumnValuesToNotMatchLikePattern(ColumnRows):
    """No LIKE: no value fits SQL's pattern whole.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_not_match_like_pattern"
    check: ClassVar[str] = "not_like"
    metric: ClassVar[str] = "column_values.not_match_like_pattern"
    like_pattern: str
    escape: str | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"like_pattern": self.like_pattern, "escape": self.escape}


@dataclass(frozen=True)
class ExpectColumnValuesToMatchLikePatternList(ColumnRows):
    """LIKE, several: every value fits any of the patterns; `match_on` all: all of them.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_match_like_pattern_list"
    check: ClassVar[str] = "like_list"
    metric: ClassVar[str] = "column_values.match_like_pattern_list"
    like_pattern_list: tuple[Any, ...]
    match_on: str = "any"
    escape: str | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"like_pattern_list": self.like_pattern_list, "match_on": self.match_on, "escape": self.escape}


@dataclass(frozen=True)
class ExpectColumnValuesToNotMatchLikePatternList(ColumnRows):
    """No LIKE, several: no value fits any of the patterns.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_not_match_like_pattern_list"
    check: ClassVar[str] = "not_like_list"
    metric: ClassVar[str] = "column_values.not_match_like_pattern_list"
    like_pattern_list: tuple[Any, ...]
    escape: str | None = None

    def kwargs(self) -> Mapping[str, Any]:
        return {"like_pattern_list": self.like_pattern_list, "escape": self.escape}


@dataclass(frozen=True)
class ExpectColumnValuesToMatchStrftimeFormat(ColumnRows):
    """Form of a time: Python's strptime reads every value in `strftime_format`.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_match_strftime_format"
    check: ClassVar[str] = "strftime"
    metric: ClassVar[str] = "column_values.match_strftime_format"
    strftime_format: str

    def kwargs(self) -> Mapping[str, Any]:
        return {"strftime_format": self.strftime_format}


@dataclass(frozen=True)
class ExpectColumnValuesToBeDateutilParseable(ColumnRows):
    """A time: dateutil reads every value; needs the extra `gx`.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: dateutil reads much that is no time, as "10".
    """

    type: ClassVar[str] = "expect_column_values_to_be_dateutil_parseable"
    check: ClassVar[str] = "dateutil"
    metric: ClassVar[str] = "column_values.dateutil_parseable"


@dataclass(frozen=True)
class ExpectColumnValuesToBeJsonParseable(ColumnRows):
    """JSON: Python's json reads every value.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_be_json_parseable"
    check: ClassVar[str] = "json"
    metric: ClassVar[str] = "column_values.json_parseable"


@dataclass(frozen=True)
class ExpectColumnValuesToMatchJsonSchema(ColumnRows):
    """JSON of a schema: every value is JSON that `json_schema` accepts; needs the extra `gx`.

    Unit: rows. Default: every row (mostly 1). Source: Great Expectations. Resolves: one row.
    Known false alarms: none known; NaN and null are missing, not unexpected.
    """

    type: ClassVar[str] = "expect_column_values_to_match_json_schema"
    check: ClassVar[str] = "json_schema"
    metric: ClassVar[str] = "column_values.match_json_schema"
    json_schema: Mapping[str, Any]

    def kwargs(self) -> Mapping[str, Any]:
        return {"json_schema": self.json_schema}
