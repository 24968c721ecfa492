"""A rule passes only on a BOOL that is True over values that are all there; everything else is missing or refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.policy import Fixtures, Rule
from catalog.errors import Invalid
from catalog.policy.cel import CompiledRule, compile_rule
from catalog.policy.facts import CheckFacts, DatasetFacts, PromotionFacts, kind_of

GOOD: dict[str, Any] = {
    "success": {"n": 400, "lower": 0.95, "origin": "simulated", "slices": [{"lower": 0.9}, {"lower": 0.95}]},
    "latency": {"idle": {"p99_ms": 3.5, "steps": 2000}},
    "safety_controller": {"checksum_validated": True},
}


def compiled(expression: str, decides: str = "promotion") -> CompiledRule:
    fixtures = Fixtures.of({"pass": {}, "fail": {}, "missing": {}})
    rule = Rule(name="r", expression=expression, message="It holds.", clause="c", fixtures=fixtures)
    return compile_rule(rule, decides)


def verdict(expression: str, facts: dict[str, Any], **thresholds: float) -> str:
    return compiled(expression).evaluate(facts, thresholds).verdict


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("success.n == 400", "pass"),
        (".success.n == 400", "pass"),
        ("success.n == 399", "fail"),
        ("success.n != 400", "fail"),
        ("400 <= success.n && success.n <= 400", "pass"),
        ("success.lower >= policy.x_ratio", "pass"),
        ("success.n >= policy.x_count", "pass"),
        ("latency.idle.p99_ms < policy.x_ms", "pass"),
        ("latency.idle.p99_ms > policy.x_ms", "fail"),
        ('success.origin in ["simulated", "stand-in"]', "pass"),
        ('!(success.origin in ["simulated"])', "fail"),
        ("safety_controller.checksum_validated", "pass"),
        ("!safety_controller.checksum_validated || success.n == 1", "fail"),
        ("safety_controller.checksum_validated == true", "pass"),
        ("success.slices.all(s, s.lower >= policy.x_ratio)", "pass"),
        ("success.slices.exists(s, s.lower < policy.x_ratio)", "fail"),
        ("success.slices.all(success, success.lower >= policy.x_ratio)", "pass"),
    ],
)
def test_says_what_cel_says(expression: str, expected: str) -> None:
    assert verdict(expression, GOOD, x_ratio=0.9, x_count=400.0, x_ms=20.0) == expected


REFUSED = {
    "reads nothing": "true",
    "compares literals": "1 == 1",
    "thresholds alone": "policy.x_ratio == policy.x_ratio",
    "has": "has(success.lower)",
    "has inside": "has(success.lower) && success.n == 1",
    "ternary": "success.n == 1 ? true : false",
    "ternary that passes": "success.n == 1 ? true : true",
    "an index": "success['n'] == 1",
    "a dynamic index": "success[policy.x_ratio] == 1",
    "size": "size(success.slices) == 2",
    "size as method": "success.slices.size() == 2",
    "map": "success.slices.map(s, s.lower) == []",
    "filter": "success.slices.filter(s, s.lower > policy.x_ratio) == []",
    "exists_one": "success.slices.exists_one(s, s.n == 1)",
    "a loop that reads nothing": "success.slices.all(s, true)",
    "a loop over no list": "latency.all(s, s == 'idle')",
    "a loop over a literal": "[1, 2].all(x, x == success.n)",
    "an unknown fact": "success.lowr >= policy.x_ratio",
    "an unknown section": "succes.lower >= policy.x_ratio",
    "a fact of the other decision": "check.passed",
    "a section": "success == success",
    "a list": "success.slices == success.slices",
    "a field of a value": "success.n.x == 1",
    "not a yes or no": "success.n",
    "text as answer": "success.origin",
    "like with unlike": "success.origin == success.n",
    "bool with number": "safety_controller.checksum_validated == 1",
    "a fraction that must not be one number": "success.lower != policy.x_ratio",
    "a fraction that must be one number": "latency.idle.p99_ms == policy.x_ms",
    "a fraction among numbers": "!(success.lower in [1.0])",
    "order of texts": "success.origin < 'z'",
    "ms with ratio": "latency.idle.p99_ms <= policy.x_ratio",
    "ms with m": "latency.idle.p99_ms <= success.within_m",
    "a bare number for ms": "latency.idle.p99_ms <= 20.0",
    "a threshold without unit": "success.lower >= policy.x",
    "a threshold's field": "success.lower >= policy.x_ratio.y_ratio",
    "arithmetic": "success.n + 1 == 401",
    "division": "success.n / 0 == 1 || success.n == 400",
    "minus": "-success.n == 1",
    "a regular expression": "success.origin.matches('.*')",
    "startsWith": "success.origin.startsWith('')",
    "a conversion": "int(success.origin) == 1",
    "dyn": "dyn(success.n) == 'x'",
    "type": "type(success.n) == int",
    "null": "success.n != null",
    "an unsigned number": "success.n == 1u",
    "bytes": "success.origin == b'x'",
    "a map": "success.origin in {'simulated': 1}",
    "in an empty list": "success.origin in []",
    "in a list of facts": "success.n in [success.returned]",
    "a number in quotes": "success.n == '400'",
    "a leading dot past a loop's variable": "success.slices.all(success, .success.lower >= policy.x_ratio)",
    "a message": "google.protobuf.BoolValue{value: success.n == 1}",
    "an optional": "success.?n.orValue(1) == 1",
    "a syntax error": "success.n ==",
    "two expressions": "success.n == 1; success.n == 2",
    "an integer too large": "success.n == 99999999999999999999",
    "nested too deep": "(" * 400 + "success.n == 1" + ")" * 400,
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_an_expression_that(name: str) -> None:
    expression = REFUSED[name]
    with pytest.raises(Invalid) as error:
        compiled(expression)
    assert error.value.kind == "policy-invalid"
    assert "rule r" in error.value.where


MISSING: dict[str, Any] = {
    "absent": {},
    "an absent section": {"latency": {}},
    "an absent field": {"success": {"n": 400}},
    "null": {"success": {"lower": None}},
    "not a number": {"success": {"lower": math.nan}},
    "infinite": {"success": {"lower": math.inf}},
    "text": {"success": {"lower": "0.99"}},
    "a boolean": {"success": {"lower": True}},
    "a list": {"success": {"lower": [0.99]}},
    "a map": {"success": {"lower": {"value": 0.99}}},
    "a list of sections": {"success": [{"lower": 0.99}]},
    "a text as section": {"success": "lower"},
    "too large": {"success": {"lower": 2**70}},
}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize(
    "expression",
    [
        "success.lower >= policy.x_ratio",
        "success.lower < policy.x_ratio",
        "success.lower >= policy.x_ratio || safety_controller.checksum_validated",
        "!(success.lower >= policy.x_ratio) || safety_controller.checksum_validated",
        "safety_controller.checksum_validated || success.lower >= policy.x_ratio",
        "!(safety_controller.checksum_validated && success.lower < policy.x_ratio)",
    ],
)
def test_what_is_not_there_or_not_itself_is_missing_whatever_the_rest_says(name: str, expression: str) -> None:
    facts = {"safety_controller": {"checksum_validated": True}, **MISSING[name]}
    answer = compiled(expression).evaluate(facts, {"x_ratio": 0.9})
    assert answer.verdict == "missing"
    assert "success" in answer.message
    answer.canonical()  # what was read is finite


def test_a_threshold_that_is_absent_or_not_finite_is_missing() -> None:
    assert verdict("success.lower >= policy.x_ratio", GOOD) == "missing"
    assert verdict("success.lower >= policy.x_ratio", GOOD, x_ratio=math.nan) == "missing"
    assert verdict("success.lower >= policy.x_ratio", GOOD, x_ratio=-math.inf) == "missing"


@pytest.mark.parametrize(
    "slices",
    [[], None, {}, "xx", [{"lower": 0.99}, {}], [{"lower": 0.99}, None], [{"lower": 0.99}, {"lower": math.nan}]],
)
@pytest.mark.parametrize("loop", ["all", "exists"])
def test_an_empty_list_or_a_hole_in_one_is_missing(slices: object, loop: str) -> None:
    assert verdict(
        f"success.slices.{loop}(s, s.lower >= policy.x_ratio)", {"success": {"slices": slices}}, x_ratio=0.9
    ) == ("missing")


def test_the_verdict_has_the_values_read_and_nothing_else() -> None:
    facts = {**GOOD, "secret": 1, "success": {**GOOD["success"], "alpha": 0.04}}
    answer = compiled("success.slices.all(s, s.lower >= policy.x_ratio) && success.n == 400").evaluate(
        facts, {"x_ratio": 0.95, "unused_ms": 1.0}
    )
    assert answer.verdict == "fail"
    assert answer.read == {"success.slices[*].lower": [0.9, 0.95], "success.n": 400, "policy.x_ratio": 0.95}
    assert answer.message.startswith("It holds. Not so: ")
    assert not answer.floor


def test_a_value_that_looks_like_code_is_a_value() -> None:
    facts = {"success": {"origin": '" || true || "'}}
    assert verdict('success.origin == "simulated"', facts) == "fail"


LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@given(LEAF, LEAF, st.sampled_from(["||", "&&"]))
@settings(deadline=None, max_examples=200)
def test_any_facts_give_a_verdict_and_a_wrong_one_never_passes(lower: object, n: object, join: str) -> None:
    rule = compiled(f"success.lower >= policy.x_ratio {join} success.n >= 0")
    answer = rule.evaluate({"success": {"lower": lower, "n": n}}, {"x_ratio": 0.9})

    def number(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

    def fits(value: object) -> bool:
        return not isinstance(value, int) or -(2**63) <= value < 2**63

    usable = number(lower) and number(n) and isinstance(n, int) and fits(lower) and fits(n)
    if not usable:
        assert answer.verdict == "missing"
    else:
        a, b = lower >= 0.9, n >= 0  # type: ignore[operator]
        assert answer.verdict == ("pass" if ((a or b) if join == "||" else (a and b)) else "fail")
    answer.canonical()


def test_typed_facts_are_what_rules_read() -> None:
    check = CheckFacts(
        passed=True, blocking=0, warnings=2, not_evaluable_required=0, episodes=5, objects_verified=9, suites_known=True
    )
    facts = DatasetFacts(check=check).facts()
    assert compiled("check.passed && check.episodes == 5", "dataset-approval").evaluate(facts, {}).verdict == "pass"
    assert "roots" not in facts
    assert PromotionFacts().facts() == {}


@pytest.mark.parametrize(
    ("path", "of", "unit"),
    [
        ("success.n", "number", "count"),
        ("success.lower", "number", "ratio"),
        ("success.within_m", "number", "m"),
        ("latency.loaded.p99_ms", "number", "ms"),
        ("success.origin", "text", ""),
        ("latency.idle.dependence", "text", ""),
        ("success.slices", "list", ""),
        ("success.slices.*.lower", "number", "ratio"),
        ("latency", "section", ""),
    ],
)
def test_facts_have_types_and_units(path: str, of: str, unit: str) -> None:
    kind = kind_of("promotion", path.split("."))
    assert kind is not None
    assert (kind.of, kind.unit) == (of, unit)


TOKENS = [
    "success.n",
    "success.lower",
    "success.origin",
    "success.slices",
    "latency",
    "safety_controller.checksum_validated",
    "policy.x_ratio",
    ".all(s,",
    ".exists(s,",
    "s.lower",
    "s",
    ")",
    "(",
    "[",
    "]",
    "{",
    "}",
    "has(",
    "?",
    ":",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    "<=",
    ">=",
    "in",
    "+",
    "-",
    "*",
    "/",
    "%",
    ",",
    ".",
    "1",
    "0.5",
    "1u",
    '"a"',
    "'b'",
    "true",
    "false",
    "null",
    'r"x"',
    'b"x"',
    ".size()",
    ".map(",
    "int(",
    "1e999",
    "-1",
    "@result",
    "_==_",
    "\\",
    "\n",
    "//",
    "é",
    "😀",
    "if",
]


@given(st.lists(st.sampled_from(TOKENS), max_size=12), st.sampled_from(["", " "]))
@settings(deadline=None, max_examples=300)
def test_any_expression_is_refused_or_judged(tokens: list[str], space: str) -> None:
    text = space.join(tokens).strip()
    if not text:
        return
    try:
        rule = compiled(text)
    except Invalid:
        return
    assert rule.paths
    assert rule.evaluate({}, {"x_ratio": 0.9}).verdict == "missing"
    assert rule.evaluate(GOOD, {"x_ratio": 0.9}).verdict in ("pass", "fail")
