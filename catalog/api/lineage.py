"""Lineage events of other systems, as OpenLineage's own clients send them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from catalog.api.http import MAX_BODY, Route, The, answer, may
from catalog.domain.base import strict_json
from catalog.domain.principal import Principal
from catalog.services.ingest_lineage import ingest_lineage


class Repeatable(Route):
    """OpenLineage's clients send no `Idempotency-Key`; the same event again adds nothing."""

    repeatable = True


router = APIRouter(route_class=Repeatable, tags=["lineage"])
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}


async def _document(request: Request) -> Any:
    return strict_json(await request.body(), "lineage events", MAX_BODY)


@router.post("/lineage", openapi_extra=BODY)
def post_lineage(
    here: The,
    body: Annotated[Any, Depends(_document)],
    who: Annotated[Principal, Depends(may("lineage.ingest"))],
) -> Response:
    """Take one OpenLineage event, or a list of them, all or none."""
    return answer(ingest_lineage(here.context, who.name, body))
