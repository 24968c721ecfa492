"""Revoke a key: one person is enough. A lost key signs nothing more; what a compromised key signed never counted.

So with a compromised key, every allowed release that rests on it is denied in the same transaction: on evidence that it
signed, on an approval of data, or on its own approval of the release.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from catalog.attest.envelope import REVOCATION, verify
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import canonical, sha256, utc_text
from catalog.domain.dataset import Approval
from catalog.domain.decision import Decision
from catalog.domain.device import Device
from catalog.domain.enrolment import Revocation, Revoked, RevokeKey
from catalog.domain.evidence import Evidence
from catalog.domain.principal import Key, KeyRole
from catalog.domain.release import THRESHOLD, Release
from catalog.errors import Absent, Conflict, Invalid, Refused
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.deny import deny_reached
from catalog.services.publish import publish_or_say

KIND = "revocation"
SIGNERS: tuple[KeyRole, ...] = ("approver", "steward")
ROTATED: frozenset[KeyRole] = frozenset({"approver", "root", "release"})  # devices hold these themselves


def revoke_key(context: Context, by: str, request: RevokeKey) -> Revoked:
    """Revoke a key and deny what it compromises; the devices are told at once, or at the next poll."""
    revocation = request.revocation
    with refusals_audited(context, by, "key.revoke", revocation.keyid):
        signer = _signer(context, by, request)
        with context.records.write(by) as write:
            key = _key(write, revocation)
            if signer is not None:
                _keep(write, request, signer)
            reached = _resting_on(write.connection, key) if revocation.compromised else []
            revoked = _revoke(write, key, revocation)
            how = "compromised" if revocation.compromised else "lost"
            reason = f"key {key.keyid[:16]}… of {key.principal} was {how}: {revocation.reason}"[:4000]
            denied = deny_reached(context, write, reached, reason)
            lacking = [*_lacking(write.connection, revoked, write.now), *_to_look_at(write.connection, revoked)]
    return Revoked(key=revoked, denied=tuple(d.release for d in denied), lacking=(*lacking, *publish_or_say(context)))


def _signer(context: Context, by: str, request: RevokeKey) -> Key | None:
    """Whose signature this is; one's own key is revoked by token alone, because it may be the one that is lost."""
    revocation = request.revocation
    if revocation.by != by:
        raise Refused("separation-of-duties", f"{by} brought a revocation by {revocation.by}", do="revoke as yourself")
    if request.envelope is None:
        if revocation.principal == by:
            return None
        raise Refused("signature-invalid", "the key of somebody else is revoked by a signature", do="sign it")
    now, _ = context.records.now()
    keys = context.keys()
    own = {k.role for k in keys if k.principal == by}
    role: KeyRole = next((role for role in SIGNERS if role in own), "approver")
    verified = verify(request.envelope, REVOCATION, keys, role=role, at=now)
    if [k.principal for k in verified.keys] != [by] or Revocation.parse(verified.payload) != revocation:
        raise Refused("decision-mismatch", "the signature is over another revocation", do="sign what is shown")
    return verified.keys[0]


def _key(write: Write, revocation: Revocation) -> Key:
    key = records.one(write.connection, tables.key, Key, keyid=revocation.keyid)
    if key is None:
        raise Absent("key-unknown", f"no key {revocation.keyid[:16]}… is enrolled", do="see `assay key list`")
    if key.principal != revocation.principal:
        raise Invalid("input-invalid", f"key {key.keyid[:16]}… is of {key.principal}, not {revocation.principal}")
    if key.revoked_at is not None and (key.compromised or not revocation.compromised):
        what = f"this key was revoked at {utc_text(key.revoked_at)}"
        raise Conflict("already-exists", what, do="nothing; a lost key may still be revoked as --compromised")
    return key


def _keep(write: Write, request: RevokeKey, signer: Key) -> None:
    write.insert(
        tables.endorsement,
        subject=request.revocation.digest(),
        keyid=signer.keyid,
        kind=KIND,
        at=utc_text(write.now),
        envelope=canonical(request.envelope).decode(),
    )


