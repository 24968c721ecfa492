"""What the catalog and others ran again: replays of evidence, reproductions of training runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.domain.principal import Principal
from catalog.domain.requests import Signed
from catalog.services.replay import find_replay, replay_again
from catalog.services.reproduce import receive_reproduction
from catalog.services.run_assurance import reproductions

router = APIRouter(route_class=Route, tags=["runs"])


@router.get("/evidence/{digest}/replay")
def get_replay(digest: str, here: The, who: Caller) -> Response:
    """The replay of an evidence, as it stands."""
    who.require("read")
    return answer(find_replay(here.context, digest))


@router.post("/evidence/{digest}/replay")
def post_replay(digest: str, here: The, who: Annotated[Principal, Depends(may("evidence.post"))]) -> Response:
    """Try a failed replay again, on the same draw."""
    return answer(replay_again(here.operations, who.name, digest))


@router.get("/runs/{run}/reproductions")
def list_reproductions(run: str, here: The, who: Caller) -> Response:
    """The reproductions of a run that count."""
    who.require("read")
    return items(reproductions(here.context, here.context.run(run).id), None)


@router.post("/runs/{run}/reproductions", openapi_extra=described(Signed))
def post_reproduction(
    run: str,
    here: The,
    body: Annotated[Signed, Depends(takes(Signed))],
    who: Annotated[Principal, Depends(may("run.reproduce"))],
) -> Response:
    """Bring a signed reproduction of a run."""
    return answer(receive_reproduction(here.context, who.name, run, body.envelope))
