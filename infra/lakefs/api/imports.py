"""Import files by reference: start, ask, cancel."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, answer, done, moment
from infra.lakefs.api.commits import CommitCreation
from infra.lakefs.api.commits import shown as shown_commit
from infra.lakefs.errors import InvalidError
from infra.lakefs.store import commits
from infra.lakefs.store.entries import MAX_PATH, key
from infra.lakefs.store.imports import Imports
from infra.lakefs.store.ingest import Location, Wanted


class ImportLocation(Body):
    type: Literal["common_prefix", "object"]
    path: str
    destination: str


class ImportCreation(Body):
    paths: Annotated[list[ImportLocation], Field(max_length=1000)]
    commit: CommitCreation
    force: bool = False


def start(imports: Imports, call: Call) -> Response:
    body = call.json(ImportCreation)
    wanted = Wanted(
        call.params["repository"],
        call.params["branch"],
        tuple(_location(call, place) for place in body.paths),
        body.commit.message,
        body.commit.metadata or {},
        body.commit.date,
        body.commit.allow_empty,
        body.force,
    )
    return answer({"id": imports.start(wanted)}, 202)


def status(imports: Imports, call: Call) -> Response:
    repository, branch = call.params["repository"], call.params["branch"]
    with call.store.database.read() as connection:
        found = imports.status(connection, repository, branch, call.query.required("id"))
        commit = commits.get(connection, repository, found.commit) if found.commit else None
    said: dict[str, Any] = {
        "completed": commit is not None,
        "ingested_objects": found.ingested,
        "update_time": moment(found.updated),
    }
    if commit is not None:
        said |= {"commit": shown_commit(commit), "metarange_id": commit.tree}
    if found.error is not None:
        said["error"] = {"message": found.error}
    return answer(said)


def cancel(imports: Imports, call: Call) -> Response:
    imports.cancel(call.params["repository"], call.params["branch"], call.query.required("id"))
    return done()


def _location(call: Call, place: ImportLocation) -> Location:
    path = call.store.folders.named(place.path)
    if place.type == "object":
        return Location(path, key(place.destination), is_folder=False)
    prefix = place.destination.encode()
    if prefix and not prefix.endswith(b"/"):
        prefix += b"/"
    if len(prefix) > MAX_PATH:
        raise InvalidError(f"the destination has {len(prefix)} bytes, allowed are {MAX_PATH}")
    return Location(path, prefix, is_folder=True)
