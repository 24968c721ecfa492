"""Runs, models, plans, evidence and the gate's decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.db import records, tables
from catalog.domain.approved import Wanted
from catalog.domain.model import Model
from catalog.domain.principal import Principal
from catalog.domain.requests import EnrolLine, GiveFolder, JudgeModel, MakePlan, RegisterModel, Signed, Started
from catalog.domain.run import RunEnd, RunStart
from catalog.errors import Absent
from catalog.services import register_model
from catalog.services.judge_model import judge_model
from catalog.services.plan import enrol_line, make_plan
from catalog.services.receive_evidence import receive_evidence
from catalog.services.show import show_model
from catalog.services.train import end_run, give_folder, give_version, start_run

router = APIRouter(route_class=Route, tags=["models"])
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


@router.get("/models")
def list_models(here: The, who: Caller, after: str = "", limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
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
