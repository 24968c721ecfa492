import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators import suites
from validators.errors import InvalidSuite
from validators.expectations import BY_TYPE, SHIPPED, explain
from validators.recording import Facts


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
    with pytest.raises(InvalidSuite, match="arm@1, humanoid@1, recording@1") as caught:
        suites.load("nothing@1")
    assert caught.value.kind == "suite-unknown"
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InvalidSuite) as caught:
        suites.load(tmp_path / "bad.json")
    assert caught.value.path.endswith("bad.json")


@pytest.mark.parametrize(
    ("robot", "name"),
    [
        ("Unitree_G1_Inspire", "humanoid@1"),
        ("so100_follower", "arm@1"),
        ("quadcopter", "recording@1"),
        (None, "recording@1"),
    ],
)
def test_a_suite_is_chosen_by_robot_type_and_said(robot, name):
    suite, why = suites.for_facts(Facts(robot_type=robot))
    assert suite.name == name
    assert repr(robot) in why


@given(st.text(max_size=40))
def test_every_robot_type_chooses_a_suite(robot):
    assert suites.for_facts(Facts(robot_type=robot))[0].entries


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_document_is_a_suite_or_refused(value):
    with pytest.raises(InvalidSuite):
        suites.parse(json.dumps(value))


def test_every_shipped_suite_loads():
    assert suites.names() == ("arm@1", "humanoid@1", "recording@1")
    for name in suites.names():
        assert suites.load(name).name == name


@pytest.mark.parametrize("expectation", SHIPPED, ids=lambda e: e.check)
def test_every_check_is_explained(expectation):
    text = explain(expectation.check)
    for word in ("Unit", "Default", "Source", "Resolves", "alse alarms"):
        assert word in text
    assert expectation.type in explain(expectation.type)
    assert BY_TYPE[expectation.type] is expectation
