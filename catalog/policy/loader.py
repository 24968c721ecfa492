"""A policy from text that somebody wrote: a rule is accepted when its three fixtures behave, and not before.

Every threshold has a unit and a rule that uses it; every fact named exists; a promotion names its class, its hardware,
its run assurance and its protocol.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from catalog.domain.policy import Policy, Rule
from catalog.errors import Invalid
from catalog.policy.cel import CompiledRule, compile_rule
from catalog.policy.facts import UNITS, kind_of, unit_of
from catalog.policy.reads import dotted
from catalog.policy.strict_yaml import Path
from catalog.policy.strict_yaml import load as load_yaml


def load(text: str) -> Policy:
    """Parse and prove a policy; raises `Invalid("policy-invalid")` naming line or rule and what to do."""
    data, lines = load_yaml(text)
    try:
        policy = Policy.model_validate_json(json.dumps(data, allow_nan=False))
    except ValidationError as error:
        fault = error.errors()[0]
        at = next(p for n in range(len(fault["loc"]), -1, -1) if (p := fault["loc"][:n]) in lines)
        _refuse(f"{'.'.join(map(str, fault['loc'])) or 'policy'}: {fault['msg']}", f"line {lines[at]}")
    prove(policy, lines)
    return policy


def prove(policy: Policy, lines: Mapping[Path, int] | None = None) -> None:
    """Compile each rule, run its fixtures and compare thresholds with their uses; raises `Invalid`."""
    _complete(policy)
    names: set[str] = set()
    used: set[str] = set()
    for number, rule in enumerate(policy.rules):
        line = (lines or {}).get(("rules", number))
        where = f"rule {rule.name}" + (f", line {line}" if line else "")
        if rule.name in names:
            _refuse(f"rule {rule.name} appears twice", where)
        names.add(rule.name)
        compiled = compile_rule(rule, policy.decides)
        if unknown := sorted(compiled.thresholds - set(policy.thresholds)):
            _refuse(f"threshold policy.{unknown[0]} is not declared", where)
        used |= compiled.thresholds
        _fixtures(compiled, policy, where)
    for name, value in policy.thresholds.items():
        if not unit_of(name):
            _refuse(f"threshold {name} ends in no unit", "thresholds", f"end it in one of {', '.join(UNITS)}")
        if unit_of(name) == "count" and not value.is_integer():
            _refuse(f"threshold {name} counts, and {value} is no whole number", "thresholds", "round it")
        if name not in used:
            _refuse(f"threshold {name} is used by no rule", "thresholds", "remove it, or write its rule")


def _complete(policy: Policy) -> None:
    for field in ("device_class", "hardware", "run_assurance", "protocol"):
        present = getattr(policy, field) is not None
        if present != (policy.decides == "promotion"):
            verb = "lacks" if policy.decides == "promotion" else "has no use for"
            _refuse(f"a {policy.decides} policy {verb} {field}", f"policy {policy.name}")


def _fixtures(compiled: CompiledRule, policy: Policy, where: str) -> None:
    rule: Rule = compiled.rule
    for expected, facts in (
        ("pass", rule.fixtures.pass_),
        ("fail", rule.fixtures.fail),
        ("missing", rule.fixtures.missing),
    ):
        if unknown := _unknown(policy.decides, (), facts):
            _refuse(f"fixture {expected} has {dotted(unknown)}, which is no fact", where)
        verdict = compiled.evaluate(facts, policy.thresholds)
        if verdict.verdict != expected:
            _refuse(f"fixture {expected} gives {verdict.verdict}: {verdict.message}", where, "correct rule or fixture")


def _unknown(decides: str, path: tuple[str, ...], value: Any) -> tuple[str, ...] | None:
    """The first path of a fixture that names no fact."""
    steps = (
        [("*", v) for v in value] if isinstance(value, list) else list(value.items()) if isinstance(value, dict) else []
    )
    for step, below in steps:
        here = (*path, step)
        if kind_of(decides, here) is None:
            return here
        if found := _unknown(decides, here, below):
            return found
    return None


def _refuse(what: str, where: str, do: str = "correct the policy") -> NoReturn:
    raise Invalid("policy-invalid", what, where=where, do=do)
