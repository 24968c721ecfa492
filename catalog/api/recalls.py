"""Recalls: what one would reach, doing it, and how far its withdrawal has come."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Limit, Route, The, answer, described, items, may, takes
from catalog.db import records, tables
from catalog.domain.principal import Principal
from catalog.domain.recall import Recall
from catalog.domain.requests import DoRecall, ReachOf, Started
from catalog.services import recall

router = APIRouter(route_class=Route, tags=["recalls"])


@router.post("/recalls/reach", openapi_extra=described(ReachOf))
def post_reach(here: The, body: Annotated[ReachOf, Depends(takes(ReachOf))], who: Caller) -> Response:
    """What a recall would reach, each with the path that proves it. Nothing is done."""
    who.require("read")
    return answer(recall.show(here.context, body.what, body.as_of))


@router.post("/recalls", status_code=202, openapi_extra=described(DoRecall))
def post_recall(
    here: The,
    body: Annotated[DoRecall, Depends(takes(DoRecall))],
    who: Annotated[Principal, Depends(may("recall"))],
) -> Response:
    """Recall exactly what was shown; an operation."""
    started = recall.start(here.operations, who.name, body.what, body.reason, body.plan, body.as_of)
    return answer(Started(operation=started), 202)


@router.get("/recalls")
def list_recalls(here: The, who: Caller, after: str = "", limit: Limit = 100) -> Response:
    """All recalls, oldest first."""
    who.require("read")
    with here.context.records.read() as c:
        return items(*records.page(c, tables.recall, Recall, key="id", after=after, limit=limit))


@router.get("/recalls/{identity}")
def get_recall(identity: str, here: The, who: Caller) -> Response:
    """One recall, and per device whether it has heard."""
    who.require("read")
    return answer(recall.view(here.context, identity))
