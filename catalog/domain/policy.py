"""What a policy is: named rules over typed facts, each with the clause it serves and three fixtures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Name, Slug, Text, Utc
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


class PolicyProposal(Entity):
    """What two approvers sign to put a policy in force: its whole text, what it replaces, and where."""

    schema_: Literal["policy-proposal@1"] = Field("policy-proposal@1", alias="schema")
    id: str
    policy: Policy
    policy_digest: Digest
    replaces: Digest | None
    environment: Slug
    epoch: Count
    audit_head: AuditHead
    issued_at: Utc
    open_until: Utc


class ProposedPolicy(Entity):
    """A proposal as recorded."""

    proposal: PolicyProposal
    proposed_by: Slug
    done_at: Utc | None = None


class PolicyChange(Entity):
    """One difference of two policies; `stronger` lets less through, `weaker` more, `changed` cannot be compared."""

    what: Name
    kind: Literal["added", "removed", "stronger", "weaker", "changed", "worded"]
    before: Text = ""
    after: Text = ""


class BlockedRule(Entity):
    """A rule that a release does not pass, with the values it read."""

    rule: Name
    verdict: Verdict
    message: Text
    read: dict[str, Any] = Field(default_factory=dict)


class BlockedRelease(Entity):
    """A live release that a policy would block."""

    release: str
    number: Count
    model_name: Slug
    chosen: bool
    rules: Annotated[tuple[BlockedRule, ...], Field(min_length=1)]


class PolicyDiff(Entity):
    """A policy against the one in force: rule by rule, and the live releases that it would block."""

    policy: Policy
    policy_digest: Digest
    replaces: Digest | None
    replaced_version: Count
    changes: tuple[PolicyChange, ...]
    blocks: tuple[BlockedRelease, ...]


class PolicyView(Entity):
    """A proposal, who signed it, and what it did when it came into force. `rivals` are other texts of this version."""

    proposal: PolicyProposal
    digest_: Digest = Field(alias="digest")
    signed_by: tuple[Slug, ...]
    done_at: Utc | None
    denied: tuple[str, ...] = ()
    rivals: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()


class Tried(Entity):
    """The rules of a policy on the recorded evidence of one subject."""

    subject: Name
    evidence: Digest | None
    rules: tuple[BlockedRule, ...]


class PolicyTrial(Entity):
    """A policy whose fixtures behave, tried on what is recorded."""

    policy: Policy
    policy_digest: Digest
    tried: tuple[Tried, ...]


class PolicyText(Entity):
    """A policy's YAML, as a file holds it."""

    text: Annotated[str, Field(min_length=1, max_length=256 * 1024)]


class TryPolicy(Entity):
    """Try a policy on recorded evidence; none named means all of its class."""

    text: Annotated[str, Field(min_length=1, max_length=256 * 1024)]
    evidence: Annotated[tuple[Digest, ...], Field(max_length=100)] = ()
