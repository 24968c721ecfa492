"""Propose a release of an eligible model: the exact bytes that two approvers are shown and sign.

The proposal names the decision; another decision, or a class whose role moved on, needs another proposal.
"""

from __future__ import annotations

from sqlalchemy import func, select

from catalog.db import records, tables
from catalog.domain.base import utc_text
from catalog.domain.decision import Decision
from catalog.domain.model import Model
from catalog.domain.release import Proposal, Release, ReleaseManifest
from catalog.errors import Refused
from catalog.services import release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.decide import active_policy, judged
from catalog.services.denied import Denied


def propose_release(context: Context, by: str, model_name: str, device_class: str) -> Proposal:
    """The open proposal for the newest decision on a model, made when there is none; refused unless eligible."""
    model = context.model(model_name)
    with refusals_audited(context, by, "release.propose", model.digest_):
        decision = newest_decision(context, model, device_class)
        _not_withdrawn(context, model)
        found = open_proposal(context, decision) or _propose(context, by, model, decision)
    return shown(context, found)


def _not_withdrawn(context: Context, model: Model) -> None:
    """What was denied is denied for good: nobody is asked to sign what no promotion will take."""
    with context.records.read() as c:
        denials = Denied(c).model(model)
    if denials:
        what = f"{model.manifest.name} was withdrawn: {denials[0].reason}"
        raise Refused("release-denied", what[:4000], where=denials[0].release, do="fit and judge another model")


def newest_decision(context: Context, model: Model, device_class: str) -> Decision:
    """The newest decision on a model for a class, when it permits: eligible, unexpired, by the policy in force."""
    decision = judged(context, model.digest_, device_class)
    if decision is None:
        what = f"nobody has judged {model.manifest.name} for class {device_class}"
        raise Refused("decision-blocked", what, do=f"assay gate {model.manifest.name} --device-class {device_class}")
    if decision.verdict != "eligible":
        rule = decision.blocking()[0]
        what = f"{model.manifest.name} is blocked for class {device_class}: {rule.rule}: {rule.message}"
        raise Refused("decision-blocked", what[:4000], where=decision.digest(), do="mend it, and judge again")
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    if decision.expires_at <= now:
        raise Refused("decision-expired", f"the decision expired at {utc_text(decision.expires_at)}", do="judge again")
    policy = active_policy(context, "promotion", device_class)
    if policy is None or policy.digest_ != decision.policy:
        what = f"the policy of class {device_class} is another one than this was judged by"
        raise Refused("decision-mismatch", what, where=decision.digest(), do="plan, evaluate and judge again")
    return decision


def open_proposal(context: Context, decision: Decision) -> Release | None:
    """The newest proposal of this decision that can still be published as it is."""
    digest, device_class = decision.digest(), decision.device_class or ""
    version = context.releases.role(device_class).version
    with context.records.read() as c:
        found = records.many(
            c, tables.release, Release, order="proposed_at", newest_first=True, decision=digest, state="proposed"
        )
    return next((r for r in found if r.role_version == version + 1), None)


def _propose(context: Context, by: str, model: Model, decision: Decision) -> Release:
    device_class = decision.device_class or ""
    if decision.policy is None:
        raise Refused("policy-missing", f"the decision on {model.manifest.name} names no policy", do="judge again")
    with context.locks["release-proposal"], context.records.write(by) as write:
        r = tables.release.c
        counted = select(func.count()).where(r.device_class == device_class, r.state != "proposed")
        manifest = ReleaseManifest(
            id=context.ids(),
            number=1 + int(write.connection.execute(counted).scalar_one()),
            device_class=device_class,
            environment=context.environment,
            hardware=decision.hardware or "any",
            model=model.digest_,
            model_name=model.manifest.name,
            files=model.manifest.files,
            decision=decision.digest(),
            policy=decision.policy,
            epoch=write.epoch,
            audit_head=write.head,
            issued_at=write.now,
            lease_hours=context.lease_hours,
        )
        version, payload = context.releases.proposed(manifest, write.now)
        release = Release(
            manifest=manifest,
            role=payload.decode(),
            role_version=version,
            proposed_by=by,
            proposed_at=write.now,
        )
        write.insert(
            tables.release,
            release,
            id=manifest.id,
            device_class=device_class,
            model=manifest.model,
            decision=manifest.decision,
            state="proposed",
            proposed_at=utc_text(write.now),
        )
        write.audit("release.propose", manifest.decision, release=manifest.id, model=manifest.model, number=version)
    return release


def shown(context: Context, found: Release) -> Proposal:
    """A proposal with all that an approver needs to check it."""
    with context.records.read() as c:
        signed = release_records.signatures(c, found.manifest.id)
    return Proposal(
        release=found,
        decision=context.decision(found.manifest.decision),
        model=context.model(found.manifest.model).manifest,
        published_role=context.releases.role(found.manifest.device_class).document(),
        signed_by=tuple(s.principal for s in signed),
    )
