"""Physical addresses: get one, upload to its presigned URL, link it; stage an object whose bytes lie somewhere else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from infra.lakefs.api import presigned
from infra.lakefs.api.bodies import take
from infra.lakefs.api.call import Body, Call, Query, Seconds, answer, done
from infra.lakefs.api.objects import shown
from infra.lakefs.api.threads import UPLOADS, run
from infra.lakefs.api.upload import asks_only_new, checked_type
from infra.lakefs.store import Store, objects, repositories, sources
from infra.lakefs.store.addresses import arrive, check_given, content_at, give
from infra.lakefs.store.blobs import Blob

Size = Annotated[int, Field(ge=0, le=1 << 60)]


class StagingLocation(Body):
    physical_address: str


class StagingMetadata(Body):
    staging: StagingLocation
    checksum: str
    size_bytes: Size
    user_metadata: dict[str, str] | None = None
    content_type: str | None = None
    mtime: Seconds | None = None
    force: bool = False


class ObjectStageCreation(Body):
    physical_address: str
    checksum: str
    size_bytes: Size
    metadata: dict[str, str] | None = None
    content_type: str | None = None
    mtime: Seconds | None = None
    force: bool = False


def get_address(call: Call) -> Response:
    """As in lakeFS, whether the branch exists is asked when the address is linked."""
    presign = presigned.asked(call)
    call.query.path()
    with call.store.database.read() as connection:
        namespace = repositories.get(connection, call.params["repository"]).namespace
    address, name = give(call.store, namespace)
    said = {"physical_address": address, "presigned_url": None}
    return answer(said | presigned.upload(call, name, namespace) if presign else said)


def link(call: Call) -> Response:
    body = call.json(StagingMetadata)
    given = ObjectStageCreation(
        physical_address=body.staging.physical_address,
        checksum=body.checksum,
        size_bytes=body.size_bytes,
        metadata=body.user_metadata,
        content_type=body.content_type,
        mtime=body.mtime,
        force=body.force,
    )
    return _stage(call, given, 200)


def stage(call: Call) -> Response:
    return _stage(call, call.json(ObjectStageCreation), 201)


def stage_allowed(call: Call) -> Response:
    with call.store.database.read() as connection:
        objects.check_writable(connection, call.params["repository"], call.params["branch"], force=False)
    return done()


def _stage(call: Call, given: ObjectStageCreation, status: int) -> Response:
    store, repository, branch, path = call.store, call.params["repository"], call.params["branch"], call.query.path()
    only_new = asks_only_new(call.headers)
    content_type = checked_type(given.content_type or "")
    with store.database.read() as connection:
        objects.check_writable(connection, repository, branch, given.force)
    with store.collection.shared():
        blob = content_at(store, repository, given.physical_address, given.checksum, given.size_bytes)
        entry = objects.stage(
            store,
            repository,
            branch,
            path,
            blob,
            content_type,
            given.metadata or {},
            only_new=only_new,
            force=given.force,
            mtime=given.mtime,
        )
    with store.database.read() as connection:
        namespace = repositories.get(connection, repository).namespace
        outside = sources.address(connection, entry.sha256)
    return answer(shown(entry, namespace, address=outside), status)


async def put_presigned(request: Request, store: Store) -> Response:
    """Bytes on their way to an address, in constant memory; the answer's etag is what linking takes as the checksum."""
    repository, name = request.path_params["repository"], request.path_params["name"]
    query = Query(request.scope["query_string"])

    def check() -> None:
        presigned.check_upload(store, query, repository, name)
        check_given(store, repository, name)

    def finish(blob: Blob) -> Blob:
        arrive(store, name, blob)
        return blob

    await run(UPLOADS, check)
    blob = await take(request.stream(), store, lambda: None, finish)
    return Response(None, 200, {"etag": f'"{blob.md5.hex()}"'})
