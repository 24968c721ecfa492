"""What waits for approval: models whose newest decision is eligible, and who still has to sign each."""

from __future__ import annotations

from catalog.db import records, tables
from catalog.domain.decision import Decision
from catalog.domain.fleet import Waiting
from catalog.domain.release import THRESHOLD, Release
from catalog.services.approve_release import authors
from catalog.services.context import Context
from catalog.services.propose_release import open_proposal
from catalog.services.still_allowed import approvers


def waiting(context: Context) -> list[Waiting]:
    """Everything that could be promoted once it is signed, the decision that ends first at the top."""
    now, _ = context.records.now()
    with context.records.read() as c:
        eligible = records.many(c, tables.decision, Decision, order="id", decides="promotion", verdict="eligible")
        decisions = [
            decision
            for subject in dict.fromkeys(d.subject for d in eligible)
            for decision in _newest(records.many(c, tables.decision, Decision, order="id", subject=subject))
            if decision.verdict == "eligible" and decision.expires_at > now
        ]
        done = {r.manifest.decision for r in records.many(c, tables.release, Release, order="id") if r.allowed_at}
    found = [_waiting(context, d) for d in decisions if d.digest() not in done]
    return sorted(found, key=lambda w: (w.decision.expires_at, w.decision.id))


def _newest(decisions: list[Decision]) -> list[Decision]:
    """The newest decision of each class."""
    newest = {d.device_class: d for d in sorted(decisions, key=lambda d: d.at) if d.decides == "promotion"}
    return list(newest.values())


def _waiting(context: Context, decision: Decision) -> Waiting:
    now, _ = context.records.now()
    barred = authors(context, context.model(decision.subject))
    release = open_proposal(context, decision)
    signed = approvers(context, release) if release is not None else set()
    enrolled = context.keys()
    may = {key.principal for key in enrolled if not key.counts("approver", now)}
    return Waiting(
        decision=decision,
        release=release,
        signed_by=tuple(sorted(signed)),
        missing=tuple(sorted(may - signed - barred.keys())),
        barred={who: why for who, why in sorted(barred.items()) if who in may},
        threshold=THRESHOLD,
    )
