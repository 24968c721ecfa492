"""Take one approver's signatures on a proposed release: on the decision, and in the same act on the role that lists it.

Distinct people with distinct keys, and none of them brought the run, the model or the evidence.
"""

from __future__ import annotations

from typing import Any

from catalog.attest.envelope import DECISION, verify
from catalog.db import records, tables
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence
from catalog.domain.model import Model
from catalog.domain.release import Proposal, Release, ReleaseSignature, RoleSignature
from catalog.errors import Conflict, Refused
from catalog.services import lineage_edges, release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.made_from import made_from
from catalog.services.propose_release import newest_decision, open_proposal, shown


def approve_release(
    context: Context, by: str, identity: str, envelope: dict[str, Any], role: RoleSignature
) -> Proposal:
    """Verify and record one approver's signatures; a refusal is audited and records nothing."""
    with refusals_audited(context, by, "release.approve", identity):
        found = release_records.release(context, identity)
        decision = _signed(context, by, found, envelope, role)
        context.releases.verify_role(found.manifest.device_class, found.role.encode(), [role])
        _separate(context, found, by)
        _record(context, by, found, decision, ReleaseSignature(
            release=identity, keyid=role.keyid, principal=by, envelope=envelope, role=role, at=decision.at,
        ))  # fmt: skip
    return shown(context, found)


def _signed(context: Context, by: str, found: Release, envelope: dict[str, Any], role: RoleSignature) -> Decision:
    """The decision under the signature: this release's, still standing, signed by who brings it with one key."""
    now, clock_back = context.records.now()
    if clock_back:
        raise Refused("clock-back", "the clock was set back by more than five minutes", do="correct the clock")
    verified = verify(envelope, DECISION, context.keys(), role="approver", at=now)
    if len(verified.keys) != 1 or verified.keys[0].principal != by:
        signers = ", ".join(sorted(k.principal for k in verified.keys))
        raise Refused("separation-of-duties", f"{by} brought a signature of {signers}", do="each approver signs alone")
    decision = Decision.parse(verified.payload)
    if decision.digest() != found.manifest.decision or context.decision(decision.digest()) != decision:
        what = f"the signature is over another decision than release {found.manifest.id} rests on"
        raise Refused("decision-mismatch", what, do="sign what `assay approve` shows")
    model = context.model(found.manifest.model)
    if newest_decision(context, model, found.manifest.device_class).digest() != decision.digest():
        raise Refused(
            "decision-mismatch", "the model was judged again since", do="look at the newest decision and sign"
        )
    if role.keyid != verified.keys[0].keyid:
        raise Refused(
            "separation-of-duties", "decision and release are signed by two keys", do="sign both with one key"
        )
    if open_proposal(context, decision) != found:
        what = f"class {found.manifest.device_class} has a newer role than this proposal continues"
        raise Conflict("release-outdated", what, where=found.manifest.id, do="run `assay approve` again")
    return decision


def authors(context: Context, model: Model) -> dict[str, str]:
    """Who may approve nothing of a model, and why: who registered it, made its run or signed its evidence."""
    found = {model.registered_by: "registered the model"}
    found |= {run.by: f"is the author of run {run.id}" for run in made_from(context, model).every_run}
    with context.records.read() as c:
        for evidence in records.many(c, tables.evidence, Evidence, order="id", model=model.digest_):
            found[evidence.signer] = "signed its evidence"
    return found


def _separate(context: Context, found: Release, by: str) -> None:
    barred = authors(context, context.model(found.manifest.model))
    if by in barred:
        raise Refused(
            "separation-of-duties", f"{by} {barred[by]} and may not approve it", do="let another approver sign"
        )


def _record(context: Context, by: str, found: Release, decision: Decision, signature: ReleaseSignature) -> None:
    enrolled = context.keys()
    keys = {key.keyid: key for key in enrolled}
    with context.records.write(by) as write:
        for earlier in release_records.signatures(write.connection, found.manifest.id):
            if earlier.principal == by or keys[earlier.keyid].public == keys[signature.keyid].public:
                raise Conflict("already-exists", f"{by} has signed this release", do="another approver must sign")
        signature = signature.model_copy(update={"at": write.now})
        write.insert(tables.release_signature, signature, release=found.manifest.id, keyid=signature.keyid)
        write.audit(
            "release.approve", decision.digest(), release=found.manifest.id, keyid=signature.keyid,
            model=found.manifest.model, seen=decision.audit_head.document(), record=signature.digest(),
        )  # fmt: skip
        lineage_edges.of_signature(write, by, decision)
