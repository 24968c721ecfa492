"""Whether today's floor still allows a release that was allowed once, on the evidence and policy it was decided on.

Whatever cannot be established today counts as no. A policy that replaced the old one denies by its own act. What
somebody said of the origin after the release was allowed (reported lineage, the same files registered again) lets
nothing new be promoted; it questions the release, and ends it only when who may withdraw or recall acts on it: else
one token of a trainer could take a class off the air.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from catalog.db import records, tables
from catalog.domain.decision import RuleVerdict
from catalog.domain.policy import ActivePolicy
from catalog.domain.release import THRESHOLD, Release
from catalog.services import release_records
from catalog.services.context import Context
from catalog.services.examine_model import examine_model


@dataclass(frozen=True)
class Standing:
    """`why_not` is empty when the release is allowed today; `known` is false where something could not be looked at.

    `question` is what would end it, were it confirmed.
    """

    why_not: str
    known: bool = True
    question: str = ""

    @property
    def allowed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.why_not


def still_allowed(context: Context, release: Release) -> Standing:
    """Evaluate the floor, the denials and the approvals of a release as of now."""
    manifest = release.manifest
    with context.records.read() as c:
        refused = release_records.denied(c, release)
        signed = release_records.approvers(c, release)
        policy = records.one(c, tables.policy, ActivePolicy, digest=manifest.policy)
    if release.allowed_at is None:
        return Standing("it was never allowed")
    if refused:
        return Standing(f"withdrawn: {refused[0].reason}")
    if len(signed) < THRESHOLD:
        return Standing(f"fewer than {THRESHOLD} of its approvals still count")
    decision = context.decision(manifest.decision)
    model = context.model(manifest.model)

    def against(told_by: datetime | None) -> Standing:
        found = examine_model(context, model, policy, manifest.device_class, decision.evidence, told_by)
        blocking: list[RuleVerdict] = [r for r in found.floor if r.verdict != "pass"]
        blocking.sort(key=lambda r: r.verdict != "fail")
        known = not blocking or blocking[0].verdict == "fail"
        return Standing(f"{blocking[0].rule}: {blocking[0].message}" if blocking else "", known)

    today = against(None)
    if today.allowed:
        return today
    as_told = against(release.allowed_at)
    return Standing("", question=today.why_not) if as_told.allowed else as_told
