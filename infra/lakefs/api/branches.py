"""Branches: create, read, list, delete, reset, hard reset, what is staged."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from infra.lakefs.api.call import Body, Call, answer, done, page
from infra.lakefs.api.diffs import diff_page
from infra.lakefs.api.grants import guard, refuse_actions, refuse_branch
from infra.lakefs.store import commits, refs, staging
from infra.lakefs.store.diff import Change
from infra.lakefs.store.naming import create_branch, delete_branch
from infra.lakefs.store.reset import hard_reset, reset


class BranchCreation(Body):
    name: str
    source: str
    hidden: bool = False
    force: bool = False


class ResetCreation(Body):
    type: str
    path: str = ""
    force: bool = False


def create(call: Call) -> Response:
    body = call.json(BranchCreation)
    if call.grant is not None:
        refuse_branch(call.store, call.grant, body.name)
    made = create_branch(call.store, call.params["repository"], body.name, body.source, body.hidden, body.force)
    return PlainTextResponse(made.head, 201)


def get(call: Call) -> Response:
    with call.store.database.read() as connection:
        found = refs.branch(connection, call.params["repository"], call.params["branch"])
    return answer({"commit_id": found.head, "id": found.name})


def listing(call: Call) -> Response:
    query = call.query
    with call.store.database.read() as connection:
        found, more = refs.page_branches(
            connection,
            call.params["repository"],
            query.text("prefix"),
            query.text("after"),
            query.amount(),
            query.flag("show_hidden"),
        )
    shown = [{"commit_id": branch.head, "id": branch.name} for branch in found]
    return page(shown, more, "id")


def delete(call: Call) -> Response:
    delete_branch(call.store, call.params["repository"], call.params["branch"], call.query.flag("force"))
    return done()


def put(call: Call) -> Response:
    body, repository, branch = call.json(ResetCreation), call.params["repository"], call.params["branch"]
    if call.grant is not None and body.type != "reset":
        refuse_actions([body.path.encode()], prefixes=body.type != "object")
    reset(call.store, repository, branch, body.type, body.path, body.force, guard(call.store, call.grant))
    return done()


def put_hard_reset(call: Call) -> Response:
    ref, force = call.query.required("ref"), call.query.flag("force")
    hard_reset(call.store, call.params["repository"], call.params["branch"], ref, force)
    return done()


def staged(call: Call) -> Response:
    """What differs between the branch's head and its staging area."""
    store, repository, name = call.store, call.params["repository"], call.params["branch"]
    with store.database.read() as connection:
        head = commits.get(connection, repository, refs.branch(connection, repository, name).head)
        tree = store.trees.load(head.tree)
        return diff_page(
            call.query,
            lambda start: (
                Change(path, store.trees.find(tree, path), entry)
                for path, entry in staging.changes(connection, store.trees, repository, name, tree, start)
            ),
        )
