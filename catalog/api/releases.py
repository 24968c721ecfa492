"""Releases: what waits, propose, sign, promote, go back, withdraw; and the repository that devices read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.responses import FileResponse

from catalog.api.http import Caller, Limit, Route, The, answer, described, items, may, takes
from catalog.db import records, tables
from catalog.domain.principal import Principal
from catalog.domain.release import Release
from catalog.domain.requests import JudgeModel, Rollback, SignRelease, Started, Withdraw
from catalog.errors import Absent
from catalog.services import promote, release_records, rollback, withdraw
from catalog.services.approve_release import approve_release
from catalog.services.propose_release import propose_release, shown
from catalog.services.waiting import waiting

router = APIRouter(route_class=Route, tags=["releases"])
METADATA = re.compile(r"(?:[0-9]{1,9}\.)?[a-z0-9-]{1,64}\.json")
TARGETS = re.compile(r"(?:[a-z0-9-]{1,64}/)?[0-9a-f]{64}(?:\.[a-z0-9-]{1,64}\.json)?")


@router.post("/models/{name}/proposal", openapi_extra=described(JudgeModel))
def post_proposal(
    name: str,
    here: The,
    body: Annotated[JudgeModel, Depends(takes(JudgeModel))],
    who: Annotated[Principal, Depends(may("release.propose"))],
) -> Response:
    """The proposal that approvers sign, made when there is none."""
    return answer(propose_release(here.context, who.name, name, body.device_class))


@router.get("/releases/{release}/proposal")
def get_proposal(release: str, here: The, who: Caller) -> Response:
    """What approvers of a release are shown and sign."""
    who.require("read")
    return answer(shown(here.context, release_records.release(here.context, release)))


@router.post("/releases/{release}/signatures", openapi_extra=described(SignRelease))
def post_signature(
    release: str,
    here: The,
    body: Annotated[SignRelease, Depends(takes(SignRelease))],
    who: Annotated[Principal, Depends(may("release.approve"))],
) -> Response:
    """One approver's signatures."""
    return answer(approve_release(here.context, who.name, release, body.envelope, body.role))


@router.post("/models/{name}/promotion", status_code=202, openapi_extra=described(JudgeModel))
def post_promotion(
    name: str,
    here: The,
    body: Annotated[JudgeModel, Depends(takes(JudgeModel))],
    who: Annotated[Principal, Depends(may("release.promote"))],
) -> Response:
    """Promote a model for a class; an operation."""
    return answer(Started(operation=promote.start(here.operations, who.name, name, body.device_class)), 202)


@router.post("/classes/{device_class}/rollback", status_code=202, openapi_extra=described(Rollback))
def post_rollback(
    device_class: str,
    here: The,
    body: Annotated[Rollback, Depends(takes(Rollback))],
    who: Annotated[Principal, Depends(may("release.rollback"))],
) -> Response:
    """Bring a class back; an operation."""
    started = rollback.start(here.operations, who.name, device_class, body.to, body.reason)
    return answer(Started(operation=started), 202)


@router.post("/releases/{release}/withdrawal", status_code=202, openapi_extra=described(Withdraw))
def post_withdrawal(
    release: str,
    here: The,
    body: Annotated[Withdraw, Depends(takes(Withdraw))],
    who: Annotated[Principal, Depends(may("release.withdraw"))],
) -> Response:
    """Withdraw a release for good; an operation."""
    return answer(Started(operation=withdraw.start(here.operations, who.name, release, body.reason)), 202)


@router.get("/waiting")
def get_waiting(here: The, who: Caller) -> Response:
    """Models that the gate allows and that lack signatures or the promotion."""
    who.require("read")
    return items(waiting(here.context), None)


@router.get("/releases")
def list_releases(here: The, who: Caller, after: str = "", limit: Limit = 100) -> Response:
    """All releases and proposals, by id, which is by time."""
    who.require("read")
    with here.context.records.read() as c:
        found, following = records.page(c, tables.release, Release, key="id", after=after, limit=limit)
    return items([release_records.view(here.context, r) for r in found], following)


@router.get("/releases/{release}")
def get_release(release: str, here: The, who: Caller) -> Response:
    """One release."""
    who.require("read")
    return answer(release_records.view(here.context, release_records.release(here.context, release)))


@router.get("/withdrawal")
def get_withdrawal(here: The, who: Caller) -> Response:
    """Everything withdrawn, and which devices have heard."""
    who.require("read")
    with here.context.records.read() as c:
        found = release_records.denials(c)
    return answer(withdraw.withdrawal(here.context, found))


@router.get("/releases/metadata/{name}")
def get_metadata(name: str, here: The, who: Caller) -> Response:
    """One file of the repository's signed metadata."""
    who.require("releases.read")
    return _file(here.context.releases.folder / "metadata", name, METADATA)


@router.get("/releases/targets/{path:path}")
def get_target(path: str, here: The, who: Caller) -> Response:
    """One target or model file of the repository."""
    who.require("releases.read")
    return _file(here.context.releases.folder / "targets", path, TARGETS)


def _file(folder: Path, name: str, form: re.Pattern[str]) -> Response:
    path = folder / name
    if not form.fullmatch(name) or not path.is_file() or path.is_symlink():
        raise Absent("release-unknown", f"the release repository has no {name[:200]!r}")
    return FileResponse(path, media_type="application/octet-stream")
