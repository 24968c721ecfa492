"""Examine a model for a device class, as of now: the floor and the class's policy over what the catalog established.

Nothing is recorded. Digests are computed and trials counted again. Who judges, plans, promotes or goes back asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.db import records, tables
from catalog.domain.decision import RuleVerdict
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.model import Model
from catalog.domain.policy import ActivePolicy
from catalog.domain.principal import Key
from catalog.policy.conditions import conditions
from catalog.policy.evaluate import evaluate
from catalog.policy.facts import PromotionFacts
from catalog.policy.floor import model_floor
from catalog.policy.floor_facts import (
    EvidenceState,
    ModelFloor,
)
from catalog.policy.recount import recount
from catalog.services import model_facts
from catalog.services.context import Context
from catalog.services.decide import clock
from catalog.services.made_from import made_from
from catalog.services.replay import replay_of
from catalog.services.run_assurance import assurance


@dataclass(frozen=True)
class Examined:
    """A model as it stands: the floor's verdicts, the policy's, and what they rest on."""

    floor: tuple[RuleVerdict, ...]
    rules: tuple[RuleVerdict, ...]
    data: tuple[str, ...]
    evidence: tuple[str, ...]
    conditions: tuple[str, ...]


def examine_model(
    context: Context,
    model: Model,
    policy: ActivePolicy | None,
    device_class: str,
    rests_on: tuple[str, ...] | None = None,
    told_by: datetime | None = None,
) -> Examined:
    """Everything the gate establishes about a model, as of now; `rests_on` names the evidence of an older decision.

    `told_by` leaves out what was said of its origin later: lineage that was reported, models and data that were
    registered. What was quarantined, recalled or revoked since counts.
    """
    run = context.run(model.run) if model.run is not None else None
    proofs = _evidence(context, model, device_class) if rests_on is None else _named(context, rests_on)
    origin = made_from(context, model, told_by)
    assured = assurance(context, origin.runs, origin.twins) if run else None
    versions = list(origin.versions)
    digests, files = model_facts.files(context, model)
    floor = ModelFloor(
        clock=clock(context),
        environment=context.environment,
        mode="single-operator",
        device_class=device_class,
        policy=policy.digest_ if policy else None,
        policy_environments=policy.policy.environments if policy else (),
        run=run.id if run else None,
        run_finished=run.end.status == "finished" if run and run.end else None,
        assurance=assured.level if assured else None,
        assurance_why=assured.why if assured else "",
        assurance_required=policy.policy.run_assurance if policy else None,
        inputs=model_facts.inputs(context, origin) if run and run.inputs else () if run else None,
        quarantine=model_facts.quarantine(context, origin, told_by) if run else None,
        recalled=model_facts.recall(context, model, origin, proofs, policy, told_by),
        ancestry=model_facts.ancestry(context, origin) if run else None,
        digests=digests,
        overlap=model_facts.overlap(context, versions, proofs) if run and proofs else None,
        evidence=tuple(_state(context, e, p) for e, p in proofs),
        files=files,
    )
    facts = proven_facts(context, proofs[-1]) if proofs else PromotionFacts().facts()
    return Examined(
        floor=model_floor(floor),
        rules=evaluate(policy.policy, facts) if policy is not None else (),
        data=tuple(v.manifest_digest for v in versions),
        evidence=tuple(e.digest_ for e, _ in proofs),
        conditions=_conditions(context, policy, proofs, facts),
    )


def _evidence(context: Context, model: Model, device_class: str) -> list[tuple[Evidence, Plan]]:
    """The evidence of the newest plan of this class; an abandoned plan leaves none."""
    with context.records.read() as c:
        plans = records.many(c, tables.plan, Plan, order="id", model=model.digest_, device_class=device_class)
        if not plans:
            return []
        newest = max(plans, key=lambda p: p.at)
        found = records.one(c, tables.evidence, Evidence, plan=newest.digest())
    return [] if found is None else [(found, newest)]


def _named(context: Context, digests: tuple[str, ...]) -> list[tuple[Evidence, Plan]]:
    """Evidence by digest, with the plans it fulfils."""
    with context.records.read() as c:
        found = [records.one(c, tables.evidence, Evidence, digest=digest) for digest in digests]
    return [(e, context.plan(e.plan).plan) for e in found if e is not None]


def proven_facts(context: Context, proof: tuple[Evidence, Plan]) -> dict[str, Any]:
    """The table counted again, and how much of it the catalog ran again."""
    evidence, plan = proof
    facts = recount(context.plan(plan.id), evidence.statement.predicate, evidence.received_at)
    replay = replay_of(context, evidence.digest_)
    if replay is not None and replay.state == "done" and replay.by_same(evidence.statement.predicate.harness):
        facts["success"] |= {"replayed": replay.replayed, "replay_differing": replay.differing}
    return facts


def _state(context: Context, evidence: Evidence, plan: Plan) -> EvidenceState:
    with context.records.read() as c:
        key = records.one(c, tables.key, Key, keyid=evidence.keyid)
    # a lost key's earlier evidence stands, a compromised key's never did
    enrolled = key is not None and not key.counts("evaluator", evidence.received_at)
    replay = replay_of(context, evidence.digest_)
    return EvidenceState(
        digest_=evidence.digest_,
        signer=evidence.signer,
        enrolled=enrolled,
        expires_at=evidence.expires_at,
        plan_policy=plan.policy,
        why_not=replay.against(evidence.statement.predicate.harness) if enrolled and replay else "",
    )


def _conditions(
    context: Context, policy: ActivePolicy | None, proofs: list[tuple[Evidence, Plan]], facts: dict[str, Any]
) -> tuple[str, ...]:
    """What the claim is conditional on, in words that travel with the decision."""
    said = ["single operator: no separation of people was enforced; valid in demo and dev only"]
    if policy is not None and policy.policy.hardware is not None:
        said.append(f"hardware: {policy.policy.hardware}")
    for evidence, plan in proofs:
        said += conditions(plan, evidence.statement.predicate, facts, replay_of(context, evidence.digest_))
    return tuple(said)
