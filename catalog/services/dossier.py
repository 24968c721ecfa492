"""Gather what a report says: the records behind one decision, and the proofs that its acts are in the log."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from catalog.db import records, tables
from catalog.domain.audit import AuditEntry
from catalog.domain.dataset import Quarantine
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence
from catalog.domain.merkle import Consistency, Tree
from catalog.domain.model import Model
from catalog.domain.policy import ActivePolicy
from catalog.domain.release import Release
from catalog.domain.replay import Replay
from catalog.errors import Absent, Damaged
from catalog.reports.dossier import Data, Dossier, Proof, Training
from catalog.services import manifest, release_records, version_commit
from catalog.services.audit_log import entries_about, log_tree
from catalog.services.context import Context
from catalog.services.denied import Denied
from catalog.services.made_from import made_from
from catalog.services.run_assurance import reproductions
from catalog.services.still_allowed import still_allowed
from catalog.services.trust import home_of, unhurried

PROVE = {
    "dataset": ("approve", "quarantine"),
    "evidence": ("receive", "replay"),
    "model": ("register",),
    "plan": ("make", "seed"),
    "promotion": ("judged",),
    "release": ("propose", "approve", "allow", "publish", "deny", "withdraw"),
    "replay": ("draw",),
    "run": ("start", "input", "end", "reproduced", "not-reproduced"),
}  # what proves something, by what it is about


def dossier(context: Context, model: Model, decision: Decision, release: Release | None, device: str | None) -> Dossier:
    """All of it, as of now; whoever asks sees to it that the log stands still meanwhile."""
    head, epoch = context.records.head()
    as_of = unhurried(context)
    tree = log_tree(context, head.size)
    training = tuple(Training(r, tuple(reproductions(context, r.id))) for r in made_from(context, model).every_run)
    proofs = tuple(_proof(context, digest) for digest in decision.evidence)
    data = tuple(_data(context, digest) for digest in decision.data)
    subjects = [model.digest_, decision.digest(), *decision.evidence, *decision.data]
    subjects += [p.plan.plan_digest for p in proofs] + [t.run.id for t in training]
    subjects += [release.manifest.id] if release is not None else []
    entries = [e for e in entries_about(context, subjects, head.size) if _proves(e, decision)]
    with context.records.read() as c:
        active = records.one(c, tables.policy, ActivePolicy, digest=decision.policy) if decision.policy else None
        judged = records.many(c, tables.decision, Decision, order="id", decides="promotion", subject=model.digest_)
        signatures = release_records.signatures(c, release.manifest.id) if release is not None else []
        denied = Denied(c)
        denials = denied.release(release) if release is not None else []
        allowed = release_records.of_class(c, decision.device_class or "")
        fallbacks = [r for r in reversed(allowed) if r != release and not denied.release(r)]
    later = [d for d in judged if d.device_class == decision.device_class and d.at > decision.at]
    return Dossier(
        home=home_of(context.records),
        environment=context.environment,
        as_of=as_of,
        head=head,
        epoch=epoch,
        device_class=decision.device_class or "",
        device=device,
        model=model,
        decision=decision,
        policy=active.policy if active is not None else None,
        training=training,
        proofs=proofs,
        data=data,
        release=release,
        signatures=tuple(sorted(signatures, key=lambda s: s.at)),
        denials=tuple(denials),
        fallbacks=tuple(fallbacks),
        not_today=_not_today(context, release),
        later=tuple(sorted(later, key=lambda d: d.at, reverse=True)),
        inclusions=tuple(tree.inclusion(e, head.size) for e in entries),
        consistency=_grown(tree, decision),
    )


def _proves(entry: AuditEntry, decision: Decision) -> bool:
    """Of the judgements of a model only this one is shown."""
    if entry.action == "promotion.judged":
        return entry.details.get("decision") == decision.digest()
    about, _, act = entry.action.partition(".")
    return act in PROVE.get(about, ())


def _grown(tree: Tree, decision: Decision) -> Consistency:
    """That the log continues the one which the decision names, and so its signers."""
    kept = decision.audit_head
    if kept.size > tree.size or tree.head(kept.size) != kept:
        what = f"the decision was made on a log of {kept.size} entries that this log does not continue"
        raise Damaged("audit-damaged", what, where=decision.digest(), do="find out who changed the log")
    return tree.consistency(kept.size, tree.size)


def _not_today(context: Context, release: Release | None) -> str:
    if release is None or release.allowed_at is None:
        return ""
    return still_allowed(context, release).why_not


def _proof(context: Context, digest: str) -> Proof:
    with context.records.read() as c:
        evidence = records.one(c, tables.evidence, Evidence, digest=digest)
        replay = records.one(c, tables.replay, Replay, evidence=digest)
    if evidence is None:
        raise Absent("evidence-unknown", f"no evidence {digest}, which the decision names", do="restore a backup")
    return Proof(evidence, context.plan(evidence.plan), replay)


def _data(context: Context, digest: str) -> Data:
    """A version with its episodes table as the store has it, which must be the one that the manifest names."""
    version, location = context.version(digest), context.location(digest)
    table = manifest.episodes_table(context.store, location.repository, location.commit, version.manifest)
    episodes, _ = version_commit.tables_of(context, version)
    approval = context.approval(digest)
    envelopes: list[dict[str, Any]] = []
    if approval is not None:
        s = tables.signature.c
        with context.records.read() as c:
            found = c.execute(select(s.envelope).where(s.decision == approval.decision).order_by(s.keyid)).scalars()
            envelopes = [json.loads(text) for text in found]
    with context.records.read() as c:
        quarantines = records.many(c, tables.quarantine, Quarantine, order="id", manifest_digest=digest)
    return Data(
        version=version,
        repository=location.repository,
        commit=approval.merge_commit if approval is not None else location.commit,
        table=table,
        episodes=tuple(episodes),
        approval=approval,
        decision=context.decision(approval.decision) if approval is not None else None,
        envelopes=tuple(envelopes),
        quarantines=tuple(quarantines),
    )
