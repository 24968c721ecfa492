"""A policy is accepted when its fixtures behave, its thresholds have units and uses, and its facts exist."""

from __future__ import annotations

import pytest
import yaml

from catalog.domain.policy import Policy
from catalog.errors import Invalid
from catalog.policy.evaluate import evaluate
from catalog.policy.loader import load, prove
from catalog.policy.shipped import NAMES, shipped_policies

TEXT = """\
schema: policy@1
name: p
version: 1
decides: dataset-approval
description: d
environments: [demo]
thresholds:
  episodes_count: 3
rules:
  - name: episodes
    expr: check.episodes >= policy.episodes_count
    message: Enough episodes.
    clause: c
    fixtures:
      pass: {check: {episodes: 3}}
      fail: {check: {episodes: 2}}
      missing: {}
"""


def test_loads() -> None:
    policy = load(TEXT)
    assert policy.name == "p"
    assert policy.thresholds == {"episodes_count": 3.0}
    assert load(TEXT + "\n# a comment changes nothing\n").digest() == policy.digest()


CHANGES: dict[str, tuple[str, str, str]] = {
    "an unknown field": ("version: 1", "version: 1\ncolour: red", "colour"),
    "an unknown field of a rule": ("    clause: c", "    clause: c\n    weight: 1", "rules.0.weight"),
    "a missing field": ("    clause: c\n", "", "clause"),
    "a text as version": ("version: 1", "version: '1'", "version"),
    "another schema": ("policy@1", "policy@2", "schema"),
    "another decision": ("decides: dataset-approval", "decides: release", "decides"),
    "no environment": ("environments: [demo]", "environments: []", "environments"),
    "no rules": (TEXT[TEXT.index("rules:") :], "rules: []\n", "rules"),
    "a threshold without unit": ("episodes_count: 3", "episodes: 3", "episodes_count is not declared"),
    "an unknown unit": ("episodes_count", "episodes_furlongs", "names no threshold with a unit"),
    "an undeclared threshold": ("  episodes_count: 3", "  other_count: 3", "policy.episodes_count is not declared"),
    "an unused threshold": ("  episodes_count: 3", "  episodes_count: 3\n  other_count: 1", "used by no rule"),
    "half an episode": ("  episodes_count: 3", "  episodes_count: 2.5", "no whole number"),
    "an unused threshold without unit": ("  episodes_count: 3", "  episodes_count: 3\n  other: 1", "ends in no unit"),
    "a threshold of another unit": ("episodes_count", "episodes_ms", "compares count with ms"),
    "an unknown fact": ("expr: check.episodes", "expr: check.episode", "no fact check.episode"),
    "a rule that reads nothing": ("check.episodes >= policy.episodes_count", "'true'", "reads no fact"),
    "a pass that fails": ("{check: {episodes: 3}}", "{check: {episodes: 2}}", "fixture pass gives fail"),
    "a pass that is missing": ("pass: {check: {episodes: 3}}", "pass: {}", "fixture pass gives missing"),
    "a fail that passes": ("{check: {episodes: 2}}", "{check: {episodes: 3}}", "fixture fail gives pass"),
    "a missing that is there": ("missing: {}", "missing: {check: {episodes: 3}}", "fixture missing gives pass"),
    "a fixture with an unknown fact": (
        "missing: {}",
        "missing: {check: {episode: 3}}",
        "check.episode, which is no fact",
    ),
    "a fixture absent": ("      missing: {}\n", "", "missing"),
    "a protocol where none belongs": ("version: 1", "version: 1\nhardware: any", "no use for hardware"),
    "a promotion without a class": ("decides: dataset-approval", "decides: promotion", "lacks device_class"),
    "a rule twice": (
        TEXT[TEXT.index("  - name") :],
        TEXT[TEXT.index("  - name") :] * 2,
        "rule episodes appears twice",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_refuses(name: str) -> None:
    old, new, what = CHANGES[name]
    assert old in TEXT
    with pytest.raises(Invalid) as error:
        load(TEXT.replace(old, new))
    assert error.value.kind == "policy-invalid"
    assert what in error.value.what
    assert error.value.where
    assert error.value.do


def test_names_the_line() -> None:
    with pytest.raises(Invalid) as error:
        load(TEXT.replace("    clause: c", "    clause: c\n    weight: 1"))
    assert error.value.where == "line 14"
    with pytest.raises(Invalid) as error:
        load(TEXT.replace("{check: {episodes: 2}}", "{check: {episodes: 3}}"))
    assert error.value.where == "rule episodes, line 10"


def test_a_policy_without_rules_is_no_policy() -> None:
    empty = Policy.model_construct(**{**dict(load(TEXT)), "rules": ()})
    with pytest.raises(Invalid, match="no rules"):
        evaluate(empty, {"check": {"episodes": 3}})


@pytest.mark.parametrize("text", [text for _, text in shipped_policies()], ids=NAMES)
def test_shipped_policies_load_and_say_what_a_person_understands(text: str) -> None:
    policy = load(text)
    assert policy.version == {"demo-arm": 2}.get(policy.name, 1)
    assert {"demo", "dev"} <= set(policy.environments)
    for rule in policy.rules:
        assert rule.message.endswith(".")
        assert "compliant" not in (rule.message + rule.clause).lower()
    prove(policy)
    assert load(text).digest() == Policy.parse(policy.canonical()).digest()
    assert yaml.safe_load(text)["name"] == policy.name


def test_every_verdict_of_no_facts_is_missing() -> None:
    for _, text in shipped_policies():
        assert {v.verdict for v in evaluate(load(text), {})} == {"missing"}


def test_the_demo_arm_is_as_assurance_says() -> None:
    policy = load(dict(shipped_policies())["demo-arm"])
    assert policy.protocol is not None
    assert (policy.protocol.n, policy.protocol.latency_blocks, policy.protocol.latency_block_steps) == (400, 20, 100)
    assert (policy.hardware, policy.run_assurance, policy.device_class) == ("any", "observed", "demo-arm")
    assert policy.thresholds["success_lower_ratio"] == 0.90
    assert policy.thresholds["success_within_m"] == 0.02
    assert policy.thresholds["latency_p99_ms"] == 20


def test_the_collaborative_arm_names_what_a_simulation_cannot_give() -> None:
    policy = load(dict(shipped_policies())["collaborative-arm"])
    simulated = {
        "success": {"n": 400, "lower": 0.99, "confidence": 0.95, "within_m": 0.02, "origin": "simulated"},
        "latency": {load: {"steps": 2000, "p99_ms": 3.0} for load in ("idle", "loaded")},
    }
    blocking = {v.rule: v for v in evaluate(policy, simulated) if v.verdict != "pass"}
    assert set(blocking) == {
        "real-robot-trials",
        "real-robots",
        "real-success-rate",
        "contact-force",
        "contact-pressure",
        "stop-time",
        "safety-controller",
    }
    assert all(v.verdict == "missing" for v in blocking.values())
    assert all("evidence mapped to ISO 10218-2:2025" in v.clause for v in blocking.values())
    assert "a simulation cannot give this" in blocking["contact-force"].message
