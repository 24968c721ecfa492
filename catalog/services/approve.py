"""Approve a version: a steward's signature over the decision, then a merge of exactly what was judged.

The merge commit must have parents [H, C] and C's tree; otherwise there is no tag, no record and no approval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.attest.envelope import DECISION, Verified, verify
from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.base import canonical, sha256
from catalog.domain.dataset import Approval, Version, repository_of
from catalog.domain.decision import Decision
from catalog.errors import Conflict, Refused, Unavailable
from catalog.services.audit import refusals_audited
from catalog.services.context import INTENT, MANIFEST, Context
from catalog.services.intent import Kind, Operations, Undecided, Work, already_running
from catalog.services.judge_dataset import evaluate_version
from catalog.services.records_agree import approval_record
from catalog.storage.port import CommitInfo


def start(operations: Operations, by: str, envelope: dict[str, Any]) -> str:
    """Begin an approval from a signed decision; returns the operation's id. A refusal is audited."""
    with refusals_audited(operations.context, by, "dataset.approve", sha256(canonical(envelope))):
        return _start(operations, by, envelope)


def _start(operations: Operations, by: str, envelope: dict[str, Any]) -> str:
    context = operations.context
    decision, keyid = _signed(context, by, envelope)
    version = context.version(decision.subject)
    if context.approval(version.manifest_digest) is not None:
        raise Conflict("already-exists", f"{decision.subject_name} is approved already", where=version.dataset)
    already_running(context, "approve", dataset=version.dataset)
    _still_stands(context, version, decision)
    arguments = {
        "dataset": version.dataset,
        "manifest_digest": version.manifest_digest,
        "decision": decision.digest(),
        "keyid": keyid,
        "envelope": envelope,
        "candidate": decision.candidate,
        "head": decision.head,
        "tag": f"v1.{len(context.approvals(version.dataset))}.0",
    }
    return operations.start("approve", by, arguments).id


def _signed(context: Context, by: str, envelope: dict[str, Any]) -> tuple[Decision, str]:
    """The decision under the signature, when the signer may sign it."""
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    verified = verify(envelope, DECISION, context.keys(), role="steward", at=now)
    decision = Decision.parse(verified.payload)
    if context.decision(decision.digest()) != decision or decision.decides != "dataset-approval":
        raise Refused("decision-mismatch", "this is no dataset decision of this catalog", do="judge and sign again")
    _separate(context, context.version(decision.subject), verified, by)
    if decision.verdict != "eligible":
        rule = decision.blocking()[0]
        raise Refused("decision-blocked", f"{rule.rule}: {rule.message}", do="mend it, check and judge again")
    return decision, verified.keys[0].keyid


def _separate(context: Context, version: Version, verified: Verified, by: str) -> None:
    """Who brought the data approves nothing of it, whoever rebased it since."""
    signers = {key.principal for key in verified.keys}
    authors, source = {version.registered_by}, version.rebased_from
    while source is not None:
        earlier = context.version(source)
        authors, source = authors | {earlier.registered_by}, earlier.rebased_from
    if own := sorted(signers & authors):
        raise Refused(
            "separation-of-duties",
            f"{own[0]} registered this version and may not approve it",
            do="let another steward sign",
        )
    if signers != {by}:
        raise Refused("separation-of-duties", f"{by} brought a signature of {', '.join(sorted(signers))}")


def _still_stands(context: Context, version: Version, decision: Decision) -> None:
    """Evaluate again: the answer must still be eligible, unexpired, on the same head, in the same epoch."""
    now, _ = context.records.now()
    if decision.expires_at <= now:
        raise Refused("decision-expired", f"the decision expired at {decision.expires_at}", do="judge again")
    _, epoch = context.records.head()
    rules, policy, evidence, head = evaluate_version(context, version)
    if head != decision.head or context.location(version.manifest_digest).commit != decision.candidate:
        raise Conflict(
            "version-outdated",
            f"main of {version.dataset} moved since this was judged",
            where=f"judged against {(decision.head or 'nothing')[:12]}, main is at {(head or 'nothing')[:12]}",
            do=f"assay dataset rebase {version.dataset} --ingest {version.ingest}, then check and approve again",
        )
    blocked = [r for r in rules if r.verdict != "pass"]
    if blocked:
        raise Refused("decision-blocked", f"{blocked[0].rule}: {blocked[0].message}", do="judge again")
    if epoch != decision.epoch or evidence != decision.evidence or policy is None or policy.digest_ != decision.policy:
        raise Refused("decision-mismatch", "the evidence or the rules changed since this was judged", do="judge again")


