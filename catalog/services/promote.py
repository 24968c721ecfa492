"""Promote a model: everything is evaluated once more, then allowed inside one write, then published.

Between the evaluation and the write nothing may have changed: the epoch is compared inside. From the write on, any
revocation finds the release and denies it in its own transaction, so it is never live without a denial.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.decision import Decision, RuleVerdict
from catalog.domain.evidence import Evidence
from catalog.domain.policy import ActivePolicy
from catalog.domain.release import THRESHOLD, Choice, Release
from catalog.errors import Conflict, Refused, Unavailable
from catalog.services import lineage_edges, release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.decide import active_policy
from catalog.services.examine_model import Examined, examine_model
from catalog.services.intent import Kind, Operations, Work, already_running
from catalog.services.kept_heads import heads_agree
from catalog.services.propose_release import newest_decision, open_proposal
from catalog.services.publish import publish
from catalog.services.records_agree import records_agree
from catalog.services.register_model import model_bytes

LOOKS = 3  # evaluations until the catalog holds still long enough
CLOCK = "clock"  # the floor's rule that reads the time itself, so that its values always differ


def start(operations: Operations, by: str, model_name: str, device_class: str) -> str:
    """Begin the promotion of a model for a class; returns the operation's id. A refusal is audited."""
    context = operations.context
    model = context.model(model_name)
    with refusals_audited(context, by, "release.promote", model.digest_):
        decision = newest_decision(context, model, device_class)
        release = open_proposal(context, decision)
        if release is None:
            raise _not_approved(model_name, device_class, set())
        with context.records.read() as c:
            signed = release_records.approvers(c, release)
        if len(signed) < THRESHOLD:
            raise _not_approved(model_name, device_class, signed)
        already_running(context, "promote", device_class=device_class)
        return operations.start("promote", by, {"release": release.manifest.id, "device_class": device_class}).id


def _not_approved(model: str, device_class: str, signed: set[str]) -> Refused:
    said = f"signed by {', '.join(sorted(signed))}" if signed else "nobody has signed it"
    return Refused(
        "approvals-missing",
        f"{model} for class {device_class} needs {THRESHOLD} approvers with keys of their own; {said}",
        do=f"assay approve {model} --device-class {device_class} --as APPROVER",
    )


def _stage(work: Work) -> None:
    """Put the model's files into the release repository; nothing lists them yet."""
    context, release = work.context, release_records.release(work.context, work.arguments["release"])
    model = context.model(release.manifest.model)
    for number, file in enumerate(release.manifest.files, start=1):
        context.releases.stage(file.sha256, model_bytes(context, model, file.path))
        work.progress(number / len(release.manifest.files))


def _allow(work: Work) -> None:
    """The record that means allowed; done before, it stands."""
    context = work.context
    release = release_records.release(context, work.arguments["release"])
    if release.allowed_at is not None:
        return
    with refusals_audited(context, work.intent.by, "release.promote", release.manifest.model):
        heads_agree(context)
        decision = context.decision(release.manifest.decision)
        for _ in range(LOOKS):
            _, epoch = context.records.head()
            _reevaluate(context, release, decision)
            context.boundary("promote", "before-allow")
            with context.records.write(work.intent.by) as write:
                if write.epoch == epoch:
                    _inside(context, write, release, decision)
                    _nothing_else_chosen(write, release, work.intent.started_at)
                    _record_allowed(context, write, release, decision, work.intent.started_at)
                    return
    what = "revocations, policies or keys kept changing while this was evaluated"
    raise Conflict("release-outdated", what, do="promote again")


def _reevaluate(context: Context, release: Release, decision: Decision) -> None:
    """What was signed must still be so: the same policy, data and evidence, every rule passing on the same values."""
    model = context.model(release.manifest.model)
    policy = active_policy(context, "promotion", release.manifest.device_class)
    found = examine_model(context, model, policy, release.manifest.device_class)
    blocked = [r for r in found.floor + found.rules if r.verdict != "pass"]
    if blocked:
        what = f"{blocked[0].rule}: {blocked[0].message}"
        raise Refused("decision-blocked", what[:4000], do="judge again, and see what changed")
    if policy is None or policy.digest_ != decision.policy or _substance(found) != _signed_substance(decision):
        raise Refused("decision-mismatch", "what was signed is not what is so today", do="judge and approve again")


def _substance(found: Examined) -> tuple[Any, ...]:
    return found.data, found.evidence, found.conditions, _values(found.floor + found.rules)


