"""Every core expectation on many small tables: our executor, our engine of Great Expectations, and GX on pandas agree.

What differs is listed in `DIFFERENCES`, with why; a difference that is gone must leave the list.
"""

import datetime
import json
import math
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("great_expectations") is None, reason="needs the extra `gx`"),
    pytest.mark.filterwarnings("ignore"),  # of pandas, numpy and Great Expectations itself
]

BIG = 2**53 + 1
NAN = float("nan")
DAY = datetime.datetime
TABLES = {
    "empty": {"i": ("int64", []), "f": ("float64", []), "s": ("str", [])},
    "one": {"i": ("int64", [3]), "f": ("float64", [2.5]), "s": ("str", ["ab"])},
    "plain": {
        "i": ("int64", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        "f": ("float64", [0.5, 1.5, 2.5, 2.5, 4.0, 5.5, 6.0, 7.25, 8.0, 9.0]),
        "s": ("str", ["a", "ab", "abc", "b", "b1", "c22", "", "é", "zz\n", "A B"]),
    },
    "holes": {
        "i": ("int64", [5, 4, 4, 2, 2, 1, 0, -1]),
        "f": ("float64", [1.0, NAN, 3.0, NAN, 3.0, 2.0, NAN, 9.0]),
        "s": ("str", ["x", None, "y", "x", None, "42", "2024-01-02", '{"a": 1}']),
    },
    "nulls": {"i": ("int64", [1, 1, 1]), "f": ("float64", [NAN, NAN, NAN]), "s": ("str", [None, None, None])},
    "edges": {
        "i": ("int64", [BIG, BIG - 1, -BIG, 0]),
        "f": ("float64", [math.inf, -math.inf, 0.0, 1e300]),
        "s": ("str", ["1.5", "null", "[1]", "01/02/2024"]),
    },
    "repeated": {
        "i": ("int64", [7, 7, 8, 8, 8, 9, 7, 10, 11, 12]),
        "f": ("float64", [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 100.0, -100.0]),
        "s": ("str", ["x", "x", "y", "y", "z", "z", "z", "w", "w", "w"]),
    },
}
NUMBERS, TEXT, ALL = ("i", "f"), ("s",), ("i", "f", "s")
BOUNDS = (
    {"min_value": 1, "max_value": 9},
    {"min_value": 2.5, "strict_min": True},
    {"max_value": 8, "strict_max": True},
)
MOSTLY = ({}, {"mostly": 0.5}, {"mostly": 0.8}, {"mostly": 0})
SET = ({"value_set": [1, 2, 3, 4.0]}, {"value_set": ["x", "a", "b"]}, {"value_set": [BIG, 7, 1.0, 2]})
WHERE = {"type": "comparison", "column": {"name": "i"}, "operator": ">", "parameter": 1}
EITHER = {
    "type": "or",
    "conditions": [
        {**WHERE, "operator": "IN", "parameter": [1, 7]},
        {"type": "nullity", "column": {"name": "s"}, "is_null": True},
    ],
}


def of(columns, *keywords):
    return [{"column": c, **k} for c in columns for k in keywords]


def cases():
    both = [{}, {"mostly": 0.7}, {"row_condition": WHERE}, {"row_condition": EITHER}]
    between = [*BOUNDS, *({**BOUNDS[0], **m} for m in (*MOSTLY, {"row_condition": WHERE}))]
    yield "expect_column_values_to_be_between", of(NUMBERS, *between)
    for name in ("null", "not_be_null"):
        kind = f"expect_column_values_to_{'be_null' if name == 'null' else name}"
        yield kind, of(ALL, *MOSTLY, {"row_condition": WHERE}, {"row_condition": EITHER})
    for kind in ("in_set", "not_be_in_set"):
        yield (
            f"expect_column_values_to_{'be_' if kind == 'in_set' else ''}{kind}",
            of(ALL, *SET, {**SET[0], "mostly": 0.4}),
        )
    for kind in ("be_in_set", "contain_set", "equal_set"):
        yield f"expect_column_distinct_values_to_{kind}", of(ALL, *SET, {"value_set": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]})
    yield "expect_column_values_to_be_unique", of(ALL, *both)
    for way in ("increasing", "decreasing"):
        yield f"expect_column_values_to_be_{way}", of(NUMBERS, *both, {"strictly": True})
    two_sided = [{"threshold": t, "double_sided": d} for t in (1, 2) for d in (True, False)]
    yield "expect_column_value_z_scores_to_be_less_than", of(NUMBERS, *two_sided)
    yield (
        "expect_column_values_to_not_be_outliers",
        of(NUMBERS, {}, {"method": "std", "multiplier": 2}, {"multiplier": 0}),
    )
    yield (
        "expect_column_value_lengths_to_be_between",
        of(("s", "i"), {"min_value": 1, "max_value": 2}, {"max_value": 2, "strict_max": True}),
    )
    yield "expect_column_value_lengths_to_equal", of(("s", "i"), {"value": 1}, {"value": 2, "mostly": 0.3})
    patterns = ("^[a-z]+$", r"\d", "b", "(?i)A", r"^(?=x)", r"(a)\1?")
    for sign in ("", "not_"):
        yield f"expect_column_values_to_{sign}match_regex", of(("s", "i"), *({"regex": p} for p in patterns))
        yield f"expect_column_values_to_{sign}match_regex_list", of(TEXT, {"regex_list": ["a", r"^\w$"]})
    yield "expect_column_values_to_match_regex_list", of(TEXT, {"regex_list": ["b", "a"], "match_on": "all"})
    yield (
        "expect_column_values_to_match_strftime_format",
        of(TEXT, {"strftime_format": "%Y-%m-%d"}, {"strftime_format": "%m/%d/%Y"}),
    )
    yield "expect_column_values_to_be_dateutil_parseable", of(TEXT, {})
    yield "expect_column_values_to_be_json_parseable", of(TEXT, {}, {"mostly": 0.1})
    yield "expect_column_values_to_match_json_schema", of(TEXT, {"json_schema": {"type": "object", "required": ["a"]}})
    for measure in ("min", "max", "mean", "median", "stdev", "sum"):
        conditions = [] if measure == "median" else [{**BOUNDS[0], "row_condition": WHERE}]
        yield f"expect_column_{measure}_to_be_between", of(NUMBERS, *BOUNDS, *conditions)
    for measure in ("unique_value_count", "proportion_of_unique_values", "proportion_of_non_null_values"):
        yield (
            f"expect_column_{measure}_to_be_between",
            of(ALL, {"min_value": 1}, {"max_value": 1}, {"min_value": 0, "row_condition": WHERE}),
        )
    quantiles = {"quantiles": [0.1, 0.25, 0.5, 1.0], "value_ranges": [[0, 3], [None, 4], [1, None], [2, 100]]}
    yield (
        "expect_column_quantile_values_to_be_between",
        of(NUMBERS, {"quantile_ranges": quantiles}, {"quantile_ranges": quantiles, "allow_relative_error": "linear"}),
    )
    yield "expect_column_most_common_value_to_be_in_set", of(ALL, *SET[:2], {"value_set": [8, "z"], "ties_okay": True})
    bins = {"bins": [0, 2.5, 5, 10], "weights": [0.3, 0.3, 0.4]}
    values = {"values": [1, 2, 7], "weights": [0.2, 0.3, 0.5]}
    holdouts = {"tail_weight_holdout": 0.1, "internal_weight_holdout": 0.1, "threshold": 0.5}
    yield (
        "expect_column_kl_divergence_to_be_less_than",
        of(NUMBERS, {"partition_object": bins, "threshold": 1}, {"partition_object": bins, **holdouts})
        + of(("i",), {"partition_object": values, "threshold": 1, "tail_weight_holdout": 0.2}),
    )
    pair, ways = {"column_A": "i", "column_B": "f"}, ("both_values_are_missing", "either_value_is_missing", "neither")
    for way in ways:
        yield (
            "expect_column_pair_values_to_be_equal",
            [{**pair, "ignore_row_if": way}, {**pair, "ignore_row_if": way, "mostly": 0.2}],
        )
        yield (
            "expect_column_pair_values_a_to_be_greater_than_b",
            [{**pair, "ignore_row_if": way, "or_equal": o} for o in (True, False)],
        )
        yield (
            "expect_column_pair_values_to_be_in_set",
            [{**pair, "ignore_row_if": way, "value_pairs_set": [[1, 0.5], [7, 1], [2, None]]}],
        )
    for way in ("all_values_are_missing", "any_value_is_missing", "never"):
        record = {"column_list": ["i", "f"], "ignore_row_if": way}
        yield (
            "expect_compound_columns_to_be_unique",
            [record, {**record, "column_list": ["s", "f"]}, {**record, "row_condition": WHERE}],
        )
        yield "expect_multicolumn_sum_to_equal", [{**record, "sum_total": 8}]
        yield "expect_multicolumn_values_to_be_equal", [record, {**record, "mostly": 0.1}]
        yield "expect_select_column_values_to_be_unique_within_record", [record]
    yield (
        "expect_table_row_count_to_be_between",
        [{"min_value": 1}, {"max_value": 8}, {"min_value": 2, "max_value": 8, "row_condition": WHERE}],
    )
    yield "expect_table_row_count_to_equal", [{"value": 10}]
    yield (
        "expect_table_column_count_to_be_between",
        [{"min_value": 3, "max_value": 3}, {"min_value": 4, "max_value": None}],
    )
    yield "expect_table_column_count_to_equal", [{"value": 3}, {"value": 2}]
    yield (
        "expect_table_columns_to_match_ordered_list",
        [{"column_list": ["i", "f", "s"]}, {"column_list": ["f", "i", "s"]}],
    )
    yield (
        "expect_table_columns_to_match_set",
        [{"column_set": ["s", "f", "i"]}, {"column_set": ["s"], "exact_match": False}, {"column_set": ["q"]}],
    )
    yield (
        "expect_column_to_exist",
        [{"column": "i"}, {"column": "q"}, {"column": "f", "column_index": 1}, {"column": "f", "column_index": 2}],
    )
    yield "expect_column_values_to_be_of_type", of(ALL, {"type_": "int64"}, {"type_": "float64"}, {"type_": "str"})
    yield (
        "expect_column_values_to_be_in_type_list",
        of(NUMBERS, {"type_list": ["int64", "float32"]}, {"type_list": ["float64"]}),
    )
    yield "expect_column_type_to_be", of(ALL, {"type_": "int64"}, {"type_": "float64"}, {"type_": "str"})


