"""The floor of policies: what no two signatures put in force; and what a change is called."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.domain.policy import Policy, Rule
from catalog.errors import Refused
from catalog.policy.lifecycle import compare, require_strong
from catalog.policy.loader import load, prove
from catalog.policy.shipped import NAMES, shipped_policies

POLICIES = {name: load(text) for name, text in shipped_policies()}
ARM = POLICIES["demo-arm"]


def changed(policy: Policy = ARM, **changes: Any) -> Policy:
    return policy.model_copy(update=changes)


def only(policy: Policy, expression: str, fixtures: dict[str, Any], **thresholds: float) -> Policy:
    """The policy with one rule and no other, which its loader takes."""
    document = {"name": "r", "expr": expression, "message": "m.", "clause": "c", "fixtures": fixtures}
    alone = policy.model_copy(
        update={"rules": (Rule.of(document),), "thresholds": {k: float(v) for k, v in thresholds.items()}}
    )
    prove(alone)
    return alone


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_policies_are_strong(name: str) -> None:
    require_strong(POLICIES[name], "demo")
    require_strong(POLICIES[name], "demo", POLICIES[name])
    assert compare(POLICIES[name], POLICIES[name]) == ()


LOWER = {"pass": {"success": {"lower": 0.95}}, "fail": {"success": {"lower": 0.1}}, "missing": {}}
WEAK: dict[str, tuple[Policy, str, str]] = {
    "confidence": (changed(confidence=0.9), "demo", "confidence"),
    "old evidence": (changed(evidence_days=91), "demo", "evidence_days"),
    "long decisions": (changed(decision_hours=73), "demo", "decision_hours"),
    "an unobserved run": (changed(run_assurance="declared"), "demo", "run_assurance"),
    "another environment": (changed(environments=("dev",)), "demo", "environments"),
    "an observed run for a factory": (changed(environments=("demo", "factory")), "demo", "run_assurance"),
    "any hardware for a factory": (
        changed(environments=("demo", "factory"), run_assurance="reproduced"),
        "demo",
        "hardware",
    ),
    "no hardware": (changed(hardware=None), "demo", "hardware"),
    "data for a factory": (
        changed(POLICIES["dataset-approval"], environments=("demo", "factory")),
        "demo",
        "environments",
    ),
    "no bound on success": (changed(rules=tuple(r for r in ARM.rules if r.name != "success-rate")), "demo", "rules"),
    "half of the trials": (
        only(
            ARM,
            "success.lower >= policy.success_lower_ratio",
            {"pass": {"success": {"lower": 0.5}}, "fail": {"success": {"lower": 0.4999}}, "missing": {}},
            success_lower_ratio=0.5,
        ),
        "demo",
        "rules",
    ),
    "a bound with a hole": (
        only(
            ARM,
            "success.lower >= policy.success_lower_ratio || "
            "(success.lower > policy.from_ratio && success.lower < policy.to_ratio)",
            {"pass": {"success": {"lower": 0.9}}, "fail": {"success": {"lower": 0.5}}, "missing": {}},
            success_lower_ratio=0.9,
            from_ratio=0.31,
            to_ratio=0.32,
        ),
        "demo",
        "rules",
    ),
    "a bound turned round": (
        only(
            ARM,
            "success.lower < policy.success_lower_ratio",
            {"pass": {"success": {"lower": 0.1}}, "fail": {"success": {"lower": 0.95}}, "missing": {}},
            success_lower_ratio=0.5,
        ),
        "demo",
        "rules",
    ),
    "a bound that a count lifts": (
        only(
            ARM,
            "success.lower >= policy.success_lower_ratio || success.n >= policy.trials_count",
            {
                "pass": {"success": {"lower": 0.9, "n": 0}},
                "fail": {"success": {"lower": 0.1, "n": 0}},
                "missing": {},
            },
            success_lower_ratio=0.9,
            trials_count=1,
        ),
        "demo",
        "rules",
    ),
    "a bound that fails below zero only": (
        only(
            ARM,
            "success.lower >= policy.success_lower_ratio",
            {"pass": {"success": {"lower": 0.1}}, "fail": {"success": {"lower": -1.0}}, "missing": {}},
            success_lower_ratio=0.0,
        ),
        "demo",
        "rule r",
    ),
    "a bound that fails above one only": (
        only(
            ARM,
            "success.lower <= policy.success_lower_ratio",
            {"pass": {"success": {"lower": 0.1}}, "fail": {"success": {"lower": 1.5}}, "missing": {}},
            success_lower_ratio=1.0,
        ),
        "demo",
        "rule r",
    ),
    "data whose check nobody reads": (
        only(
            POLICIES["dataset-approval"],
            "check.episodes >= policy.episodes_count",
            {"pass": {"check": {"episodes": 1}}, "fail": {"check": {"episodes": 0}}, "missing": {}},
            episodes_count=1,
        ),
        "demo",
        "rules",
    ),
}


@pytest.mark.parametrize("name", WEAK)
def test_a_policy_below_the_floor_is_refused_and_says_where(name: str) -> None:
    policy, environment, where = WEAK[name]
    with pytest.raises(Refused) as refused:
        require_strong(policy, environment)
    assert refused.value.kind == "policy-too-weak"
    assert refused.value.where == where


def test_a_policy_that_drops_an_environment_would_revive_the_old_one_there() -> None:
    with pytest.raises(Refused, match=f"drops dev, where version {ARM.version} would hold"):
        require_strong(changed(environments=("demo",), version=ARM.version + 1), "demo", ARM)


def test_a_bound_joined_with_another_fact_is_a_bound() -> None:
    policy = only(
        ARM,
        "success.lower >= policy.success_lower_ratio && success.n >= policy.trials_count",
        {"pass": {"success": {"lower": 0.9, "n": 1}}, "fail": {"success": {"lower": 0.1, "n": 1}}, "missing": {}},
        success_lower_ratio=0.9,
        trials_count=1,
    )
    require_strong(policy, "demo")


@pytest.mark.parametrize(
    ("changes", "what", "kind"),
    [
        ({"thresholds": ARM.thresholds | {"success_lower_ratio": 0.95}}, "success_lower_ratio", "stronger"),
        ({"thresholds": ARM.thresholds | {"success_lower_ratio": 0.85}}, "success_lower_ratio", "weaker"),
        ({"thresholds": ARM.thresholds | {"latency_p99_ms": 25.0}}, "latency_p99_ms", "weaker"),
        ({"thresholds": ARM.thresholds | {"latency_p99_ms": 15.0}}, "latency_p99_ms", "stronger"),
        ({"confidence": 0.99}, "confidence", "stronger"),
        ({"evidence_days": 60}, "evidence_days", "weaker"),
        ({"decision_hours": 12}, "decision_hours", "stronger"),
        ({"run_assurance": "reproduced"}, "run_assurance", "stronger"),
        ({"run_assurance": "declared"}, "run_assurance", "weaker"),
        ({"hardware": "arm-x1"}, "hardware", "changed"),
        ({"rules": ARM.rules[1:]}, ARM.rules[0].name, "removed"),
    ],
)
def test_what_a_change_is_called(changes: dict[str, Any], what: str, kind: str) -> None:
    (found,) = compare(ARM, changed(**changes))
    assert (found.what, found.kind) == (what, kind)


def test_rules_that_come_change_or_are_worded_otherwise() -> None:
    first, second, *rest = ARM.rules
    rules = (
        first.model_copy(update={"expression": "success.n > policy.trials_count"}),
        second.model_copy(update={"message": "Said otherwise."}),
        *rest,
        first.model_copy(update={"name": "new-rule"}),
    )
    found = {c.what: c.kind for c in compare(ARM, changed(rules=rules))}
    assert found == {first.name: "changed", second.name: "worded", "new-rule": "added"}
    assert {c.kind for c in compare(None, ARM)} == {"added"}


def test_a_threshold_of_two_directions_is_not_called_stronger_or_weaker() -> None:
    first, *rest = ARM.rules
    both = changed(
        rules=(
            first,
            first.model_copy(update={"name": "at-most", "expression": "success.n <= policy.trials_count"}),
            *rest,
        )
    )
    (found,) = compare(both, both.model_copy(update={"thresholds": ARM.thresholds | {"trials_count": 500.0}}))
    assert found.kind == "changed"
