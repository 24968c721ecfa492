"""Great Expectations' core expectations over recordings: findings name episodes, whole columns are judged as one."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validators import readers
from validators.errors import InvalidSuite
from validators.expectations.core.tables import REFUSED
from validators.metrics.compute import once
from validators.metrics.counts import counts
from validators.metrics.domain import Domain, columns_of
from validators.run import run
from validators.suites import parse


def one(kind, **kwargs):
    return parse(json.dumps({"name": "one", "expectations": [{"type": kind, "kwargs": kwargs}]}))


def outcome(root, kind, **kwargs):
    (found,) = run(readers.open(root), one(kind, **kwargs)).outcomes
    return found


@pytest.fixture
def root(writer):
    tracks = writer.tracks(3)
    for track in tracks:
        track.columns["action"] = np.clip(track.columns["action"], -0.4, 0.4)
    tracks[1].columns["action"][7:9, 1] = 5.0
    return writer.write(tracks)


def test_rows_name_their_episode_and_span(root):
    found = outcome(root, "expect_column_values_to_be_between", column="action[1]", max_value=1)
    (finding,) = found.findings
    assert (finding.episode, finding.value) == (1, 2.0)
    assert (finding.start_s, finding.end_s) == (pytest.approx(7 / 20, abs=0.01), pytest.approx(8 / 20, abs=0.01))
    assert (found.observed["element_count"], found.observed["unexpected_count"]) == (180, 2)


def test_mostly_passes_and_says_so(root):
    found = outcome(root, "expect_column_values_to_be_between", column="action[1]", max_value=1, mostly=0.98)
    assert found.status == "clean"
    assert "2 of 180" in found.note


def test_a_sequence_ends_with_its_episode_and_uniqueness_does_not(root):
    assert outcome(root, "expect_column_values_to_be_increasing", column="timestamp", strictly=True).status == "clean"
    repeated = outcome(root, "expect_column_values_to_be_unique", column="frame_index")
    assert {f.episode for f in repeated.findings} == {0, 1, 2}
    assert repeated.observed["unexpected_count"] == 180
    assert outcome(root, "expect_column_values_to_be_unique", column="index").status == "clean"


def test_measures_are_of_the_whole_stream(root):
    table = readers.open(root).scan().collect()
    found = outcome(root, "expect_column_stdev_to_be_between", column="timestamp", min_value=0)
    assert found.observed["observed_value"] == pytest.approx(table["timestamp"].cast(pl.Float64).std())


def test_a_vector_is_no_column(root):
    found = outcome(root, "expect_column_mean_to_be_between", column="action", min_value=0)
    assert (found.status, "action[0]" in found.why) == ("not-evaluable", True)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_needs_sql_is_refused_by_name(kind):
    with pytest.raises(InvalidSuite, match=REFUSED[kind].split(";")[0]) as caught:
        one(kind)
    assert caught.value.kind == "expectation-unknown"


@pytest.mark.parametrize(
    ("condition", "parser", "rows"),
    [
        ('col("a") > 1', "great_expectations", 2),
        ('col("a").notnull()', "great_expectations", 3),
        ('col("s")=="x"', None, 1),
        ("a > 1", "pandas", None),
        ("__import__('os')", "great_expectations", None),
        ({"type": "pass_through", "pass_through_filter": "a > 1"}, None, None),
        ({"type": "comparison", "column": {"name": "a"}, "operator": "!=", "parameter": 1}, None, 3),
    ],
)
def test_row_conditions(condition, parser, rows):
    frame = pl.LazyFrame({"a": [1, 2, None, 3], "s": ["x", "y", "y", None]})
    domain = Domain(columns_of(frame.collect_schema()), ("a",), condition, parser)
    if rows is None:
        from validators.findings import NotEvaluable

        with pytest.raises(NotEvaluable, match=r"refused|parsed"):
            domain.rows()
    else:
        assert frame.filter(domain.rows()).collect().height == rows


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 12) | st.none(), max_size=30))
def test_unique_counts_what_counting_counts(values):
    frame = pl.LazyFrame({"a": pl.Series(values, dtype=pl.Int64)})
    asked = counts("column_values.unique", Domain(columns_of(frame.collect_schema()), ("a",)), {})
    there = [v for v in values if v is not None]
    assert asked.unexpected(once(frame, asked.parts)) == sum(there.count(v) > 1 for v in there)


@pytest.mark.parametrize("value", [2**53, 2**53 + 1, 2**53 + 2])
def test_great_integers_keep_their_digits(value):
    frame = pl.LazyFrame({"a": [2**53 + 1]})
    domain = Domain(columns_of(frame.collect_schema()), ("a",))
    inside = counts("column_values.between", domain, {"min_value": value, "max_value": value})
    listed = counts("column_values.in_set", domain, {"value_set": [value]})
    wanted = 0 if value == 2**53 + 1 else 1
    assert [c.unexpected(once(frame, c.parts)) for c in (inside, listed)] == [wanted, wanted]
