import importlib
import json
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators import expectations, suites
from validators.errors import InvalidSuite
from validators.expectations import BY_TYPE, SHIPPED, explain
from validators.expectations.expectation import Expectation
from validators.files import at
from validators.recording import MAIN, Facts, Recording
from validators.stream import Feature, Stream


def of(robot, kind="parquet", streams=1):
    """A recording that says nothing but its robot type and format."""
    columns = {"observation.state": Feature("observation.state", "float32")}
    tables = {name: Stream(name, columns, ()) for name in [MAIN, "other"][:streams]}
    if streams > 1:
        tables = {f"/{name}": stream for name, stream in tables.items()}
    return Recording(kind, at("."), Facts(robot_type=robot), (), tables)


def document(*expectations, **more):
    return json.dumps({"name": "mine", "expectations": list(expectations), **more})


GAP = {"type": "expect_no_gaps", "kwargs": {"period_factor": 2}}


def test_a_suite_of_ones_own(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(
        document(GAP, {"type": "expect_time_to_increase", "severity": "warning", "meta": {"required": False}})
    )
    suite = suites.load(path)
    first, second = suite.entries
    assert (first.expectation.period_factor, first.severity, first.required) == (2.0, "blocking", True)
    assert (second.severity, second.required) == ("warning", False)


def test_the_digest_is_of_the_meaning_not_the_layout():
    text = document(GAP)
    assert suites.parse(text).digest == suites.parse(json.dumps(json.loads(text), indent=4, sort_keys=True)).digest
    assert suites.parse(text).digest != suites.parse(text.replace("2", "3")).digest


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "suite-invalid"),
        ("[]", "suite-invalid"),
        (document(), "suite-invalid"),
        (document(GAP, extra=1), "suite-invalid"),
        (document({**GAP, "mostly": 1}), "suite-invalid"),
        (document({**GAP, "severity": "info"}), "suite-invalid"),
        (document({**GAP, "meta": {"required": "yes"}}), "suite-invalid"),
        (document(GAP, meta={"robot_types": "arm"}), "suite-invalid"),
        ('{"name": "x", "name": "y", "expectations": []}', "suite-invalid"),
        (document({"type": "expect_no_gasps"}), "expectation-unknown"),
        (document({"type": None}), "expectation-unknown"),
        (document({"type": "expect_no_gaps", "kwargs": {"periods": 2}}), "parameter-unknown"),
        (document({"type": "expect_no_gaps", "kwargs": {"period_factor": "2"}}), "parameter-invalid"),
        (document({"type": "expect_no_gaps", "kwargs": {"period_factor": True}}), "parameter-invalid"),
        (document({"type": "expect_no_gaps", "kwargs": {"period_factor": 0.5}}), "parameter-invalid"),
        (document({"type": "expect_no_gaps", "kwargs": {"period_factor": 10**400}}), "parameter-invalid"),
        (document({"type": "expect_no_gaps", "kwargs": {"period_factor": None}}), "parameter-invalid"),
        (document({"type": "expect_no_frozen_rows", "kwargs": {"rows": 5.5}}), "parameter-invalid"),
        (document({"type": "expect_column_values_to_not_be_null"}), "parameter-invalid"),
        (document({"type": "expect_column_values_to_be_between", "kwargs": {"column": "t"}}), "parameter-invalid"),
        (document(GAP).replace("2", "NaN"), "suite-invalid"),
        (document(GAP).replace("2", "1e999"), "suite-invalid"),
    ],
)
def test_nothing_unknown_is_dropped(text, kind):
    with pytest.raises(InvalidSuite) as caught:
        suites.parse(text)
    assert caught.value.kind == kind


def test_an_unknown_name_lists_the_shipped_ones(tmp_path):
    with pytest.raises(InvalidSuite, match="arm@1, arm@2, factory@1, flight@1") as caught:
        suites.load("nothing@1")
    assert caught.value.kind == "suite-unknown"
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InvalidSuite) as caught:
        suites.load(tmp_path / "bad.json")
    assert caught.value.path.endswith("bad.json")


