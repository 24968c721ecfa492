"""Enrol a newcomer's key: proposed by an approver, signed by one or two, and in force when the last signature arrives.

Two approvers enrol whoever can let something live or vouch for it; where too few approvers are left, two of the root
keys enrol approvers, the same threshold that replaces them on the devices. Nobody signs for themself, and one key never
has two owners.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from catalog.attest.envelope import ENROLMENT
from catalog.attest.keys import keyid
from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.device import Device
from catalog.domain.enrolment import (
    BY_ONE,
    DEVICE_DAYS,
    KEY_DAYS,
    OPEN_HOURS,
    ROLES,
    WEIGHTY,
    Enrolment,
    EnrolmentView,
    KeyRequest,
    KeyView,
    ProposedEnrolment,
)
from catalog.domain.principal import Key, KeyRole, Principal
from catalog.errors import Conflict, Refused
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.decide import active_policy, device_classes
from catalog.services.endorse import endorse, signed_alone, signed_by, still_open

KIND = "enrolment"
OURS = frozenset({"catalog", "bootstrap"})  # who acts in the log where nobody does


def propose_enrolment(context: Context, by: str, request: KeyRequest) -> EnrolmentView:
    """The open proposal for this request, made when there is none: the document that must be signed."""
    with refusals_audited(context, by, "key.propose", request.name):
        _device_fits(context, request)
        with context.records.write(by) as write:
            _free(write.connection, request, write.now)
            found = _open_proposal(write, request) or _propose(context, write, request)
    return _view(context, found)


def enrol(context: Context, by: str, envelope: dict[str, Any]) -> EnrolmentView:
    """Take one signature on a proposed enrolment; the last one needed enrols. A refusal is audited."""
    role = _role(context, by)
    with refusals_audited(context, by, "key.enrol", by):
        payload, key = signed_alone(context, by, envelope, ENROLMENT, role)
        enrolment = Enrolment.parse(payload)
        digest = enrolment.digest()
        with context.records.write(by) as write:
            found = _proposed(write, enrolment, digest)
            _may_sign(enrolment, key)
            _free(write.connection, _request(enrolment), write.now)
            signers = endorse(write, digest, KIND, key, envelope)
            write.audit("key.endorse", digest, name=enrolment.name, role=enrolment.key_role, keyid=key.keyid)
            if len(signers) >= enrolment.signatures:
                found = found.model_copy(update={"done_at": write.now})
                write.replace(tables.proposal, {"digest": digest}, found)
                _take_in(write, enrolment, sorted(k.principal for k in signers))
    return _view(context, found)


def list_keys(context: Context) -> list[KeyView]:
    """Every key that was ever enrolled, and why it does not count now."""
    now, _ = context.records.now()
    return [KeyView(key=key, why_not=key.counts(key.role, now)) for key in context.keys()]  # noqa: SIM118 - no dict


def _role(context: Context, by: str) -> KeyRole:
    """With which of their keys somebody signs enrolments."""
    with context.records.read() as c:
        who = records.one(c, tables.principal, Principal, name=by)
    return "root" if who is not None and "keeper" in who.roles else "approver"


def _device_fits(context: Context, request: KeyRequest) -> None:
    if request.device is None:
        return
    here, device = context.environment, request.device
    if device.environment != here:
        what = f"{request.name} is provisioned for environment {device.environment}, this catalog is {here}"
        raise Refused("environment-refused", what, do="provision it for this environment")
    if active_policy(context, "promotion", device.device_class) is None:
        what = f"no policy is active for class {device.device_class} in {here}, so nothing could be released for it"
        raise Refused("policy-missing", what, do=f"use one of {', '.join(device_classes(context))}")


def _free(connection: Connection, request: KeyRequest, now: datetime) -> None:
    """One key has one owner, one token one principal; a name that is known comes back only when no key of it counts."""
    k, p = tables.key.c, tables.principal.c
    if request.name in OURS:
        what = f"{request.name} is what the log calls the catalog itself"
        raise Conflict("already-exists", what, where=request.name, do="take another name")
    owner = connection.execute(select(k.principal).where(k.public == request.public)).scalar()
    if owner is not None:
        what = f"this key is enrolled already, for {owner}; one key has one owner and one role"
        raise Conflict("already-exists", what, where=keyid(request.public), do="make a new key")
    if connection.execute(select(p.name).where(p.token_digest == request.token_digest)).first() is not None:
        raise Conflict("already-exists", "this token is in use already", where=request.name, do="make a new token")
    known = records.one(connection, tables.principal, Principal, name=request.name)
    if known is None:
        return
    if request.key_role == "device" or known.roles != ROLES[request.key_role]:
        what = f"{request.name} is known already, with role {', '.join(known.roles)}"
        raise Conflict("already-exists", what, do="take another name")
    keys = records.many(connection, tables.key, Key, order="keyid", principal=request.name)
    if any(not key.counts(key.role, now) for key in keys):
        what = f"{request.name} has a key that counts"
        raise Conflict("already-exists", what, do=f"revoke it first: assay key revoke {request.name} --lost")


def _open_proposal(write: Write, request: KeyRequest) -> ProposedEnrolment | None:
    wanted = request.digest()
    found = records.many(write.connection, tables.proposal, ProposedEnrolment, order="digest", kind=KIND)
    return next(
        (p for p in found if p.request == wanted and p.done_at is None and p.enrolment.open_until > write.now), None
    )


def _propose(context: Context, write: Write, request: KeyRequest) -> ProposedEnrolment:
    known = records.one(write.connection, tables.principal, Principal, name=request.name) is not None
    days = DEVICE_DAYS if request.key_role == "device" else KEY_DAYS
    enrolment = Enrolment(
        id=context.ids(),
        name=request.name,
        roles=ROLES[request.key_role],
        key_role=request.key_role,
        public=request.public,
        keyid=keyid(request.public),
        token_digest=request.token_digest,
        device=request.device,
        known_before=known,
        signatures=1 if request.key_role in BY_ONE and not known else 2,
        expires_at=write.now + timedelta(days=days),
        issued_at=write.now,
        open_until=write.now + timedelta(hours=OPEN_HOURS),
        epoch=write.epoch,
        audit_head=write.head,
    )
    found = ProposedEnrolment(enrolment=enrolment, request=request.digest(), proposed_by=write.actor)
    write.insert(tables.proposal, found, digest=enrolment.digest(), kind=KIND)
    write.audit("key.propose", enrolment.name, role=enrolment.key_role, keyid=enrolment.keyid, proposal=enrolment.id)
    return found


def _proposed(write: Write, enrolment: Enrolment, digest: str) -> ProposedEnrolment:
    found = records.one(write.connection, tables.proposal, ProposedEnrolment, digest=digest)
    if found is None:
        what = f"nothing like this enrolment of {enrolment.name} was proposed here"
        raise Refused("decision-mismatch", what, do="sign what `assay key enrol` shows")
    if found.done_at is not None:
        raise Conflict("already-exists", f"{enrolment.name} was enrolled by this already", where=digest)
    still_open(enrolment.open_until, write.now)
    return found


def _may_sign(enrolment: Enrolment, key: Key) -> None:
    if key.principal == enrolment.name:
        raise Refused("separation-of-duties", f"{key.principal} may not enrol themself", do="let others sign")
    if key.role == "root" and enrolment.key_role not in WEIGHTY:
        what = f"a root key enrols approvers and keepers, not a key of role {enrolment.key_role}"
        raise Refused("role-missing", what, do="let an approver sign")


def _request(enrolment: Enrolment) -> KeyRequest:
    return KeyRequest(
        name=enrolment.name,
        key_role=enrolment.key_role,
        public=enrolment.public,
        token_digest=enrolment.token_digest,
        device=enrolment.device,
    )


def _take_in(write: Write, enrolment: Enrolment, signers: list[str]) -> None:
    """The principal or its new token, its key, its device, in one transaction with their audit entries."""
    by = ", ".join(signers)
    if enrolment.known_before:
        write.replace(tables.principal, {"name": enrolment.name}, token_digest=enrolment.token_digest)
        write.audit("principal.return", enrolment.name, by=signers)
    else:
        newcomer = Principal(name=enrolment.name, roles=enrolment.roles, enrolled_by=by, enrolled_at=write.now)
        write.insert(tables.principal, newcomer, name=newcomer.name, token_digest=enrolment.token_digest)
        write.audit("principal.enrol", newcomer.name, roles=list(newcomer.roles), by=signers)
    key = Key(
        keyid=enrolment.keyid,
        public=enrolment.public,
        role=enrolment.key_role,
        principal=enrolment.name,
        enrolled_by=by,
        enrolled_at=write.now,
        expires_at=enrolment.expires_at,
    )
    write.insert(tables.key, key, keyid=key.keyid, public=key.public, principal=key.principal, role=key.role)
    write.audit("key.enrol", key.keyid, principal=key.principal, role=key.role, by=signers, record=key.digest())
    if enrolment.device is not None:
        device = Device(
            name=enrolment.name,
            keyid=key.keyid,
            enrolled_by=by,
            enrolled_at=write.now,
            **enrolment.device.model_dump(),
        )
        write.insert(tables.device, device, name=device.name, device_class=device.device_class)
        write.audit("device.enrol", device.name, device_class=device.device_class, keyid=device.keyid, by=signers)
    write.raise_epoch()


def _view(context: Context, found: ProposedEnrolment) -> EnrolmentView:
    digest = found.enrolment.digest()
    return EnrolmentView(
        enrolment=found.enrolment, digest_=digest, signed_by=signed_by(context, digest), done_at=found.done_at
    )
