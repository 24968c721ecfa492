"""Commits: make one from what is staged, read one, the log; revert and cherry-pick."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, Query, Seconds, answer, done, page
from infra.lakefs.errors import InvalidError, NotOfferedError
from infra.lakefs.store import Store, commits, refs
from infra.lakefs.store.commit import commit
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.diff import changes
from infra.lakefs.store.revert import cherry_pick, revert


class CommitCreation(Body):
    message: str
    metadata: dict[str, str] | None = None
    date: Seconds | None = None
    allow_empty: bool = False
    force: bool = False


class Overrides(Body):
    message: str | None = None
    metadata: dict[str, str] | None = None


class RevertCreation(Body):
    ref: str
    parent_number: int
    commit_overrides: Overrides = Overrides()
    allow_empty: bool = False
    force: bool = False


class CherryPickCreation(Body):
    ref: str
    parent_number: int | None = None
    commit_overrides: Overrides | None = None
    force: bool = False


def create(call: Call) -> Response:
    body = call.json(CommitCreation)
    if call.query.text("source_metarange"):
        raise NotOfferedError("source_metarange is not offered: stage objects and commit them")
    made = commit(
        call.store,
        call.params["repository"],
        call.params["branch"],
        body.message,
        body.metadata or {},
        date=body.date,
        allow_empty=body.allow_empty,
        force=body.force,
    )
    return answer(shown(made), 201)


def get(call: Call) -> Response:
    with call.store.database.read() as connection:
        return answer(shown(refs.resolve_commit(connection, call.params["repository"], call.params["commit"])))


def log(call: Call) -> Response:
    query, repository, amount = call.query, call.params["repository"], call.query.amount()
    with call.store.database.read() as connection:
        head = refs.resolve_commit(connection, repository, call.params["ref"])
        found = _until(commits.log(connection, repository, head, query.flag("first_parent")), query.text("stop_at"))
        found = _after(found, query.text("after"))
        found = filter(_wanted(query, connection, call.store, repository), found)
        results = list(islice(found, amount + 1))
    more = len(results) > amount and not query.flag("limit")
    seen = [call.store.picked.shown(repository, item) for item in results[:amount]]
    return page([shown(item) for item in seen], more, "id")


def post_revert(call: Call) -> Response:
    body = call.json(RevertCreation)
    call.store.picked.refuse(call.params["repository"], body.ref)
    revert(
        call.store,
        call.params["repository"],
        call.params["branch"],
        body.ref,
        body.parent_number,
        message=body.commit_overrides.message,
        metadata=body.commit_overrides.metadata,
        allow_empty=body.allow_empty,
        force=body.force,
    )
    return done()


def post_cherry_pick(call: Call) -> Response:
    body = call.json(CherryPickCreation)
    overrides = body.commit_overrides or Overrides()
    call.store.picked.refuse(call.params["repository"], body.ref)
    made = cherry_pick(
        call.store,
        call.params["repository"],
        call.params["branch"],
        body.ref,
        body.parent_number,
        message=overrides.message,
        metadata=overrides.metadata,
        force=body.force,
    )
    call.store.picked.note(call.params["repository"], made.metadata["cherry-pick-origin"], made)
    return answer(shown(made), 201)


def shown(item: Commit) -> dict[str, Any]:
    return {
        "committer": item.committer,
        "creation_date": item.date,
        "generation": item.generation,
        "id": item.id,
        "message": item.message,
        "meta_range_id": item.tree,
        "metadata": dict(item.metadata),
        "parents": list(item.parents),
        "version": commits.VERSION,
    }


def _until(log_: Iterator[Commit], stop: str) -> Iterator[Commit]:
    for item in log_:
        yield item
        if item.id == stop:
            return


def _after(log_: Iterator[Commit], after: str) -> Iterator[Commit]:
    if after:
        for item in log_:
            if item.id == after:
                break
    return log_


def _wanted(query: Query, connection: sqlite3.Connection, store: Store, repository: str) -> Callable[[Commit], bool]:
    since = _seconds(query.text("since")) if query.text("since") else None
    paths = [path.encode() for path in query.many("objects")]
    prefixes = [prefix.encode() for prefix in query.many("prefixes")]

    def wanted(item: Commit) -> bool:
        if since is not None and item.date < since:
            return False
        return not (paths or prefixes) or _touches(connection, store, repository, item, paths, prefixes)

    return wanted


def _touches(
    connection: sqlite3.Connection,
    store: Store,
    repository: str,
    item: Commit,
    paths: list[bytes],
    prefixes: list[bytes],
) -> bool:
    """Whether the commit differs from each of its parents at one of the paths or below one of the prefixes."""
    tree = store.trees.load(item.tree)
    parents = [store.trees.load(commits.get(connection, repository, parent).tree) for parent in item.parents]
    exact = ((path, True) for path in paths)
    below = ((prefix, False) for prefix in prefixes)
    for place, whole in (*exact, *below):
        first = [next(changes(store.ranges, parent, tree, place), None) for parent in parents]
        if first and all(c is not None and (c.path == place if whole else c.path.startswith(place)) for c in first):
            return True
    return False


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
        if moment.tzinfo is not None:
            return moment.timestamp()
    except ValueError:
        pass
    raise InvalidError(f"query parameter 'since' is '{text[:40]}': a time with its zone, as 2026-01-31T12:00:00Z")
