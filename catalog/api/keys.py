"""Keys: propose an enrolment, sign it, list them, revoke one, rotate those that devices trust."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.domain.enrolment import KeyRequest, RevokeKey
from catalog.domain.principal import Principal
from catalog.domain.requests import Signed, Started
from catalog.domain.rotation import PlanRotation, SignRotation
from catalog.services import rotate_keys
from catalog.services.enrol import enrol, list_keys, propose_enrolment
from catalog.services.revoke_key import revoke_key

router = APIRouter(route_class=Route, tags=["keys"])
Rotator = Annotated[Principal, Depends(may("keys.rotate"))]
Enroller = Annotated[Principal, Depends(may("key.enrol"))]


@router.get("/keys")
def get_keys(here: The, who: Caller) -> Response:
    """Every key that was ever enrolled, and why it does not count now."""
    who.require("read")
    return items(list_keys(here.context), None)


@router.post("/keys/requests", openapi_extra=described(KeyRequest))
def post_key_request(here: The, body: Annotated[KeyRequest, Depends(takes(KeyRequest))], who: Enroller) -> Response:
    """Propose to enrol a newcomer's key; answers what must be signed."""
    return answer(propose_enrolment(here.context, who.name, body))


@router.post("/keys/enrolments", openapi_extra=described(Signed))
def post_enrolment(here: The, body: Annotated[Signed, Depends(takes(Signed))], who: Enroller) -> Response:
    """Sign a proposed enrolment."""
    return answer(enrol(here.context, who.name, body.envelope))


@router.post("/keys/revocations", openapi_extra=described(RevokeKey))
def post_revocation(
    here: The,
    body: Annotated[RevokeKey, Depends(takes(RevokeKey))],
    who: Annotated[Principal, Depends(may("key.revoke"))],
) -> Response:
    """Revoke a key, and deny what a compromised one signed."""
    return answer(revoke_key(here.context, who.name, body))


@router.post("/keys/rotation", openapi_extra=described(PlanRotation))
def post_rotation_plan(
    here: The, body: Annotated[PlanRotation, Depends(takes(PlanRotation))], _who: Rotator
) -> Response:
    """What must be signed so that devices trust the keys that are enrolled today."""
    return answer(rotate_keys.plan_rotation(here.context, renew=body.renew))


@router.post("/keys/rotations", status_code=202, openapi_extra=described(SignRotation))
def post_rotation(here: The, body: Annotated[SignRotation, Depends(takes(SignRotation))], who: Rotator) -> Response:
    """Put a signed rotation in place; an operation."""
    return answer(Started(operation=rotate_keys.start(here.operations, who.name, body)), 202)
