"""Pull requests: open, list, read, update, merge."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, answer, done, moment, page
from infra.lakefs.api.merges import merged
from infra.lakefs.store import pulls
from infra.lakefs.store.pulls import Pull


class PullCreation(Body):
    title: str
    description: str | None = None
    source_branch: str
    destination_branch: str


class PullUpdate(Body):
    title: str | None = None
    description: str | None = None
    status: str | None = None


class PullMerge(Body):
    """lakeFS documents no body here; who gives one has it honoured as in a merge."""

    message: str | None = None
    metadata: dict[str, str] | None = None
    strategy: str | None = None
    squash_merge: bool = False


def create(call: Call) -> Response:
    body = call.json(PullCreation)
    made = pulls.create(
        call.store,
        call.params["repository"],
        body.title,
        body.description or "",
        body.source_branch,
        body.destination_branch,
    )
    return answer({"id": made.id}, 201)


def get(call: Call) -> Response:
    with call.store.database.read() as connection:
        return answer(_shown(pulls.get(connection, call.params["repository"], call.params["pull"])))


def listing(call: Call) -> Response:
    query = call.query
    status = query.choice("status", tuple(pulls.LISTED), "all")
    with call.store.database.read() as connection:
        found, more = pulls.page(
            connection,
            call.params["repository"],
            status,
            query.text("prefix"),
            query.text("after"),
            query.amount(),
        )
    return page([_shown(pull) for pull in found], more, "id")


def update(call: Call) -> Response:
    body = call.json(PullUpdate)
    where = (call.params["repository"], call.params["pull"])
    pulls.update(call.store, *where, body.title, body.description, body.status)
    return done()


def merge(call: Call) -> Response:
    body = call.json(PullMerge)
    return merged(
        lambda: pulls.merge_pull(
            call.store,
            call.params["repository"],
            call.params["pull"],
            message=body.message or "",
            metadata=body.metadata,
            strategy=body.strategy or "",
            squash=body.squash_merge,
        )
    )


def _shown(pull: Pull) -> dict[str, Any]:
    shown = {
        "status": pull.status,
        "title": pull.title,
        "description": pull.description,
        "id": pull.id,
        "creation_date": moment(pull.created),
        "author": pull.author,
        "source_branch": pull.source,
        "destination_branch": pull.destination,
    }
    if pull.merged_commit:
        shown["merged_commit_id"] = pull.merged_commit
    if pull.closed is not None:
        shown["closed_date"] = moment(pull.closed)
    return shown
