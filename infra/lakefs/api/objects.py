"""Objects below a ref: stat, list, copy, delete, user metadata. Bodies are in `upload` and `download`."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.responses import Response

from infra.lakefs.api import presigned
from infra.lakefs.api.call import Body, Call, answer, done, page
from infra.lakefs.api.grants import guard, permit_ref, refuse_actions
from infra.lakefs.errors import ForbiddenError, InvalidError, LakeFSError
from infra.lakefs.store import objects, refs, repositories, sources
from infra.lakefs.store.entries import Entry, key
from infra.lakefs.store.listing import CommonPrefix
from infra.lakefs.store.listing import page as store_page

MAX_DELETES = 1000


class CopyCreation(Body):
    src_path: str
    src_ref: str | None = None
    force: bool = False


class PathList(Body):
    paths: Annotated[list[str], Field(max_length=MAX_DELETES)]


class MetadataUpdate(Body):
    set: dict[str, str]


def stat(call: Call) -> Response:
    repository, presign = call.params["repository"], presigned.asked(call)
    path, metadata = call.query.path(), call.query.flag("user_metadata", default=True)
    with call.store.database.read() as connection:
        namespace = repositories.get(connection, repository).namespace
        entry = objects.stat(connection, call.store, repository, call.params["ref"], path)
        outside = sources.address(connection, entry.sha256)
    said = shown(entry, namespace, metadata=metadata, address=outside)
    return answer(said | presigned.address(call, entry, namespace) if presign else said)


def listing(call: Call) -> Response:
    presign = presigned.asked(call)
    query, store, repository = call.query, call.store, call.params["repository"]
    metadata = query.flag("user_metadata", default=True)
    prefix, after, delimiter = (query.text(name).encode() for name in ("prefix", "after", "delimiter"))
    with store.database.read() as connection:
        namespace = repositories.get(connection, repository).namespace
        ref = refs.resolve(connection, repository, call.params["ref"])
        found, more = store_page(
            lambda start: objects.walk(connection, store, repository, ref, start),
            prefix,
            after,
            delimiter,
            query.amount(),
        )

    def listed(item: Entry | CommonPrefix) -> dict[str, Any]:
        if isinstance(item, CommonPrefix):
            return _prefix(item)
        said = shown(item, namespace, metadata=metadata)
        return said | presigned.address(call, item, namespace) if presign else said

    return page([listed(item) for item in found], more, "path")


def copy(call: Call) -> Response:
    body, repository, branch = call.json(CopyCreation), call.params["repository"], call.params["branch"]
    destination = key(call.query.required("dest_path"))
    if call.grant is not None and body.src_ref:
        permit_ref(call.store, call.grant, body.src_ref)
    entry = objects.copy(
        call.store,
        repository,
        body.src_ref or branch,
        key(body.src_path),
        branch,
        destination,
        body.force,
        guard(call.store, call.grant),
    )
    with call.store.database.read() as connection:
        namespace = repositories.get(connection, repository).namespace
    return answer(shown(entry, namespace), 201)


def delete(call: Call) -> Response:
    path, force, allowed = call.query.path(), call.query.flag("force"), guard(call.store, call.grant)
    objects.delete(call.store, call.params["repository"], call.params["branch"], [path], force, allowed)
    return done()


def delete_many(call: Call) -> Response:
    """As lakeFS: what cannot be deleted is listed, the rest is."""
    repository, branch, force = call.params["repository"], call.params["branch"], call.query.flag("force")
    errors, paths = [], []
    for path in call.json(PathList).paths:
        try:
            paths.append(key(path))
        except InvalidError as error:
            errors.append(_error(path, error))
    if call.grant is not None:
        refuse_actions(paths)
    try:
        objects.delete(call.store, repository, branch, paths, force, guard(call.store, call.grant))
    except ForbiddenError as error:
        errors += [_error(path.decode(), error) for path in paths]
    return answer({"errors": errors})


def set_metadata(call: Call) -> Response:
    body, path, allowed = call.json(MetadataUpdate), call.query.path(), guard(call.store, call.grant)
    objects.set_metadata(call.store, call.params["repository"], call.params["branch"], path, body.set, allowed)
    return done()


def underlying(call: Call) -> Response:
    with call.store.database.read() as connection:
        objects.stat(connection, call.store, call.params["repository"], call.params["ref"], call.query.path())
    return answer({"storage_class": None})


def shown(entry: Entry, namespace: str, *, metadata: bool = True, address: str | None = None) -> dict[str, Any]:
    """`address` is the file that holds the bytes, where that is asked for: a listing does not, since it would take as
    long again."""
    return {
        "checksum": entry.md5.hex(),
        "content_type": entry.content_type,
        "metadata": orjson.Fragment(entry.metadata) if metadata else {},  # it is kept as JSON
        "mtime": entry.mtime,
        "path": entry.path.decode(),
        "path_type": "object",
        "physical_address": address or f"{namespace.rstrip('/')}/sha256/{entry.sha256.hex()}",
        "size_bytes": entry.size,
    }


def _prefix(item: CommonPrefix) -> dict[str, Any]:
    return {
        "checksum": "",
        "mtime": 0,
        "path": item.path.decode(),
        "path_type": "common_prefix",
        "physical_address": "",
    }


def _error(path: str, error: LakeFSError) -> dict[str, Any]:
    return {"message": str(error), "path": path, "status_code": error.status}