CASES = [(kind, kwargs) for kind, many in cases() for kwargs in many]
COUNTS = ("element_count", "unexpected_count", "missing_count")

# (expectation, what is special about the case) → why Great Expectations on pandas says another thing
DIFFERENCES = {
    ("expect_column_values_to_match_json_schema", "s of *"): "pandas: an exception at the first text that is no JSON;"
    " ours: that text is unexpected",
    ("expect_column_quantile_values_to_be_between", "f of edges"): "numpy: no number between infinities; ours: the"
    " infinite one",
}


def of_gx(result):
    """(success, counts, observed) or why there is none, of a result of Great Expectations."""
    info = result.exception_info
    raised = info.get("raised_exception") or any(
        isinstance(v, dict) and v.get("raised_exception") for v in info.values()
    )
    if raised:
        return "not evaluable"
    held = result.result
    observed = held.get("observed_value")
    return bool(result.success), {k: held[k] for k in COUNTS if k in held}, plain(observed)


def plain(value):
    """Numbers as numbers, whatever library made them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def same(a, b):
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return a == b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) if not isinstance(a, bool) else a == b


def agree(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    shared = ours[1].keys() & theirs[1].keys()
    observed = ours[2] is None or theirs[2] is None or same(ours[2], theirs[2])
    return ours[0] == theirs[0] and all(ours[1][k] == theirs[1][k] for k in shared) and observed


@pytest.fixture(scope="module")
def gx():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from validators import gx

        return gx


def frames(name):
    import pandas as pd
    import polars as pl

    kinds = {"int64": pl.Int64, "float64": pl.Float64, "str": pl.String}
    table = TABLES[name]
    ours = pl.DataFrame({c: pl.Series(c, v, kinds[k]) for c, (k, v) in table.items()})
    return ours, pd.DataFrame({c: pd.Series(v, dtype=k) for c, (k, v) in table.items()})


def by_gx(gx, batches, frame):
    """All cases in one suite, results in order."""
    from great_expectations.core.expectation_suite import ExpectationSuite

    expectations = [{"type": t, "kwargs": k, "meta": {"case": i}} for i, (t, k) in enumerate(CASES)]
    suite = ExpectationSuite(name="parity", expectations=expectations)
    assert len(suite.expectations) == len(CASES)
    found = batches.get_batch({"dataframe": frame}).validate(suite, result_format="BASIC")
    by_case = {r.expectation_config.meta["case"]: of_gx(r) for r in found.results}
    return [by_case[i] for i in range(len(CASES))]


def natively(frame, folder: Path):
    """All cases by our executor, over the table as a recording of one episode."""
    import fsspec

    from validators.files import Files
    from validators.recording import Episode, Facts, Recording
    from validators.run import run
    from validators.stream import Feature, Part, Stream, Table
    from validators.suites import parse

    path = folder / "table.parquet"
    frame.write_parquet(path)
    features = {c: Feature(c, {"i": "int64", "f": "float64", "s": "str"}[c]) for c in frame.columns}
    columns = {c: (f.dtype, "scalar") for c, f in features.items()}
    stream = Stream("frames", features, (Table((Part(path, 0, frame.height),), columns),))
    files = Files(fsspec.filesystem("file"), str(folder))
    recording = Recording("table", files, Facts(), (Episode(0, ("table.parquet",), frame.height),), {"frames": stream})
    suite = parse(json.dumps({"name": "parity", "expectations": [{"type": t, "kwargs": k} for t, k in CASES]}))
    found = []
    for outcome in run(recording, suite).outcomes:
        held = outcome.observed
        counts = {k: held[k] for k in COUNTS if k in held}
        done = (outcome.status == "clean", counts, plain(held.get("observed_value")))
        found.append("not evaluable" if outcome.status == "not-evaluable" else done)
    return found


def listed(kind, kwargs, table):
    """The entry of `DIFFERENCES` that a case falls under."""
    column = kwargs.get("column")
    return next((key for where in (table, "*") if (key := (kind, f"{column} of {where}")) in DIFFERENCES), None)


@pytest.fixture(scope="module")
def verdicts(gx, tmp_path_factory):
    """Of each table, what the three said of each case."""
    found = {}

    def judged(table):
        if table not in found:
            ours, theirs = frames(table)
            data = gx.context().data_sources
            polars = data.add_polars("ours").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
            pandas = data.add_pandas("theirs").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
            own = natively(ours, tmp_path_factory.mktemp(table))
            found[table] = list(zip(CASES, own, by_gx(gx, polars, ours), by_gx(gx, pandas, theirs), strict=True))
        return found[table]

    return judged


@pytest.mark.parametrize("table", TABLES)
def test_three_engines_agree(verdicts, table):
    wrong = []
    for (kind, kwargs), own, engine, pandas in verdicts(table):
        if not listed(kind, kwargs, table) and not (agree(own, pandas) and agree(engine, pandas)):
            wrong.append(f"{kind} {kwargs}\n    ours     {own}\n    engine   {engine}\n    pandas   {pandas}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("table", TABLES)
def test_our_two_engines_agree_without_exception(verdicts, table):
    wrong = [case for case, own, engine, _ in verdicts(table) if not agree(own, engine)]
    assert not wrong


def test_every_listed_difference_is_one(verdicts):
    seen = set()
    for table in TABLES:
        for (kind, kwargs), own, _, pandas in verdicts(table):
            if not agree(own, pandas):
                seen.add(listed(kind, kwargs, table))
    assert seen == set(DIFFERENCES)


def test_every_core_expectation_is_tried_or_refused(gx):
    from great_expectations.expectations import core
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    from validators.expectations.core.tables import REFUSED

    home = core.__name__
    theirs = {
        n for n in list_registered_expectation_implementations() if get_expectation_impl(n).__module__.startswith(home)
    }
    sql = {f"expect_column_values_to_{n}match_like_pattern{x}" for n in ("", "not_") for x in ("", "_list")}
    assert theirs - set(REFUSED) == {kind for kind, _ in CASES} | sql
