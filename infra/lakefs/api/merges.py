"""Merge a ref into a branch, and find the common ancestor."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, answer
from infra.lakefs.store import commits, refs
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.merge import MergeConflictError, merge


class MergeBody(Body):
    message: str | None = None
    metadata: dict[str, str] | None = None
    strategy: str | None = None
    squash_merge: bool = False
    allow_empty: bool = False
    force: bool = False


def create(call: Call) -> Response:
    body = call.json(MergeBody)
    return merged(
        lambda: merge(
            call.store,
            call.params["repository"],
            call.params["source"],
            call.params["branch"],
            message=body.message or "",
            metadata=body.metadata,
            strategy=body.strategy or "",
            squash=body.squash_merge,
            allow_empty=body.allow_empty,
            force=body.force,
        )
    )


def merged(act: Callable[[], Commit]) -> Response:
    """The answer to a merge; a conflict names no reference."""
    try:
        return answer({"reference": act().id})
    except MergeConflictError as conflict:
        refusal = {"reference": "", "message": f"merge conflict: {conflict}"}
        return answer(refusal, conflict.status, {"x-error-kind": conflict.kind})


def base(call: Call) -> Response:
    """As recorded, `source_commit_id` is the destination's head and the other way round."""
    repository = call.params["repository"]
    with call.store.database.read() as connection:
        source = refs.resolve_commit(connection, repository, call.params["source"])
        destination = refs.resolve_commit(connection, repository, call.params["branch"])
        found = commits.merge_base(connection, repository, source, destination)
    return answer(
        {
            "base_commit_id": found.id if found else "",
            "destination_commit_id": source.id,
            "source_commit_id": destination.id,
        }
    )
