"""Who is asking, operations, lineage, audit and the state of the catalog."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from catalog import __version__
from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.domain.intent import OperationView
from catalog.domain.principal import Principal
from catalog.domain.requests import CopyStore, Started, VerifyAudit
from catalog.domain.views import Health
from catalog.errors import Refused
from catalog.services import copy_store
from catalog.services.audit import entries, verify_audit
from catalog.services.show import status, trace

router = APIRouter(route_class=Route, tags=["system"])


@router.get("/health")
def get_health() -> Response:
    """Whether the service answers; needs no token."""
    return answer(Health(service="assay", version=__version__))


@router.get("/me")
def get_me(who: Caller) -> Response:
    """The principal whose token this is."""
    return answer(who)


@router.get("/status")
def get_status(here: The, who: Caller) -> Response:
    """How the catalog stands."""
    who.require("read")
    return answer(status(here.context, here.home))


@router.get("/operations/{operation}")
def get_operation(operation: str, here: The, who: Caller) -> Response:
    """How far an operation is."""
    who.require("read")
    intent, fraction, label = here.operations.look(operation)
    return answer(OperationView(intent=intent, fraction=fraction, label=label))


@router.post("/operations/{operation}/cancel")
def post_cancel(operation: str, here: The, who: Caller) -> Response:
    """Ask an operation to stop; only who began it may."""
    intent, fraction, label = here.operations.look(operation)
    if intent.by != who.name:
        raise Refused("role-missing", f"{intent.by} began this operation, not {who.name}")
    here.operations.cancel(operation)
    return answer(OperationView(intent=intent, fraction=fraction, label=label))


@router.get("/lineage")
def get_lineage(
    here: The,
    who: Caller,
    of: str,
    direction: Literal["up", "down"] = "up",
    depth: Annotated[int, Query(ge=1, le=64)] = 16,
    *,
    episodes: bool = False,
) -> Response:
    """Trace an asset: a URN, a dataset, `dataset@tag` or a model."""
    who.require("read")
    return answer(trace(here.context, of, direction, depth, episodes=episodes))


@router.post("/store/copies", status_code=202, openapi_extra=described(CopyStore))
def post_copy(
    here: The,
    body: Annotated[CopyStore, Depends(takes(CopyStore))],
    who: Annotated[Principal, Depends(may("store.copy"))],
) -> Response:
    """Copy everything to another lakeFS; an operation."""
    return answer(Started(operation=copy_store.start(here.operations, who.name, body)), 202)


@router.get("/audit")
def get_audit(here: The, who: Caller, after: int = -1, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    """The audit log, oldest first."""
    who.require("read")
    return items(*entries(here.context, after, limit))


@router.post("/audit/verify", openapi_extra=described(VerifyAudit))
def post_audit_verify(here: The, who: Caller, body: Annotated[VerifyAudit, Depends(takes(VerifyAudit))]) -> Response:
    """Recompute the whole chain."""
    who.require("read")
    return answer(verify_audit(here.context, body.kept))