def _revoke(write: Write, key: Key, revocation: Revocation) -> Key:
    """The key; the token where both may be in other hands, or of a device, which is retired."""
    revoked = key.model_copy(update={"revoked_at": key.revoked_at or write.now, "compromised": revocation.compromised})
    write.replace(tables.key, {"keyid": key.keyid}, revoked)
    gone = key.role == "device" or revocation.compromised
    if gone and not _counting(write.connection, write.now, principal=key.principal):
        # nobody knows what this is the digest of; a new enrolment brings a new token
        write.replace(tables.principal, {"name": key.principal}, token_digest=sha256(secrets.token_bytes(32)))
    if key.role == "device":
        device = records.one(write.connection, tables.device, Device, name=key.principal)
        if device is not None and device.retired_at is None:
            write.replace(tables.device, {"name": device.name}, device.model_copy(update={"retired_at": write.now}))
            write.audit("device.retire", device.name, keyid=key.keyid)
    write.audit(
        "key.revoke",
        key.keyid,
        principal=key.principal,
        role=key.role,
        compromised=revocation.compromised,
        reason=revocation.reason,
        revocation=revocation.digest(),
    )
    write.raise_epoch()
    return revoked


def _resting_on(connection: Connection, key: Key) -> list[str]:
    """The releases that stand on what this key signed."""
    if key.role == "approver":
        s = tables.release_signature.c
        return [str(r) for r in connection.execute(select(s.release).where(s.keyid == key.keyid)).scalars()]
    if key.role not in ("evaluator", "steward"):
        return []
    proofs = {
        e.digest_ for e in records.many(connection, tables.evidence, Evidence, order="id") if e.keyid == key.keyid
    }
    data = _approved_with(connection, key)
    found = []
    for release in records.many(connection, tables.release, Release, order="id"):
        decision = records.one(connection, tables.decision, Decision, digest=release.manifest.decision)
        if decision is None or proofs.intersection(decision.evidence) or data.intersection(decision.data):
            found.append(release.manifest.id)
    return found


def _approved_with(connection: Connection, key: Key) -> set[str]:
    """The manifests of the versions of data that this key approved."""
    s = tables.signature.c
    signed = set(connection.execute(select(s.decision).where(s.keyid == key.keyid)).scalars())
    approvals = records.many(connection, tables.approval, Approval, order="id")
    return {a.manifest_digest for a in approvals if a.decision in signed}


def _counting(connection: Connection, now: datetime, **where: Any) -> list[Key]:
    found = records.many(connection, tables.key, Key, order="keyid", **where)
    return [key for key in found if not key.counts(key.role, now)]


def _lacking(connection: Connection, key: Key, now: datetime) -> list[str]:
    """What cannot be done from now on, and what must follow."""
    said = []
    left = {k.principal for k in _counting(connection, now, role="approver")}
    if key.role == "approver" and len(left) < THRESHOLD:
        said.append(
            f"{len(left)} of {THRESHOLD} approvers are left: nothing can go live until another is enrolled "
            "(assay key request NAME --role approver, then assay key enrol by two approvers or two root keys)"
        )
    if key.role in ROTATED:
        said.append("devices still know this key: assay key rotate, with two root keys and two approvers' keys")
    return said


def _to_look_at(connection: Connection, key: Key) -> list[str]:
    """What a compromised key signed beside releases: it stays in force, and people must look at it."""
    if not key.compromised:
        return []
    e = tables.endorsement.c
    rows = connection.execute(select(e.kind, e.subject).where(e.keyid == key.keyid).order_by(e.at)).all()
    said = [f"it signed {row.kind} {row.subject}: look at it" for row in rows]
    data = sorted(_approved_with(connection, key))
    return said + [f"it approved data {digest}: not served any more, register and approve it again" for digest in data]
