"""Receive evidence: an envelope of an enrolled evaluator about one model and one plan, counted again before it is kept.

One table serves one model; a plan takes one table, the complete one. With simulated evidence the order of its replay is
drawn and the replay begins, in the same transaction: whoever signed could not know which trials are run again.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from catalog.attest.envelope import EVIDENCE, verify
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import canonical, sha256
from catalog.domain.evidence import Evidence, Plan, PlanWithSeed, Statement
from catalog.domain.policy import ActivePolicy
from catalog.domain.replay import Replay
from catalog.errors import Conflict, Invalid, Refused
from catalog.policy.recount import recount
from catalog.services import lineage_edges
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.intent import commit
from catalog.services.replay import replayable


def receive_evidence(context: Context, by: str, envelope: dict[str, Any]) -> Evidence:
    """Verify, recount and record one envelope; what is wrong with it is raised and audited, and nothing recorded."""
    with refusals_audited(context, by, "evidence.receive", sha256(canonical(envelope))):
        return _receive(context, by, envelope)


def _receive(context: Context, by: str, envelope: dict[str, Any]) -> Evidence:
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    verified = verify(envelope, EVIDENCE, context.keys(), role="evaluator", at=now)
    signer = verified.keys[0]
    statement = Statement.parse(verified.payload)
    if statement.predicate.evaluator != signer.principal or signer.principal != by:
        raise Refused(
            "signer-not-enrolled",
            f"evidence of {statement.predicate.evaluator}, signed by {signer.principal}, brought by {by}",
            do="an evaluator signs and brings their own evidence",
        )
    plan = context.plan(statement.predicate.plan)
    _about(plan, statement)
    recount(plan, statement.predicate, now)
    with context.records.write(by) as write:
        if records.one(write.connection, tables.evidence, Evidence, plan=plan.plan_digest) is not None:
            raise Conflict("already-exists", "this plan has its evidence", where=plan.plan.id, do="make a new plan")
        policy = records.one(write.connection, tables.policy, ActivePolicy, digest=plan.plan.policy)
        if policy is None:
            raise Refused("policy-missing", f"the plan's policy {plan.plan.policy} is not known here")
        evidence = Evidence(
            id=context.ids(),
            digest_=sha256(canonical(envelope)),
            model=plan.plan.model,
            plan=plan.plan_digest,
            keyid=signer.keyid,
            signer=signer.principal,
            envelope=envelope,
            statement=statement,
            received_at=write.now,
            expires_at=min(write.now, statement.predicate.finished_at) + timedelta(days=policy.policy.evidence_days),
        )
        write.insert(
            tables.evidence,
            evidence,
            digest=evidence.digest_,
            id=evidence.id,
            model=evidence.model,
            plan=evidence.plan,
        )
        write.audit(
            "evidence.receive",
            evidence.digest_,
            model=evidence.model,
            plan=evidence.plan,
            keyid=evidence.keyid,
            trials=len(statement.predicate.trials),
        )
        lineage_edges.of_evidence(write, plan.plan, evidence)
        if statement.predicate.harness.origin == "simulated":
            _draw(context, write, plan.plan, evidence)
    return evidence


def _draw(context: Context, write: Write, plan: Plan, evidence: Evidence) -> None:
    replay = Replay(
        evidence=evidence.digest_,
        protocol=plan.protocol.name,
        operation=commit(write, context.ids(), "replay", {"evidence": evidence.digest_}).id,
        state="drawn",
        draw=secrets.token_bytes(32).hex(),
        drawn_at=write.now,
        returned=len(replayable(evidence.statement.predicate.trials)),
    )
    write.insert(tables.replay, replay, evidence=replay.evidence)
    write.audit("replay.draw", replay.evidence, draw=replay.draw, returned=replay.returned)


def _about(plan: PlanWithSeed, statement: Statement) -> None:
    subject = statement.model
    if subject != plan.plan.model:
        raise Invalid(
            "evidence-subject",
            f"the evidence is about {subject}, the plan about {plan.plan.model}",
            do="evaluate the model that was planned",
        )
