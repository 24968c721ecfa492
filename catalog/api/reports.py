"""Reports, and what is checked outside: the trust root and the signed audit head."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from catalog.api.http import Caller, Route, The, answer, may
from catalog.domain.principal import Principal
from catalog.services.report import report
from catalog.services.trust import signed_head, trust_root

router = APIRouter(route_class=Route, tags=["reports"])


@router.get("/reports")
def get_report(
    here: The,
    _who: Annotated[Principal, Depends(may("report"))],
    model: str | None = None,
    device_class: str | None = None,
    device: str | None = None,
) -> Response:
    """The signed bundle of a model for a class, or of the model now on a device."""
    return answer(report(here.context, model=model, device_class=device_class, device=device))


@router.get("/trust")
def get_trust(here: The, who: Caller) -> Response:
    """The trust root, signed with the report key; it is worth what the way is worth on which an auditor gets it."""
    who.require("read")
    return answer(trust_root(here.context))


@router.get("/audit/head")
def get_audit_head(here: The, who: Caller, since: Annotated[int | None, Query(ge=0, le=10**12)] = None) -> Response:
    """The signed audit head with everything denied; with `since`, the proof that it continues a head of that size."""
    who.require("read")
    return answer(signed_head(here.context, since))
