"""Great Expectations' own Checkpoints, Actions and Data Docs over our engine; our expectations are really judged there."""

import json
import warnings
from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("great_expectations") is None, reason="needs the extra `gx`"),
    pytest.mark.filterwarnings("ignore"),  # of pandas, numpy and Great Expectations itself
]


@pytest.fixture(scope="module")
def gx():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from validators import gx

        return gx


def suite_of(*expectations):
    from great_expectations.core.expectation_suite import ExpectationSuite

    made = ExpectationSuite(name="suite", expectations=[{"type": t, "kwargs": k} for t, k in expectations])
    assert len(made.expectations) == len(expectations)
    return made


def recorded(gx, root, **options):
    asset = gx.context().data_sources.add_polars("ours").add_recording_asset("r", path=str(root), **options)
    return asset.add_batch_definition_whole_recording("whole")


def test_our_own_expectations_are_judged_on_a_recording(gx, writer):
    tracks = writer.tracks(3)
    tracks[1].columns["observation.state"][5:8, 2] = np.nan
    batch = recorded(gx, writer.write(tracks)).get_batch()
    suite = suite_of(
        ("expect_signals_to_be_finite", {}), ("expect_time_to_increase", {}), ("expect_joints_within_limits", {})
    )
    finite, rising, limits = sorted(batch.validate(suite).results, key=lambda r: suite_order(suite, r))
    assert not finite.success
    (finding,) = finite.result["details"]["findings"]
    assert (finding["episode"], finding["stream"], finding["value"]) == (1, "observation.state.elbow", 3)
    assert finite.result["unexpected_count"] == 1
    assert rising.success
    assert not limits.success  # no robot is named, so it is not evaluable
    assert "not evaluable" in json.dumps(limits.exception_info)


def suite_order(suite, result):
    return [e.expectation_type for e in suite.expectations].index(result.expectation_config.type)


def test_core_expectations_see_the_stream_and_channels_of_its_vectors(gx, writer):
    batch = recorded(gx, writer.write(writer.tracks(2))).get_batch()
    suite = suite_of(
        ("expect_table_row_count_to_equal", {"value": 120}),
        ("expect_column_values_to_be_between", {"column": "action[1]", "min_value": -10, "max_value": 10}),
        ("expect_column_values_to_be_increasing", {"column": "timestamp"}),
    )
    assert batch.validate(suite).success


def test_ours_are_about_recordings_and_not_about_tables(gx):
    asset = gx.context().data_sources.add_polars("ours").add_dataframe_asset("t")
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": pl.DataFrame({"a": [1]})})
    (result,) = batch.validate(suite_of(("expect_signals_to_be_finite", {}))).results
    assert not result.success
    assert "add_recording_asset" in json.dumps(result.exception_info)


def test_checkpoints_actions_and_data_docs(gx, tmp_path, capfd):
    from great_expectations import Checkpoint, ValidationDefinition
    from great_expectations.checkpoint import UpdateDataDocsAction

    context = gx.context(mode="file", project_root_dir=tmp_path)
    asset = context.data_sources.add_polars("ours").add_dataframe_asset("t")
    suite = suite_of(
        ("expect_column_values_to_be_unique", {"column": "a"}),
        ("expect_column_mean_to_be_between", {"column": "a", "min_value": 1}),
    )
    context.suites.add(suite)
    whole = asset.add_batch_definition_whole_dataframe("b")
    definition = context.validation_definitions.add(ValidationDefinition(name="v", data=whole, suite=suite))
    checkpoint = Checkpoint(name="c", validation_definitions=[definition], actions=[UpdateDataDocsAction(name="docs")])
    table = pl.LazyFrame({"a": [3, 1, 3, None]})
    result = context.checkpoints.add(checkpoint).run({"dataframe": table})
    assert not result.success
    (run,) = result.run_results.values()
    unique = next(r for r in run.results if r.expectation_config.type == "expect_column_values_to_be_unique")
    assert unique.result["partial_unexpected_list"] == [3, 3]
    assert unique.result["partial_unexpected_index_list"] == [0, 2]
    pages = list(tmp_path.rglob("*.html"))
    assert any("expect_column_values_to_be_unique" in p.read_text() or "unique" in p.read_text() for p in pages)
    assert "Calculating Metrics" not in capfd.readouterr().err


@pytest.mark.parametrize("broken", [{"column": "absent"}, {"column": "a", "regex": "("}])
def test_what_fails_fails_alone(gx, broken):
    asset = gx.context().data_sources.add_polars("ours").add_dataframe_asset("t")
    batch = asset.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": pl.DataFrame({"a": ["x", "y"]})})
    suite = suite_of(
        ("expect_column_values_to_match_regex", broken), ("expect_column_values_to_not_be_null", {"column": "a"})
    )
    bad, good = sorted(batch.validate(suite).results, key=lambda r: suite_order(suite, r))
    assert not bad.success
    assert "exception" in json.dumps(bad.exception_info)
    assert good.success
