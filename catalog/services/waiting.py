"""What waits for approval: models whose newest decision is eligible, and who still has to sign each."""

from __future__ import annotations

from catalog.db import records, tables
from catalog.domain.decision import Decision
from catalog.domain.fleet import Waiting
from catalog.domain.release import THRESHOLD, Release
from catalog.services import release_records
from catalog.services.approve_release import authors
from catalog.services.context import Context
from catalog.services.decide import judged
from catalog.services.propose_release import open_proposal


def waiting(context: Context) -> list[Waiting]:
    """Everything that could be promoted once it is signed, the decision that ends first at the top."""
    now, _ = context.records.now()
    with context.records.read() as c:
        eligible = records.many(c, tables.decision, Decision, order="id", decides="promotion", verdict="eligible")
        done = {r.manifest.decision for r in records.many(c, tables.release, Release, order="id") if r.allowed_at}
    newest = [judged(context, model, of) for model, of in dict.fromkeys((d.subject, d.device_class) for d in eligible)]
    stand = [d for d in newest if d is not None and d.verdict == "eligible" and d.expires_at > now]
    found = [_waiting(context, d) for d in stand if d.digest() not in done]
    return sorted(found, key=lambda w: (w.decision.expires_at, w.decision.id))


def _waiting(context: Context, decision: Decision) -> Waiting:
    now, _ = context.records.now()
    barred = authors(context, context.model(decision.subject))
    release = open_proposal(context, decision)
    with context.records.read() as c:
        signed = release_records.approvers(c, release) if release is not None else set()
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
