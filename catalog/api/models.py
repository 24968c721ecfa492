"""Models, lines, plans, evidence and the gate's decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Limit, Route, The, answer, described, items, may, takes
from catalog.db import records, tables
from catalog.domain.model import Model
from catalog.domain.principal import Principal
from catalog.domain.requests import EnrolLine, JudgeModel, MakePlan, RegisterModel, Signed, Started
from catalog.errors import Absent
from catalog.services import register_model
from catalog.services.judge_model import judge_model
from catalog.services.plan import enrol_line, make_plan
from catalog.services.receive_evidence import receive_evidence
from catalog.services.show import show_model

router = APIRouter(route_class=Route, tags=["models"])


@router.get("/models")
def list_models(here: The, who: Caller, after: str = "", limit: Limit = 100) -> Response:
    """All models, by digest."""
    who.require("read")
    with here.context.records.read() as c:
        return items(*records.page(c, tables.model, Model, key="digest", after=after, limit=limit))


@router.post("/models", status_code=202, openapi_extra=described(RegisterModel))
def post_model(
    here: The,
    body: Annotated[RegisterModel, Depends(takes(RegisterModel))],
    who: Annotated[Principal, Depends(may("model.register"))],
) -> Response:
    """Register a model; an operation."""
    started = register_model.start(here.operations, who.name, body.name, body.path, body.run, body.metrics)
    return answer(Started(operation=started), 202)


@router.get("/models/{name}")
def get_model(name: str, here: The, who: Caller) -> Response:
    """A model with its run, plans, evidence and decisions, by name or digest."""
    who.require("read")
    return answer(show_model(here.context, name))


@router.get("/models/{name}/files/{path:path}")
def get_model_file(name: str, path: str, here: The, who: Caller) -> Response:
    """One file of a model, as the store has it."""
    who.require("read")
    model = here.context.model(name)
    if path not in {f.path for f in model.manifest.files}:
        raise Absent("model-unknown", f"model {name} has no file {path!r}")
    content = register_model.model_bytes(here.context, model, path)
    return Response(content, media_type="application/octet-stream")


@router.post("/models/{name}/decision", openapi_extra=described(JudgeModel))
def post_model_decision(
    name: str,
    here: The,
    body: Annotated[JudgeModel, Depends(takes(JudgeModel))],
    who: Annotated[Principal, Depends(may("model.judge"))],
) -> Response:
    """Judge a model for a device class."""
    return answer(judge_model(here.context, who.name, name, body.device_class))


@router.get("/decisions/{digest}")
def get_decision(digest: str, here: The, who: Caller) -> Response:
    """One decision, exactly as recorded."""
    who.require("read")
    return answer(here.context.decision(digest))


@router.post("/lines", openapi_extra=described(EnrolLine))
def post_line(
    here: The,
    body: Annotated[EnrolLine, Depends(takes(EnrolLine))],
    who: Annotated[Principal, Depends(may("line.enrol"))],
) -> Response:
    """Enrol a model line."""
    return answer(enrol_line(here.context, who.name, body.name, body.device_class))


@router.post("/plans", openapi_extra=described(MakePlan))
def post_plan(
    here: The,
    body: Annotated[MakePlan, Depends(takes(MakePlan))],
    who: Annotated[Principal, Depends(may("plan.make"))],
) -> Response:
    """Plan an evaluation."""
    return answer(make_plan(here.context, who.name, body.model, body.device_class, body.line))


@router.get("/plans/{plan}")
def get_plan(plan: str, here: The, who: Caller) -> Response:
    """A plan and its seed."""
    who.require("read")
    return answer(here.context.plan(plan))


@router.post("/evidence", openapi_extra=described(Signed))
def post_evidence(
    here: The,
    body: Annotated[Signed, Depends(takes(Signed))],
    who: Annotated[Principal, Depends(may("evidence.post"))],
) -> Response:
    """Bring evidence; its replay begins."""
    evidence = receive_evidence(here.context, who.name, body.envelope)
    here.operations.recover()
    return answer(evidence)