@pytest.mark.parametrize(
    ("robot", "name"),
    [
        ("Unitree_G1_Inspire", "humanoid@2"),
        ("so100_follower", "arm@2"),
        ("quadcopter", "flight@1"),
        ("turtlebot4", "mobile@1"),
        ("passenger_car", "vehicle@1"),
        ("factory_press", "factory@1"),
        ("toaster", "recording@2"),
        (None, "recording@2"),
    ],
)
def test_a_suite_is_chosen_by_robot_type_and_said(robot, name):
    suite, why = suites.for_recording(of(robot))
    assert suite.name == name
    assert (repr(robot) if robot else "no robot type is declared") in why


def test_a_table_without_state_has_no_suite_made_for_one():
    """Its required checks could never be evaluated, so a good table would be blocked for ever."""
    table = Stream(MAIN, {"timestamp": Feature("timestamp", "float64"), "q": Feature("q", "float64")}, ())
    suite, why = suites.for_recording(
        Recording("csv", at("."), Facts(robot_type="toaster", kind="arm"), (), {MAIN: table})
    )
    assert (suite.name, "arm@2 needs one table with observation.state" in why) == ("recording@2", True)


@given(st.text(max_size=40))
def test_every_robot_type_chooses_a_suite(robot):
    assert suites.for_recording(of(robot))[0].entries


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_document_is_a_suite_or_refused(value):
    with pytest.raises(InvalidSuite):
        suites.parse(json.dumps(value))


def test_every_shipped_suite_loads():
    assert {"arm@1", "humanoid@1", "recording@1"} < set(suites.names())
    for name in suites.names():
        assert suites.load(name).name == name


@pytest.mark.parametrize("expectation", SHIPPED, ids=lambda e: e.check)
def test_every_check_is_explained(expectation):
    text = " ".join(explain(expectation.check).split())
    for word in ("Unit", "Default", "Source", "Resolves", "alse alarms"):
        assert word in text
    assert expectation.type in explain(expectation.type)
    assert BY_TYPE[expectation.type] is expectation


def test_the_suites_that_policies_name_have_not_changed():
    digests = {name: suites.load(name).digest for name in ("arm@1", "humanoid@1", "recording@1")}
    assert digests == {
        "arm@1": "sha256:3a5b53ed92120dbf8ae0036bf2c6400b1824a16eca8231f2151ee5a45f7cbc37",
        "humanoid@1": "sha256:80fcacb51e349ff7c291de38f67f751b0ee8f7ad979a28ff1f52347b0782f81e",
        "recording@1": "sha256:11421478b5c3d31c0319c874edcba5950114b72ea633b73e36ca346d4ad6c977",
    }


def test_the_newest_of_each_is_chosen_and_the_older_ones_stay():
    assert {"arm@2", "humanoid@2", "recording@2"} < set(suites.newest())
    assert not {"arm@1", "humanoid@1", "recording@1"} & set(suites.newest())


def test_a_suite_is_chosen_by_format_where_no_robot_type_says_it():
    suite, why = suites.for_recording(of(None, "ulog"))
    assert suite.name == "flight@1"
    assert "format ulog" in why
    assert suites.for_recording(of("so101", "ulog"))[0].name == "arm@2"


def test_many_topics_are_no_table_of_an_arm():
    assert suites.for_recording(of("panda", "mcap"))[0].name == "arm@2"
    assert suites.for_recording(of("panda", "mcap", streams=2))[0].name == "joints@1"
    assert suites.for_recording(of("quadrotor", "mcap", streams=2))[0].name == "flight@1"


def test_no_family_forgets_an_expectation():
    """Every module of every family is loaded, and what it defines with a name of its own is shipped once."""
    modules = [m.name for m in pkgutil.walk_packages(expectations.__path__, "validators.expectations.")]
    defined = {
        value.type
        for name in modules
        for value in vars(importlib.import_module(name)).values()
        if isinstance(value, type) and issubclass(value, Expectation) and "type" in vars(value)
    }
    assert len(modules) > 40
    assert defined == set(BY_TYPE)
    assert len(SHIPPED) == len(BY_TYPE)
