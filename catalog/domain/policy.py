"""What a policy is: named rules over typed facts, each with the clause it serves and three fixtures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.base import Digest, Entity, Name, Slug, Text, Utc
from catalog.domain.evidence import Protocol
from catalog.domain.run import Assurance

Verdict = Literal["pass", "fail", "missing"]
SHIPPED_CLASSES = ("demo-arm", "collaborative-arm")  # the device classes that the shipped policies decide for


class Fixtures(Entity):
    """Facts for which the rule passes, fails and is missing; the loader refuses a rule that behaves otherwise."""

    pass_: dict[str, Any] = Field(alias="pass")
    fail: dict[str, Any]
    missing: dict[str, Any]


class Rule(Entity):
    """One rule: a CEL expression that must be true."""

    name: Slug
    expression: Annotated[str, Field(min_length=1, max_length=2000, alias="expr")]
    message: Annotated[str, Field(min_length=1, max_length=500)]
    clause: Annotated[str, Field(min_length=1, max_length=500)]
    fixtures: Fixtures


class Policy(Entity):
    """A policy: which decision it serves, its thresholds, its rules."""

    schema_: Literal["policy@1"] = Field("policy@1", alias="schema")
    name: Slug
    version: Annotated[int, Field(ge=1, le=10**6)]
    decides: Literal["dataset-approval", "promotion"]
    description: Text
    environments: Annotated[tuple[Slug, ...], Field(min_length=1)]
    device_class: Slug | None = None
    hardware: Name | None = None
    run_assurance: Assurance | None = None
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    evidence_days: Annotated[int, Field(ge=1, le=3650)] = 30
    decision_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 24
    protocol: Protocol | None = None
    suites: dict[Name, Digest] = Field(default_factory=dict)
    thresholds: dict[str, float] = Field(default_factory=dict)
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=500)]


class ActivePolicy(Entity):
    """A policy in force: by digest, since when, by whose word."""

    digest_: Digest = Field(alias="digest")
    policy: Policy
    activated_at: Utc
    activated_by: tuple[Name, ...]
