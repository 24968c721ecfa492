"""Great Expectations over our engine never reports a success for a table that it did not judge."""

import warnings
from importlib.util import find_spec

import polars as pl
import pytest

from tests.support.recordings import recording

BETWEEN = {"column": "x", "min_value": 0, "max_value": 1}
pytestmark = [
    pytest.mark.skipif(find_spec("great_expectations") is None, reason="needs the extra `gx`"),
    pytest.mark.filterwarnings("ignore"),  # of pandas, numpy and Great Expectations itself
]


@pytest.fixture(scope="module")
def gx():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations

        import validators.gx  # noqa: F401 - registers the engine

        return great_expectations


@pytest.fixture
def context(gx):
    from validators.gx import context

    return context()


@pytest.fixture
def expect(gx):
    import great_expectations.expectations

    return great_expectations.expectations


def definition(context):
    asset = context.data_sources.add_polars("p").add_dataframe_asset("d")
    return asset.add_batch_definition_whole_dataframe("whole")


def test_another_table_under_one_definition_is_judged_itself(gx, context, expect):
    whole = definition(context)
    tables = [pl.DataFrame({"x": [x]}) for x in (0.5, 99.0, 0.5)]
    between = expect.ExpectColumnValuesToBeBetween(**BETWEEN)
    assert [whole.get_batch({"dataframe": t}).validate(between).success for t in tables] == [True, False, True]
    suite = context.suites.add(gx.ExpectationSuite(name="s", expectations=[between]))
    run = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=whole, suite=suite)).run
    assert [run(batch_parameters={"dataframe": t}).success for t in tables] == [True, False, True]


def test_batches_held_side_by_side_keep_their_own_values(context, expect):
    whole = definition(context)
    good, bad = (whole.get_batch({"dataframe": pl.DataFrame({"x": [x]})}) for x in (0.5, 99.0))
    between = expect.ExpectColumnValuesToBeBetween(**BETWEEN)
    assert [b.validate(between).success for b in (bad, good, bad)] == [False, True, False]


@pytest.mark.parametrize("name", ["^x$", "*"])
def test_a_column_named_as_a_pattern_is_refused(context, name):
    table = pl.DataFrame({"x": [0.5], name: [99.0]})
    with pytest.raises(Exception, match="cannot be the name of a column"):
        definition(context).get_batch({"dataframe": table})


def test_nothing_is_a_success_beside_a_file_that_cannot_be_read(context, expect, tmp_path):
    asset = context.data_sources.add_polars("p").add_recording_asset("r", str(recording(tmp_path / "r", defect="cut")))
    batch = asset.add_batch_definition_whole_recording("whole").get_batch()
    for expectation in (
        expect.ExpectColumnValuesToBeBetween(column="timestamp", min_value=-1, max_value=1e5),
        expect.ExpectTableRowCountToBeBetween(min_value=1),
        expect.ExpectColumnToExist(column="timestamp"),
    ):
        result = batch.validate(expectation)
        assert not result.success
        assert "cannot be read" in str(result.exception_info)
