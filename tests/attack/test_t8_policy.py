"""T8: a policy that would let everything through. Each trick is refused when loaded or gives `missing`, never `pass`.

The tricks of the mechanisms "Text is hostile" and "CEL"; and every rule of the shipped policies is mutated, because a
rule whose mutant passes its own fixtures guards nothing.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from catalog.domain.decision import verdict_of
from catalog.domain.policy import Policy, Rule
from catalog.errors import Invalid
from catalog.policy.evaluate import evaluate
from catalog.policy.floor import model_floor
from catalog.policy.floor_facts import ModelFloor
from catalog.policy.loader import load, prove
from catalog.policy.shipped import NAMES, shipped_policies

SHIPPED = dict(shipped_policies())
POLICIES = {name: load(text) for name, text in SHIPPED.items()}

TEMPLATE = """\
schema: policy@1
name: bench
version: 1
decides: dataset-approval
description: d
environments: [demo, dev]
rules:
  - name: r
    expr: {expr}
    message: m.
    clause: c
    fixtures:
      pass: {{check: {{passed: true, blocking: 0}}}}
      fail: {{check: {{passed: false, blocking: 1}}}}
      missing: {{}}
"""


def test_the_template_is_a_policy() -> None:
    assert load(TEMPLATE.format(expr="check.passed && check.blocking == 0")).name == "bench"


TRUE = [
    "'true'",
    "'1 == 1'",
    "'true || check.passed'",
    "'check.passed || true'",
    "'check.passed || !check.passed'",
    "'check.passed == check.passed'",
    "'check.blocking >= 0'",
    "'has(check.passed)'",
    "'!has(check.passed)'",
    "'check.passed ? true : true'",
    "'check.passed || 1/0 == 0'",
    "'[true].all(x, x)'",
    "'roots.all(r, true)'",
    "'!roots.exists(r, r.licence == \"\")'",
    "'[].all(x, check.passed)'",
    "'check != null'",
    "'type(check.passed) == bool'",
    '\'"" in [""]\'',
    "'dyn(true)'",
    "'check.passed || \"true\"'",
    "'\"true\"'",
    "'check'",
    "'check[\"passed\"]'",
    "'check.?passed.orValue(true)'",
    "'policy.x_ratio == policy.x_ratio'",
    "''",
    "true",
    "yes",
    "!!bool true",
]


@pytest.mark.parametrize("expression", TRUE)
def test_a_policy_that_is_always_true_is_refused(expression: str) -> None:
    with pytest.raises(Invalid) as error:
        load(TEMPLATE.format(expr=expression))
    assert error.value.kind == "policy-invalid"


HOSTILE = {
    "a duplicate threshold": (
        "  success_lower_ratio: 0.90",
        "  success_lower_ratio: 0.90\n  success_lower_ratio: 0.01",
    ),
    "a duplicate rule list": ("rules:\n", "rules: []\nrules:\n"),
    "a duplicate rule name": ("name: trials-simulated", "name: trials-planned"),
    "a merge key": ("thresholds:\n", "thresholds:\n  <<: {success_lower_ratio: 0.01}\n"),
    "an anchor": ("fail: {success: {n: 399}}", "fail: &x {success: {n: 399}}"),
    "a tag": ("version: 2\n", "version: !!int 1\n"),
    "a second document": ("schema: policy@1\n", "schema: policy@1\nname: x\n---\nschema: policy@1\n"),
    "an unknown field": ("version: 2\n", "version: 1\noverride: everything\n"),
    "an override of the floor": ("version: 2\n", "version: 1\nfloor: off\n"),
    "a threshold that is no number": ("success_lower_ratio: 0.90", "success_lower_ratio: .nan"),
    "a threshold without end": ("success_lower_ratio: 0.90", "success_lower_ratio: -1e999"),
    "a threshold in quotes": ("success_lower_ratio: 0.90", "success_lower_ratio: '0.90'"),
    "a threshold that is a boolean": ("success_lower_ratio: 0.90", "success_lower_ratio: true"),
    "a threshold of another unit": ("success_lower_ratio", "success_lower_ms"),
    "no protocol": ("protocol:\n", "protocols:\n"),
    "a version that is no number": ("version: 2\n", "version: 0\n"),
    "a text that ends the expression": ('success.origin == "simulated"', 'success.origin == "" || true || "" == ""'),
    "megabytes": ("description: >-\n", "description: >-\n  " + "x" * 300_000 + "\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused(name: str) -> None:
    old, new = HOSTILE[name]
    assert old in SHIPPED["demo-arm"]
    with pytest.raises(Invalid) as error:
        load(SHIPPED["demo-arm"].replace(old, new, 1))
    assert error.value.kind == "policy-invalid"


def test_the_digest_is_of_what_it_means_not_of_how_it_is_written() -> None:
    text = SHIPPED["demo-arm"]
    assert load(text.replace("success_lower_ratio: 0.90", "success_lower_ratio: 0.9")).digest() == load(text).digest()
    weaker = text.replace("success_lower_ratio: 0.90", "success_lower_ratio: 0.89")
    weaker = weaker.replace("lower: 0.90", "lower: 0.89").replace("lower: 0.8999", "lower: 0.8899")
    assert load(weaker).digest() != load(text).digest()


def facts_that_pass(rule: Rule) -> dict[str, Any]:
    return rule.fixtures.pass_


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, below in items for leaf in leaves(below, (*path, key))]
    return [path]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


RULES = [(name, number) for name in NAMES for number in range(len(POLICIES[name].rules))]


@pytest.mark.parametrize(("name", "number"), RULES)
@pytest.mark.parametrize("hostile", [math.nan, math.inf, -math.inf, None, [], {}, "error", "", "true", 2**70], ids=str)
def test_no_shipped_rule_passes_on_a_hostile_value(name: str, number: int, hostile: object) -> None:
    policy = POLICIES[name]
    rule = policy.rules[number]
    alone = policy.model_copy(update={"rules": (rule,)})
    facts = facts_that_pass(rule)
    assert evaluate(alone, facts)[0].verdict == "pass"
    for leaf in leaves(facts):
        answer = evaluate(alone, replaced(facts, leaf, hostile))[0]
        if isinstance(hostile, str) and answer.verdict == "fail":
            continue  # a text where a text belongs is read, and is not what the rule asks for
        if isinstance(hostile, str) and leaf[-1] in ("licence", "consent", "robot"):
            continue  # any text but "unknown" is a statement
        assert answer.verdict == "missing", (leaf, answer.message)


def mutants(rule: Rule, policy: Policy) -> list[Policy]:
    """The policy with one rule changed: an operator, a negation, a constant, a quantifier, a fact, or a threshold."""
    text = rule.expression
    swaps = [
        (">=", [">", "<", "<=", "!="]),
        ("<=", ["<", ">", ">=", "!="]),
        (" == ", [" != ", " > ", " >= "] if '"' not in text else [" != "]),
        (" != ", [" == "]),
        (".all(", [".exists("]),
        ("== 0", ["== 1"]),
        ('"unknown"', ['"unknowm"']),
        ('"simulated"', ['"stand-in"', '"real"']),
        ("latency.idle", ["latency.loaded"]),
        ("latency.loaded", ["latency.idle"]),
        ("stop.measured_ms", ["stop.assumed_ms"]),
    ]
    texts = [text.replace(old, new, 1) for old, news in swaps for new in news if old in text]
    texts += [f"!({text})", f"{text} || true", f"{text} || !({text})", "true", "false", f"{text} && false"]
    changed = [rule.model_copy(update={"expression": t}) for t in texts if t != text]
    policies = [
        policy.model_copy(update={"rules": tuple(c if r is rule else r for r in policy.rules)}) for c in changed
    ]
    for threshold, value in policy.thresholds.items():
        if f"policy.{threshold}" in text:
            policies.extend(
                policy.model_copy(update={"thresholds": {**policy.thresholds, threshold: new}})
                for new in (value * 1.01, value * 0.99, value + 1, value - 1, -value, 0.0)
            )
    return policies


@pytest.mark.parametrize(("name", "number"), RULES)
def test_mutating_a_rule_fails_a_fixture(name: str, number: int) -> None:
    policy = POLICIES[name]
    prove(policy)
    found = mutants(policy.rules[number], policy)
    assert len(found) >= 6
    for mutant in found:
        with pytest.raises(Invalid) as error:
            prove(mutant)
        assert error.value.kind == "policy-invalid", mutant.rules[number].expression


@pytest.mark.parametrize("name", NAMES)
def test_removing_a_rule_leaves_a_trace(name: str) -> None:
    """Another digest at least; and where the rule alone used a threshold, the policy is refused."""
    policy = POLICIES[name]
    for rule in policy.rules:
        fewer = policy.model_copy(update={"rules": tuple(r for r in policy.rules if r is not rule)})
        assert fewer.digest() != policy.digest()


def test_a_clean_policy_lifts_nothing_of_the_floor() -> None:
    """Every policy rule passes, and still the model is blocked, with the floor's reasons."""
    policy = POLICIES["demo-arm"]
    facts = {
        "success": {"n": 400, "lower": 1.0, "confidence": 0.95, "within_m": 0.02, "origin": "simulated"}
        | {"replayed": 400, "replay_differing": 0},
        "latency": {load_name: {"steps": 2000, "p99_ms": 1.0} for load_name in ("idle", "loaded")},
    }
    verdicts = evaluate(policy, facts)
    assert verdict_of(verdicts) == "eligible"
    nothing = {
        "clock": None,
        "environment": "demo",
        "mode": "single-operator",
        "device_class": "demo-arm",
        "policy": policy.digest(),
        "policy_environments": list(policy.environments),
        "run": None,
    }
    floor = model_floor(ModelFloor.of(nothing))
    assert verdict_of(floor + verdicts) == "blocked"
    assert {v.rule for v in floor if v.verdict == "pass"} == {"environment", "policy-active"}


def test_the_bench_policy_is_not_the_arms() -> None:
    """Facts that satisfy the demo's policy leave the collaborative arm blocked on everything that only reality gives."""
    facts = {
        "success": {"n": 400, "lower": 1.0, "confidence": 0.95, "within_m": 0.02, "origin": "simulated"}
        | {"replayed": 400, "replay_differing": 0},
        "latency": {load_name: {"steps": 2000, "p99_ms": 1.0} for load_name in ("idle", "loaded")},
    }
    verdicts = evaluate(POLICIES["collaborative-arm"], facts)
    assert verdict_of(verdicts) == "blocked"
    assert {v.rule for v in verdicts if v.verdict == "missing"} >= {"real-robot-trials", "contact-force"}
