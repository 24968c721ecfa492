"""Datasets and robots: register, check, rebase, judge, approve, quarantine, show, and the approved version."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy import select

from catalog.api.http import Caller, Limit, Route, The, answer, described, items, may, takes
from catalog.db import tables
from catalog.domain.approved import Wanted
from catalog.domain.principal import Principal
from catalog.domain.requests import QuarantineEpisodes, RegisterDataset, RegisterRobot, Signed, Started
from catalog.services import approve, check, quarantine, rebase, register
from catalog.services.approved import approved
from catalog.services.judge_dataset import judge_dataset
from catalog.services.register_robot import register_robot
from catalog.services.show import show_dataset

router = APIRouter(route_class=Route, tags=["datasets"])


@router.get("/datasets")
def list_datasets(here: The, who: Caller, after: str = "", limit: Limit = 100) -> Response:
    """All datasets, by slug."""
    who.require("read")
    slug = tables.dataset.c.slug
    with here.context.records.read() as c:
        found = list(c.execute(select(slug).where(slug > after).order_by(slug).limit(limit + 1)).scalars())
    views = [show_dataset(here.context, s) for s in found[:limit]]
    return items(views, found[limit - 1] if len(found) > limit else None)


@router.get("/datasets/{slug}")
def get_dataset(slug: str, here: The, who: Caller) -> Response:
    """One dataset with its versions, checks, approvals and quarantines."""
    who.require("read")
    return answer(show_dataset(here.context, slug))


@router.get("/datasets/{slug}/approved")
def get_approved(
    slug: str, here: The, who: Caller, version: str = "*", kind: str | None = None, licence: str | None = None
) -> Response:
    """The newest approved version that fits, with the folder of its verified bytes."""
    who.require("read")
    wanted = Wanted.of({"dataset": slug, "version": version, "kind": kind, "licence": licence})
    return answer(approved(here.context, wanted))


@router.post("/datasets/{slug}/ingests", status_code=202, openapi_extra=described(RegisterDataset))
def post_ingest(
    slug: str,
    here: The,
    body: Annotated[RegisterDataset, Depends(takes(RegisterDataset))],
    who: Annotated[Principal, Depends(may("dataset.register"))],
) -> Response:
    """Register a recording; an operation."""
    wanted = Wanted.of({"dataset": slug})
    operation = register.start(here.operations, who.name, wanted.dataset, body)
    return answer(Started(operation=operation), 202)


@router.post("/datasets/{slug}/ingests/{ingest}/check", status_code=202)
def post_check(slug: str, ingest: str, here: The, who: Annotated[Principal, Depends(may("dataset.check"))]) -> Response:
    """Check the newest version of an ingest; an operation."""
    return answer(Started(operation=check.start(here.operations, who.name, slug, ingest)), 202)


@router.post("/datasets/{slug}/ingests/{ingest}/rebase", status_code=202)
def post_rebase(
    slug: str, ingest: str, here: The, who: Annotated[Principal, Depends(may("dataset.rebase"))]
) -> Response:
    """Bring an ingest up to date with main; an operation."""
    return answer(Started(operation=rebase.start(here.operations, who.name, slug, ingest)), 202)


@router.post("/datasets/{slug}/ingests/{ingest}/decision")
def post_dataset_decision(
    slug: str, ingest: str, here: The, who: Annotated[Principal, Depends(may("dataset.judge"))]
) -> Response:
    """Judge the newest version of an ingest; the decision is what a steward signs."""
    return answer(judge_dataset(here.context, who.name, slug, ingest))


@router.post("/datasets/approvals", status_code=202, openapi_extra=described(Signed))
def post_approval(
    here: The,
    body: Annotated[Signed, Depends(takes(Signed))],
    who: Annotated[Principal, Depends(may("dataset.approve"))],
) -> Response:
    """Approve with a signed decision; an operation."""
    return answer(Started(operation=approve.start(here.operations, who.name, body.envelope)), 202)


@router.post(
    "/datasets/{slug}/ingests/{ingest}/quarantine", status_code=202, openapi_extra=described(QuarantineEpisodes)
)
def post_quarantine(
    slug: str,
    ingest: str,
    here: The,
    body: Annotated[QuarantineEpisodes, Depends(takes(QuarantineEpisodes))],
    who: Annotated[Principal, Depends(may("dataset.quarantine"))],
) -> Response:
    """Quarantine episodes; an operation."""
    started = quarantine.start(here.operations, who.name, slug, ingest, list(body.episodes), body.reason)
    return answer(Started(operation=started), 202)


@router.post("/robots", openapi_extra=described(RegisterRobot))
def post_robot(
    here: The,
    body: Annotated[RegisterRobot, Depends(takes(RegisterRobot))],
    who: Annotated[Principal, Depends(may("robot.register"))],
) -> Response:
    """Record a robot."""
    return answer(register_robot(here.context, who.name, body.name, body.suite, body.record))
