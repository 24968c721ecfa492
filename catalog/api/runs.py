"""Training runs, and what was run again: replays of evidence, reproductions of runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.domain.approved import Wanted
from catalog.domain.principal import Principal
from catalog.domain.requests import GiveFolder, Signed
from catalog.domain.run import RunEnd, RunStart
from catalog.services.replay import find_replay, replay_again
from catalog.services.reproduce import receive_reproduction
from catalog.services.run_assurance import reproductions
from catalog.services.train import end_run, give_folder, give_version, start_run

router = APIRouter(route_class=Route, tags=["runs"])
Trainer = Annotated[Principal, Depends(may("run.record"))]


@router.post("/runs", openapi_extra=described(RunStart))
def post_run(here: The, body: Annotated[RunStart, Depends(takes(RunStart))], who: Trainer) -> Response:
    """Begin a training run."""
    return answer(start_run(here.context, who.name, body))


@router.get("/runs/{run}")
def get_run(run: str, here: The, who: Caller) -> Response:
    """One run."""
    who.require("read")
    return answer(here.context.run(run))


@router.post("/runs/{run}/versions", openapi_extra=described(Wanted))
def post_run_version(run: str, here: The, body: Annotated[Wanted, Depends(takes(Wanted))], who: Trainer) -> Response:
    """Hand the approved version that fits to a run."""
    return answer(give_version(here.context, who.name, run, body))


@router.post("/runs/{run}/folders", openapi_extra=described(GiveFolder))
def post_run_folder(
    run: str, here: The, body: Annotated[GiveFolder, Depends(takes(GiveFolder))], who: Trainer
) -> Response:
    """Record a local folder as an input of a run."""
    return answer(give_folder(here.context, who.name, run, body.path))


@router.post("/runs/{run}/end", openapi_extra=described(RunEnd))
def post_run_end(run: str, here: The, body: Annotated[RunEnd, Depends(takes(RunEnd))], who: Trainer) -> Response:
    """End a run."""
    return answer(end_run(here.context, who.name, run, body))


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
