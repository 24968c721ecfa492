"""Bring the release repository to the keys that are enrolled today: planned here, signed where the keys are.

Two root keys and two approvers' keys sign; the service puts in place only what states exactly the enrolled keys. It is
an intent: the repository has the old keys or the new ones, and the log says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from catalog.attest.keys import load, public_hex
from catalog.attest.keyset import Keyset
from catalog.attest.rotation import require_states
from catalog.db.door import Write
from catalog.domain.base import canonical, sha256
from catalog.domain.principal import Key, KeyRole
from catalog.domain.release import RoleSignature
from catalog.domain.rotation import Parts, RotationPlan, SignRotation
from catalog.errors import AssayError, Conflict, Refused, Unavailable
from catalog.services import release_records
from catalog.services.audit import refusals_audited
from catalog.services.context import Context
from catalog.services.decide import device_classes
from catalog.services.intent import Kind, Operations, Work, already_running


def plan_rotation(context: Context, *, renew: bool = False) -> RotationPlan:
    """What must be signed so that the repository knows the keys and classes of today; refused where nothing would."""
    before, wanted = context.releases.keys(), _wanted(context)
    now, _ = context.records.now()
    roles = context.releases.rotation(wanted, now, renew=renew)
    return RotationPlan(
        before=Parts.of(before.document()),
        wanted=Parts.of(wanted.document()),
        owners={key.keyid: key.principal for key in _enrolled(context)},
        roles={role: payload.decode() for role, payload in roles.items()},
        published=_published(context),
    )


def start(operations: Operations, by: str, request: SignRotation) -> str:
    """Begin a signed rotation; returns the operation's id. A refusal is audited."""
    context = operations.context
    digest = sha256(canonical(request.roles))
    with refusals_audited(context, by, "keys.rotate", digest):
        require_states(_payloads(request), _wanted(context), _published(context))
        already_running(context, "rotate")
        return operations.start("rotate", by, {"request": request.document(), "digest": digest}).id


def _enrolled(context: Context) -> list[Key]:
    return list(context.keys())


def _wanted(context: Context) -> Keyset:
    """Who is enrolled today, the online key that the service holds, and every class with a policy."""
    now, _ = context.records.now()
    counting = [key for key in _enrolled(context) if not key.counts(key.role, now)]

    def of(role: KeyRole) -> list[str]:
        return sorted(key.public for key in counting if key.role == role)

    online = _online(context)
    if online not in of("release"):
        what = "the online key that the service holds is not enrolled, or does not count"
        do = "enrol a new one (assay key request NAME --role release), name it with ASSAY_RELEASE_KEY, start again"
        raise Refused("signer-not-enrolled", what, where=str(context.release_key), do=do)
    approvers, roots = of("approver"), of("root")
    for what, keys, least in (("approver", approvers, 2), ("root", roots, 3)):
        if len(keys) < least:
            said = f"{len(keys)} {what} keys count, devices need {least}"
            raise Refused("approvals-missing", said, do=f"enrol another first: assay key request NAME --role {what}")
    known = context.releases.device_classes()
    new = [name for name in device_classes(context) if name not in known]
    return Keyset.of({"root": roots, "approvers": approvers, "online": online, "device_classes": [*known, *new]})


def _online(context: Context) -> str:
    try:
        return public_hex(load(context.release_key))
    except AssayError as error:
        what = "the online key of the release repository cannot be read"
        do = "bring it, or set ASSAY_RELEASE_KEY"
        raise Unavailable("key-unreachable", what, where=str(context.release_key), do=do) from error


def _published(context: Context) -> dict[str, dict[str, Any]]:
    return {name: context.releases.role(name).document() for name in context.releases.device_classes()}


def _payloads(request: SignRotation) -> dict[str, bytes]:
    return {role: text.encode() for role, text in request.roles.items()}


def _apply(work: Work) -> None:
    """Put the signed roles in place; a second time changes nothing."""
    context, request = work.context, SignRotation.of(work.arguments["request"])
    now, _ = context.records.now()
    signatures: dict[str, tuple[RoleSignature, ...]] = request.signatures
    with context.locks["publish"]:
        _nothing_in_between(context)
        context.releases.apply(
            _payloads(request),
            signatures,
            online_key=context.release_key,
            at=now,
            expires=now + timedelta(hours=context.lease_hours),
        )
    work.memory["versions"] = {name: context.releases.role(name).version for name in context.releases.device_classes()}


def _nothing_in_between(context: Context) -> None:
    """A release that is allowed and not published yet holds the number that the rotation would take."""
    with context.records.read() as c:
        waiting = [
            r
            for name in context.releases.device_classes()
            for r in release_records.of_class(c, name)
            if r.published_at is None and r.role_version > context.releases.role(name).version
        ]
    if waiting:
        what = f"release {waiting[0].manifest.id} is allowed and still to be published"
        raise Conflict("operation-running", what, do="wait for it, then plan the rotation again")


def _record(work: Work, write: Write) -> dict[str, Any]:
    request = SignRotation.of(work.arguments["request"])
    signers = sorted({s.keyid for signed in request.signatures.values() for s in signed})
    roles = sorted(request.roles)
    write.audit("keys.rotate", work.arguments["digest"], roles=roles, signers=signers)
    write.raise_epoch()
    return {"roles": roles, "versions": work.memory["versions"]}


def _abandon(work: Work) -> None:
    """Nothing is half-done: the repository has the rotation whole, and then it is recorded, or not at all."""
    if work.context.releases.holds(_payloads(SignRotation.of(work.arguments["request"]))):
        raise Unavailable("store-unreachable", "the keys are rotated and the record is still to come", do="wait")


def _serial(_arguments: Mapping[str, Any]) -> str:
    return "releases"


KIND = Kind("rotate", (_apply,), _record, _abandon, _serial)
