"""Make a decision: the verdicts, the policy that gave them, and the state of the catalog they were given in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import select

from catalog.db import records, tables
from catalog.domain.audit import AuditHead
from catalog.domain.decision import Decision, RuleVerdict, verdict_of
from catalog.domain.policy import ActivePolicy
from catalog.policy.floor_facts import Clock
from catalog.services import lineage_edges
from catalog.services.context import Context
from lineage import events, urn


def active_policy(context: Context, decides: str, device_class: str | None) -> ActivePolicy | None:
    """The newest active policy for this decision, class and environment; the caller chooses none of them freely."""
    with context.records.read() as c:
        found = records.many(
            c,
            tables.policy,
            ActivePolicy,
            order="version",
            newest_first=True,
            decides=decides,
            device_class=device_class,
        )
    return next((p for p in found if context.environment in p.policy.environments), None)


def device_classes(context: Context) -> list[str]:
    """The classes that have a policy in this environment."""
    with context.records.read() as c:
        policies = records.many(c, tables.policy, ActivePolicy, order="name", decides="promotion")
    found = {p.policy.device_class for p in policies if context.environment in p.policy.environments}
    return sorted(name for name in found if name is not None)


def judged(context: Context, model: str, device_class: str | None) -> Decision | None:
    """The newest decision on a model for a class, or None."""
    with context.records.read() as c:
        found = records.many(c, tables.decision, Decision, order="id", decides="promotion", subject=model)
    return max((d for d in found if d.device_class == device_class), key=lambda d: d.at, default=None)


def clock(context: Context) -> Clock:
    """The wall clock beside the time of the last audit entry."""
    with context.records.read() as c:
        last = c.execute(select(tables.head.c.last_at)).scalar_one()
    return Clock.of({"wall": context.clock().isoformat(), "last_audit": last})


def decide(
    context: Context,
    by: str,
    policy: ActivePolicy | None,
    rules: tuple[RuleVerdict, ...],
    *,
    decides: Literal["dataset-approval", "promotion"],
    subject: str,
    subject_name: str,
    evidence: tuple[str, ...],
    **fields: Any,
) -> Decision:
    """Record a decision with its audit entry, its edges and its event."""
    hours = policy.policy.decision_hours if policy else 1
    with context.records.write(by) as write:
        decision = Decision(
            id=context.ids(),
            decides=decides,
            subject=subject,
            subject_name=subject_name,
            policy=policy.digest_ if policy else None,
            policy_name=policy.policy.name if policy else "none",
            evidence=evidence,
            environment=context.environment,
            epoch=write.epoch,
            audit_head=AuditHead(size=write.head.size, root=write.head.root),
            at=write.now,
            expires_at=write.now + timedelta(hours=hours),
            rules=rules,
            verdict=verdict_of(rules),
            **fields,
        )
        digest = decision.digest()
        write.insert(
            tables.decision,
            decision,
            digest=digest,
            id=decision.id,
            decides=decides,
            subject=subject,
            verdict=decision.verdict,
        )
        write.audit(
            f"{decides}.judged",
            subject,
            decision=digest,
            verdict=decision.verdict,
            blocking=[r.rule for r in decision.blocking()],
        )
        if policy is not None:
            answer: Literal["approved", "refused", "eligible", "blocked"] = decision.verdict
            if decides == "dataset-approval":
                answer = "approved" if decision.verdict == "eligible" else "refused"
            verdicts = tuple(events.RuleVerdict(r.rule, r.verdict) for r in rules)
            said = events.Decision(urn.decision(decision.id), answer, policy.digest_, verdicts)
            lineage_edges.of_decision(write, decision, said, decision.id)
    return decision
