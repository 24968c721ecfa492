"""Tags: create, read, list, delete; never moved."""

from __future__ import annotations

from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, answer, done, page
from infra.lakefs.store import refs
from infra.lakefs.store.naming import create_tag, delete_tag


class TagCreation(Body):
    id: str
    ref: str
    force: bool = False


def create(call: Call) -> Response:
    body = call.json(TagCreation)
    made = create_tag(call.store, call.params["repository"], body.id, body.ref, body.force)
    return answer({"commit_id": made.head, "id": made.name}, 201)


def get(call: Call) -> Response:
    with call.store.database.read() as connection:
        found = refs.tag(connection, call.params["repository"], call.params["tag"])
    return answer({"commit_id": found.head, "id": found.name})


def listing(call: Call) -> Response:
    query = call.query
    with call.store.database.read() as connection:
        found, more = refs.page_tags(
            connection, call.params["repository"], query.text("prefix"), query.text("after"), query.amount()
        )
    shown = [{"commit_id": tag.head, "id": tag.name} for tag in found]
    return page(shown, more, "id")


def delete(call: Call) -> Response:
    delete_tag(call.store, call.params["repository"], call.params["tag"], call.query.flag("force"))
    return done()
