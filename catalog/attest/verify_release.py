"""Who allowed a release: enough different approvers, each with a key of their own, over this decision and role."""

from __future__ import annotations

import re

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature, SSlibKey

from catalog.attest.bundle import untrusted
from catalog.attest.case import Case
from catalog.attest.envelope import DECISION, EnvelopeDocument, verify
from catalog.domain.audit import AuditEntry
from catalog.domain.base import sha256, strict_json
from catalog.domain.model import ModelManifest
from catalog.domain.principal import Key
from catalog.domain.release import ReleaseManifest
from catalog.domain.report import ReleaseRecord
from catalog.domain.run import Run

APPROVAL = re.compile(r"approvals/\d+\.json")


def check(case: Case, model: ModelManifest) -> bool:
    """Whether enough people allowed it and the log says so; what is there and wrong is raised."""
    claims, opened = case.claims, case.opened
    if claims.release is None:
        case.say("release", "none")
        return False
    manifest = opened.document("release/manifest.json", ReleaseManifest)
    about = (
        manifest.id,
        manifest.model,
        manifest.decision,
        manifest.policy,
        manifest.device_class,
        manifest.environment,
    )
    decision = case.known
    if about != (claims.release, case.model, claims.decision, claims.policy, claims.device_class, claims.environment):
        raise untrusted("the release is of another model, class or decision", "release/manifest.json")
    if manifest.files != model.files:
        raise untrusted("the release has other files than the model", "release/manifest.json")
    record = opened.document("release/record.json", ReleaseRecord)
    approvers = [_approver(case, name) for name in sorted(opened.files) if APPROVAL.fullmatch(name)]
    people, material = {k.principal for k, _ in approvers}, {k.public for k, _ in approvers}
    if barred := people & _barred(case):
        raise untrusted(f"{min(barred)} made what they approved", "approvals")
    _role(case, manifest, record, approvers)
    enough = min(len(people), len(material)) >= case.root.threshold
    names = ", ".join(sorted(people)) or "nobody"
    case.say("approvers", f"{names}: {len(material)} distinct keys, {case.root.threshold} needed, over this decision")
    if record.allowed_at is None or not enough:
        return False
    allowed = case.log.one("release.allow", manifest.id, decision=decision.digest())
    if any(entry.seq > allowed.seq for _, entry in approvers) or allowed.at != record.allowed_at:
        raise untrusted("the release was allowed before it was approved, or at another time", "release/record.json")
    case.say(
        "release", f"{manifest.number} of class {manifest.device_class}, {manifest.id}, allowed by {allowed.actor}"
    )
    return True


def _approver(case: Case, name: str) -> tuple[Key, AuditEntry]:
    """One approver's key, and the log's entry of their act, which says when it was."""
    decision, found = case.known, case.opened.document(name, EnvelopeDocument)
    keyid = found.signatures[0].keyid
    entry = case.log.one("release.approve", decision.digest(), release=case.claims.release, keyid=keyid)
    verified = verify(case.opened.bytes_of(name), DECISION, case.root.keys, role="approver", at=entry.at)
    if verified.payload != decision.canonical() or [k.principal for k in verified.keys] != [entry.actor]:
        raise untrusted("an approval is over another decision, or by another than the log says", name)
    return verified.keys[0], entry


def _barred(case: Case) -> set[str]:
    """Who may not approve: the authors of the runs, and whoever signed the evidence."""
    barred: set[str] = set()
    number = 1
    while (name := f"runs/{number}.json") in case.opened.files:
        barred.add(case.opened.document(name, Run).by)
        number += 1
    for digest in case.known.evidence:
        barred.add(case.log.one("evidence.receive", digest).actor)
    return barred | {e.actor for e in case.log.all("model.register", case.model)}


def _role(
    case: Case, manifest: ReleaseManifest, record: ReleaseRecord, approvers: list[tuple[Key, AuditEntry]]
) -> None:
    """Each approver signed, in the same act and with the same key, the role that lists this very release."""
    payload = case.opened.bytes_of("release/role.json")
    signed = {s.keyid: s for s in record.role_signatures}
    if signed.keys() != {key.keyid for key, _ in approvers} or len(signed) != len(record.role_signatures):
        raise untrusted("decision and role are not signed by the same keys", "release/record.json")
    for key, _ in approvers:
        public = SSlibKey(key.keyid, "ed25519", "ed25519", {"public": key.public})
        try:
            public.verify_signature(Signature(key.keyid, signed[key.keyid].sig), payload)
        except UnverifiedSignatureError as error:
            raise untrusted(f"{key.principal} did not sign this role", "release/role.json") from error
    role = strict_json(payload, "role")
    targets = role.get("targets") if isinstance(role, dict) else None
    target = targets.get(manifest.path) if isinstance(targets, dict) else None
    content = manifest.canonical()
    wanted = {
        "custom": manifest.custom(),
        "hashes": {"sha256": sha256(content).removeprefix("sha256:")},
        "length": len(content),
    }
    if target != wanted or role.get("_type") != "targets" or role.get("version") != record.role_version:
        raise untrusted("the role that was signed does not list this release", "release/role.json")
