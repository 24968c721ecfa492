"""Repositories, their metadata and their branch protection."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from infra.lakefs.api.call import Body, Call, answer, done, page
from infra.lakefs.errors import NotOfferedError
from infra.lakefs.store import protection, repositories
from infra.lakefs.store.repositories import Repository


class RepositoryCreation(Body):
    name: str
    storage_namespace: str
    default_branch: str = "main"
    read_only: bool = False
    sample_data: bool = False


class MetadataSet(Body):
    metadata: dict[str, str]


class MetadataKeys(Body):
    keys: list[str]


class ProtectionRule(Body):
    pattern: Annotated[str, Field(min_length=1, max_length=1024)]


def create(call: Call) -> Response:
    body = call.json(RepositoryCreation)
    if body.sample_data:
        raise NotOfferedError("sample_data is not offered: create the repository without it")
    made = call.store.database.write(
        lambda connection: repositories.create(
            connection, body.name, body.storage_namespace, body.default_branch, body.read_only, call.store.clock()
        )
    )
    return answer(_shown(made), 201)


def get(call: Call) -> Response:
    with call.store.database.read() as connection:
        return answer(_shown(repositories.get(connection, call.params["repository"])))


def listing(call: Call) -> Response:
    query = call.query
    with call.store.database.read() as connection:
        found, more = repositories.page(
            connection, query.text("prefix"), query.text("after"), query.text("search"), query.amount()
        )
    return page([_shown(repository) for repository in found], more, "id")


def delete(call: Call) -> Response:
    force = call.query.flag("force")
    call.store.database.write(lambda connection: repositories.delete(connection, call.params["repository"], force))
    call.store.sweeper.wake()
    return done()


def get_metadata(call: Call) -> Response:
    with call.store.database.read() as connection:
        return answer(repositories.get(connection, call.params["repository"]).metadata)


def set_metadata(call: Call) -> Response:
    body = call.json(MetadataSet)
    call.store.database.write(
        lambda connection: repositories.change_metadata(connection, call.params["repository"], body.metadata, ())
    )
    return done()


def delete_metadata(call: Call) -> Response:
    body = call.json(MetadataKeys)
    call.store.database.write(
        lambda connection: repositories.change_metadata(connection, call.params["repository"], {}, body.keys)
    )
    return done()


def get_protection(call: Call) -> Response:
    with call.store.database.read() as connection:
        rules = repositories.get(connection, call.params["repository"]).protection
    return answer([{"pattern": rule} for rule in rules], headers={"etag": f'"{protection.etag(rules)}"'})


def set_protection(call: Call) -> Response:
    rules = [rule.pattern for rule in call.json(list[ProtectionRule])]
    expected = call.headers.get("if-match")
    call.store.database.write(
        lambda connection: protection.set_rules(connection, call.params["repository"], rules, expected)
    )
    return done()


def _shown(repository: Repository) -> dict[str, Any]:
    return {
        "creation_date": repository.created,
        "default_branch": repository.default_branch,
        "id": repository.id,
        "read_only": repository.read_only,
        "storage_id": "",
        "storage_namespace": repository.namespace,
    }
