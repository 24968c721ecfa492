"""A decision: what was judged, against what, by which rules, with every value read. Verdicts are derived, never set."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Commit, Count, Digest, Entity, Name, Slug, Text, Utc
from catalog.domain.policy import Verdict


class RuleVerdict(Entity):
    """One rule's answer and the values it read."""

    rule: Name
    verdict: Verdict
    message: Text
    clause: Text
    floor: bool = False
    read: dict[str, Any] = Field(default_factory=dict)


class Decision(Entity):
    """What an approver signs, whole. `data` are the manifests read; `evidence` the digests read."""

    schema_: Literal["decision@1"] = Field("decision@1", alias="schema")
    id: str
    decides: Literal["dataset-approval", "promotion"]
    subject: Digest
    subject_name: Name
    dataset: Slug | None = None
    ingest: Slug | None = None
    candidate: Commit | None = None
    head: Commit | None = None
    data: tuple[Digest, ...] = ()
    run: str | None = None
    policy: Digest | None
    policy_name: str
    evidence: tuple[Digest, ...]
    device_class: Slug | None = None
    hardware: str | None = None
    environment: Slug
    assurance: Literal["single-operator"] = "single-operator"
    epoch: Count
    audit_head: AuditHead
    at: Utc
    expires_at: Utc
    conditions: tuple[Text, ...] = ()
    rules: tuple[RuleVerdict, ...]
    verdict: Literal["eligible", "blocked"]

    def blocking(self) -> list[RuleVerdict]:
        """The rules that did not pass, floor first."""
        return sorted((r for r in self.rules if r.verdict != "pass"), key=lambda r: not r.floor)


MODEL_FLOOR = frozenset(
    {
        *("training-record", "run-assurance", "inputs-approved", "no-quarantined-input", "not-recalled", "ancestry"),
        *("digests-verified", "safe-format", "evidence-enrolled", "known-overlap"),
        *("environment", "policy-active", "clock"),
    }
)  # what a decision@1 on a model answers below every policy; else it permits nothing


def verdict_of(rules: tuple[RuleVerdict, ...]) -> Literal["eligible", "blocked"]:
    """Eligible only when there is a rule and every rule passed."""
    return "eligible" if rules and all(r.verdict == "pass" for r in rules) else "blocked"