def _merge(work: Work) -> None:
    """Merge C onto H, once; a merge with this intent's id is the one."""
    arguments = work.arguments
    context, repository = work.context, repository_of(arguments["dataset"])
    if _merged(work) is None:
        version = context.version(arguments["manifest_digest"])
        _still_stands(context, version, context.decision(arguments["decision"]))
        metadata = {INTENT: work.intent.id, MANIFEST: version.manifest_digest, "assay.decision": arguments["decision"]}
        context.boundary("approve", "before-merge")
        context.store.merge(repository, arguments["candidate"], "main", f"Approve {version.ingest}", metadata)


def _merged(work: Work) -> CommitInfo | None:
    log = work.context.store.log(repository_of(work.arguments["dataset"]), "main", 20)
    return next((c for c in log if c.metadata.get(INTENT) == work.intent.id), None)


def _confirm(work: Work) -> None:
    """The merge must be exactly what was judged, or stay undecided."""
    arguments, context = work.arguments, work.context
    merged = _merged(work)
    candidate = context.store.head(repository_of(arguments["dataset"]), arguments["candidate"])
    if merged is None or candidate is None:
        raise Conflict("version-outdated", "the merge is not on main", where=arguments["dataset"], do="judge again")
    if merged.parents != (arguments["head"], arguments["candidate"]) or merged.metarange != candidate.metarange:
        raise Undecided(
            "merge-undecided",
            f"main of {arguments['dataset']} moved while {arguments['candidate'][:12]} was merged",
            where=f"merge {merged.id[:12]}",
            do=f"nothing was approved; reset main to {arguments['head'][:12]} with lakectl and judge again",
        )
    work.memory["merge"] = merged.id


def _tag(work: Work) -> None:
    """Name the merge commit; a name that others took leaves the merge undecided."""
    try:
        work.context.store.tag(repository_of(work.arguments["dataset"]), work.arguments["tag"], work.memory["merge"])
    except Conflict as error:
        raise Undecided("merge-undecided", error.what, where=error.where, do="delete that tag with lakectl") from error


def _record(work: Work, write: Write) -> dict[str, Any]:
    arguments = work.arguments
    approval = Approval(
        id=work.context.ids(),
        dataset=arguments["dataset"],
        manifest_digest=arguments["manifest_digest"],
        tag=arguments["tag"],
        decision=arguments["decision"],
        candidate=arguments["candidate"],
        head=arguments["head"],
        merge_commit=work.memory["merge"],
        by=write.actor,
        at=write.now,
    )
    write.insert(
        tables.approval,
        approval,
        id=approval.id,
        dataset=approval.dataset,
        manifest_digest=approval.manifest_digest,
        tag=approval.tag,
        merge_commit=approval.merge_commit,
    )
    at, envelope = approval.document()["at"], canonical(arguments["envelope"])
    write.insert(
        tables.signature,
        decision=arguments["decision"],
        keyid=arguments["keyid"],
        at=at,
        envelope=envelope.decode(),
    )
    write.audit(
        "dataset.approve",
        approval.manifest_digest,
        dataset=approval.dataset,
        tag=approval.tag,
        decision=approval.decision,
        merge=approval.merge_commit,
        keyid=arguments["keyid"],
        record=approval_record(approval.digest(), [(arguments["keyid"], at, sha256(envelope))]),
    )
    return {
        "dataset": approval.dataset,
        "tag": approval.tag,
        "manifest_digest": approval.manifest_digest,
        "commit": approval.merge_commit,
    }


def _abandon(work: Work) -> None:
    """Before the merge there is nothing to undo; after it the record must follow, so the intent stays open."""
    if _merged(work) is not None:
        raise Unavailable("store-unreachable", "the merge landed and its record is still to come", do="wait")


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"dataset:{arguments['dataset']}"


KIND = Kind("approve", (_merge, _confirm, _tag), _record, _abandon, _serial)
