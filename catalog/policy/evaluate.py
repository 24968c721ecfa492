"""A policy over facts: one verdict a rule, in the policy's order; a policy without rules is no policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain.decision import RuleVerdict
from catalog.domain.policy import Policy
from catalog.errors import Invalid
from catalog.policy.cel import compile_rule


def evaluate(policy: Policy, facts: Mapping[str, Any]) -> tuple[RuleVerdict, ...]:
    """Each rule's verdict on `DatasetFacts(...).facts()` or `PromotionFacts(...).facts()`."""
    if not policy.rules:
        raise Invalid("policy-invalid", f"policy {policy.name} has no rules", do="activate a policy with rules")
    return tuple(compile_rule(rule, policy.decides).evaluate(facts, policy.thresholds) for rule in policy.rules)
