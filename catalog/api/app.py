"""The application: every route below /api/v1, every error a problem, the OpenAPI document complete."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from catalog import __version__
from catalog.api import datasets, fleet, keys, lineage, models, policies, recalls, releases, reports, runs, system
from catalog.api.http import State, refused
from catalog.domain import enrolment, policy, requests, rotation
from catalog.domain.approved import Wanted
from catalog.domain.base import Entity
from catalog.domain.run import RunEnd, RunStart
from catalog.errors import Absent, AssayError, Damaged, Invalid

log = logging.getLogger("assay.api")
PREFIX = "/api/v1"


def create_app(state: State) -> FastAPI:
    """The application over one open home."""
    app = FastAPI(
        title="Assay", version=__version__, docs_url=None, redoc_url=None, openapi_url=f"{PREFIX}/openapi.json"
    )
    app.state.assay = state
    for router in (
        datasets.router,
        models.router,
        releases.router,
        fleet.router,
        recalls.router,
        lineage.router,
        runs.router,
        keys.router,
        policies.router,
        reports.router,
        system.router,
    ):
        app.include_router(router, prefix=PREFIX)
    app.add_exception_handler(AssayError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app


async def _known(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)
    return refused(error)


async def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return refused(Invalid("input-invalid", str(fault["msg"]), where=where, do="correct that part of the request"))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refused(Absent("node-unknown", f"{request.method} {request.url.path}: {error.detail}"), error.status_code)


async def _bug(request: Request, error: Exception) -> Response:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return refused(Damaged("internal-error", f"{type(error).__name__}: {error}", do="report it with the service's log"))


def _openapi(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    bodies: list[type[Entity]] = [Wanted, RunStart, RunEnd]
    found = [b for module in (requests, enrolment, rotation, policy) for b in vars(module).values()]
    bodies += [b for b in found if isinstance(b, type) and issubclass(b, Entity) and b is not Entity]
    _, schemas = models_json_schema([(b, "validation") for b in bodies], ref_template="#/components/schemas/{model}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
    return document