def _signed_substance(decision: Decision) -> tuple[Any, ...]:
    return decision.data, decision.evidence, decision.conditions, _values(decision.rules)


def _values(rules: tuple[RuleVerdict, ...]) -> list[Any]:
    return [RuleVerdict.of(r.document()) for r in rules if r.rule != CLOCK]


def _inside(context: Context, write: Write, release: Release, decision: Decision) -> None:
    """What must hold at this very moment, read in the transaction that allows."""
    now = write.now
    records_agree(write.connection)
    if decision.expires_at <= now:
        raise Refused("decision-expired", "the decision expired while it was being promoted", do="judge again")
    for digest in decision.evidence:
        evidence = records.one(write.connection, tables.evidence, Evidence, digest=digest)
        if evidence is None or evidence.expires_at <= now:
            raise Refused("decision-expired", "the evidence has expired", where=digest, do="plan and evaluate again")
    policy = records.one(write.connection, tables.policy, ActivePolicy, digest=release.manifest.policy)
    if policy is None:
        raise Refused("policy-missing", "the policy of this release is not in force", do="judge again")
    if refused := release_records.denied(write.connection, release):
        what = f"this model was withdrawn: {refused[0].reason}"
        raise Refused("release-denied", what, where=refused[0].release, do="fit and judge another model")
    if len(release_records.approvers(write.connection, release, also_at=now)) < THRESHOLD:
        raise _not_approved(release.manifest.model_name, release.manifest.device_class, set())
    unpublished = [
        r for r in release_records.of_class(write.connection, release.manifest.device_class) if r.published_at is None
    ]
    if context.releases.role(release.manifest.device_class).version + 1 != release.role_version or any(
        r.role_version >= release.role_version for r in unpublished
    ):
        what = f"class {release.manifest.device_class} moved on since this was signed"
        raise Conflict("release-outdated", what, do="run `assay approve` again")


def _nothing_else_chosen(write: Write, release: Release, asked_at: datetime) -> None:
    """Who went back, or withdrew, since the promotion was asked for is not overruled by it."""
    chosen = release_records.choice(write.connection, release.manifest.device_class)
    if chosen is not None and chosen.requested_at > asked_at:
        what = f"class {release.manifest.device_class} was told otherwise since this was asked for: {chosen.reason}"
        raise Conflict("release-outdated", what[:4000], do="look at it, then promote again")


def _record_allowed(
    context: Context, write: Write, release: Release, decision: Decision, requested_at: datetime
) -> None:
    manifest = release.manifest
    allowed = release.model_copy(update={"allowed_at": write.now, "allowed_by": write.actor})
    release_records.put(write, allowed, "allowed")
    write.audit(
        "release.allow", manifest.id, model=manifest.model, decision=manifest.decision,
        device_class=manifest.device_class, number=manifest.number,
    )  # fmt: skip
    chosen = Choice(
        device_class=manifest.device_class,
        release=manifest.id,
        reason=f"promoted: {manifest.model_name}, release {manifest.number}",
        by=write.actor,
        requested_at=requested_at,
    )
    release_records.choose(write, chosen, "release.choose")
    lineage_edges.of_release(write, manifest, decision, context.ids())


def _publish(work: Work) -> None:
    """Bring the repository to the records; a denial that came in between is published with it."""
    publish(work.context)


def _record(work: Work, write: Write) -> dict[str, Any]:
    release = release_records.find(write.connection, work.arguments["release"])
    manifest = release.manifest
    published = release.model_copy(update={"published_at": write.now})
    refused = release_records.denied(write.connection, release)
    release_records.put(write, published, "denied" if refused else "published")
    write.audit("release.publish", manifest.id, device_class=manifest.device_class, denied=bool(refused))
    return {
        "release": manifest.id,
        "number": manifest.number,
        "model": manifest.model,
        "name": manifest.model_name,
        "device_class": manifest.device_class,
        "denied": refused[0].reason if refused else None,
    }


def _abandon(work: Work) -> None:
    """Before it was allowed nothing lists the files; afterwards the publication must follow, so the intent stays."""
    if release_records.release(work.context, work.arguments["release"]).allowed_at is not None:
        raise Unavailable("store-unreachable", "the release is allowed and still to be published", do="wait")


def _serial(_arguments: Mapping[str, Any]) -> str:
    return "releases"


KIND = Kind("promote", (_stage, _allow, _publish), _record, _abandon, _serial)
