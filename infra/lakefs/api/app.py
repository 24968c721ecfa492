"""All routes, what answers 501, and how errors become answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from infra.lakefs.api import (
    actions,
    auth,
    branches,
    commits,
    config,
    diffs,
    download,
    imports,
    merges,
    objects,
    pulls,
    repositories,
    staging,
    tags,
    threads,
    tokens,
)
from infra.lakefs.api.call import Call, Query, answer
from infra.lakefs.api.grants import permit
from infra.lakefs.api.operations import BRANCH, REF, REPOSITORY
from infra.lakefs.api.upload import upload
from infra.lakefs.errors import LakeFSError, NotOfferedError, TooLargeError, storage_error
from infra.lakefs.log import log_failure
from infra.lakefs.store import Store
from infra.lakefs.store.imports import Imports

MAX_BODY = 8 << 20  # bytes of a JSON body: 1000 paths of 1024 bytes, escaped
BODY = frozenset({"content-length", "transfer-encoding"})  # a request without these has none
MAX_OPEN_BODY = 64 << 10  # of one from nobody known: a login
Handler = Callable[[Call], Response]

RUN = REPOSITORY + "/actions/runs/{run}"
PULL = REPOSITORY + "/pulls/{pull}"

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", REF + "/objects/stat", objects.stat),
    ("GET", REF + "/objects/ls", objects.listing),
    ("HEAD", REF + "/objects", download.head),
    ("GET", REF + "/objects", download.get),
    ("GET", REF + "/objects/underlyingProperties", objects.underlying),
    ("DELETE", BRANCH + "/objects", objects.delete),
    ("POST", BRANCH + "/objects/delete", objects.delete_many),
    ("POST", BRANCH + "/objects/copy", objects.copy),
    ("PUT", BRANCH + "/objects/stat/user_metadata", objects.set_metadata),
    ("POST", BRANCH + "/commits", commits.create),
    ("POST", BRANCH + "/revert", commits.post_revert),
    ("POST", BRANCH + "/cherry-pick", commits.post_cherry_pick),
    ("GET", BRANCH + "/diff", branches.staged),
    ("PUT", BRANCH + "/hard_reset", branches.put_hard_reset),
    ("GET", BRANCH + "/staging/backing", staging.get_address),
    ("PUT", BRANCH + "/staging/backing", staging.link),
    ("PUT", BRANCH + "/objects", staging.stage),
    ("GET", BRANCH + "/objects/stage_allowed", staging.stage_allowed),
    ("GET", BRANCH, branches.get),
    ("PUT", BRANCH, branches.put),
    ("DELETE", BRANCH, branches.delete),
    ("GET", REPOSITORY + "/branches", branches.listing),
    ("POST", REPOSITORY + "/branches", branches.create),
    ("GET", REPOSITORY + "/commits/{commit}", commits.get),
    ("GET", REF + "/commits", commits.log),
    ("GET", REPOSITORY + "/refs/{left}/diff/{right}", diffs.between_refs),
    ("GET", REPOSITORY + "/refs/{source}/merge/{branch}", merges.base),
    ("POST", REPOSITORY + "/refs/{source}/merge/{branch}", merges.create),
    ("GET", REPOSITORY + "/tags/{tag}", tags.get),
    ("DELETE", REPOSITORY + "/tags/{tag}", tags.delete),
    ("GET", REPOSITORY + "/tags", tags.listing),
    ("POST", REPOSITORY + "/tags", tags.create),
    ("GET", REPOSITORY + "/actions/runs", actions.listing),
    ("GET", RUN, actions.get),
    ("GET", RUN + "/hooks", actions.hooks),
    ("GET", RUN + "/hooks/{hook_run}/output", actions.output),
    ("GET", REPOSITORY + "/pulls", pulls.listing),
    ("POST", REPOSITORY + "/pulls", pulls.create),
    ("GET", PULL, pulls.get),
    ("PATCH", PULL, pulls.update),
    ("PUT", PULL + "/merge", pulls.merge),
    ("GET", REPOSITORY + "/settings/branch_protection", repositories.get_protection),
    ("PUT", REPOSITORY + "/settings/branch_protection", repositories.set_protection),
    ("GET", REPOSITORY + "/metadata", repositories.get_metadata),
    ("POST", REPOSITORY + "/metadata", repositories.set_metadata),
    ("DELETE", REPOSITORY + "/metadata", repositories.delete_metadata),
    ("GET", REPOSITORY, repositories.get),
    ("DELETE", REPOSITORY, repositories.delete),
    ("GET", "/repositories", repositories.listing),
    ("POST", "/repositories", repositories.create),
    ("GET", "/healthcheck", config.healthcheck),
    ("GET", "/config", config.config),
    ("GET", "/config/version", config.version),
    ("GET", "/config/storage", config.storage),
    ("GET", "/config/garbage-collection", config.garbage_collection),
    ("GET", "/auth/capabilities", config.capabilities),
    ("GET", "/setup_lakefs", config.setup_state),
)

# Handlers that hooks may keep waiting: they have threads of their own, so that a hook that asks the server is answered.
HOOKED: frozenset[Handler] = frozenset(
    (
        branches.create,
        branches.delete,
        commits.create,
        commits.post_cherry_pick,
        commits.post_revert,
        merges.create,
        pulls.merge,
        tags.create,
        tags.delete,
    )
)

# Documented by lakeFS and not offered here, with any method or the one given; `{rest:path}` covers all below.
NOT_OFFERED: tuple[tuple[str, str, str], ...] = (
    ("", BRANCH + "/staging/{rest:path}", "presigned multipart upload is not offered: upload in one piece"),
    ("GET", REPOSITORY + "/metadata/{rest:path}", "addresses of ranges and metaranges are not offered"),
    ("", REPOSITORY + "/branch_protection", "the old protection API is not offered: use settings/branch_protection"),
    ("GET", REPOSITORY + "/branch_protection/set_allowed", "the old protection API is not offered"),
    ("POST", REPOSITORY + "/commits", "writing of bare commit records is not offered"),
    ("", REPOSITORY + "/dump", "dump and restore are not offered"),
    ("", REPOSITORY + "/restore", "dump and restore are not offered"),
    ("PUT", REPOSITORY + "/refs/dump", "dump and restore are not offered"),
    ("PUT", REPOSITORY + "/refs/restore", "dump and restore are not offered"),
    ("POST", REPOSITORY + "/refs/{branch}/symlink", "symlink manifests are not offered"),
    ("", REPOSITORY + "/gc/{rest:path}", "garbage collection rules are not offered"),
    ("", REPOSITORY + "/settings/gc_rules", "garbage collection rules are not offered"),
    ("", "/auth/{rest:path}", "users, groups and policies are not offered: there is one pair of keys"),
    ("POST", "/sts/login", "external login is not offered"),
    ("GET", "/oidc/callback", "external login is not offered"),
    ("POST", "/setup_lakefs", "setup is not offered: the server is set up already"),
    ("POST", "/setup_comm_prefs", "setup is not offered: the server sends nothing anywhere"),
    ("POST", "/statistics", "statistics are not offered: the server collects nothing"),
    ("GET", "/usage-report/summary", "usage reports are not offered: the server collects nothing"),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


def build(store: Store, keys: auth.Keys, running: Imports) -> ASGIApp:
    """The whole server as an ASGI application."""

    async def take(request: Request) -> Response:
        return await upload(request, store)

    async def put_presigned(request: Request) -> Response:
        return await staging.put_presigned(request, store)

    async def who(request: Request) -> Response:
        return config.user(await _call(request, store)) if request.state.known else config.anonymous()

    routes = [Route(auth.PREFIX + BRANCH + "/objects", take, methods=["POST"])]
    routes += [
        Route(auth.PREFIX + path, _endpoint(store, method, handler), methods=[method])
        for method, path, handler in ROUTES
    ]
    routes += [
        Route(auth.PREFIX + "/auth/login", _endpoint(store, "POST", partial(auth.login, keys)), methods=["POST"]),
        Route(
            auth.PREFIX + "/assay/tokens",
            _endpoint(store, "POST", partial(tokens.create, keys.tokens)),
            methods=["POST"],
        ),
        Route(auth.PREFIX + "/user", who, methods=["GET"]),
    ]
    routes += [
        Route(auth.PREFIX + BRANCH + "/import", _endpoint(store, method, partial(handler, running)), methods=[method])
        for method, handler in (("POST", imports.start), ("GET", imports.status), ("DELETE", imports.cancel))
    ]
    signed = auth.PRESIGNED + "/{repository}"
    routes += [
        Route(signed + "/objects/{sha256}", _endpoint(store, "HEAD", download.head_presigned), methods=["HEAD"]),
        Route(signed + "/objects/{sha256}", _endpoint(store, "GET", download.get_presigned), methods=["GET"]),
        Route(signed + "/addresses/{name}", put_presigned, methods=["PUT"]),
    ]
    routes += [
        Route(auth.PREFIX + path, _not_offered(why), methods=[method] if method else METHODS)
        for method, path, why in NOT_OFFERED
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            LakeFSError: _refused,
            OSError: _broken,
            sqlite3.Error: _broken,
            ClientDisconnect: _gone,
            HTTPException: _no_route,
            Exception: _unexpected,
        },
    )
    app.router.redirect_slashes = False
    return auth.Gate(app, keys, store)


def _endpoint(store: Store, method: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    kind = threads.HOOKED if handler in HOOKED else threads.READERS if method in {"GET", "HEAD"} else threads.WRITERS

    async def endpoint(request: Request) -> Response:
        return await threads.run(kind, handler, await _call(request, store))

    return endpoint


async def _call(request: Request, store: Store) -> Call:
    body, limit = bytearray(), MAX_BODY if request.state.known or request.state.grant else MAX_OPEN_BODY
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLargeError(f"the request body is larger than {limit} bytes")
    query, grant = Query(request.scope["query_string"]), request.state.grant
    if grant is not None and not BODY.isdisjoint(request.headers):  # it may have been long on its way
        path = request.scope["path"].removeprefix(auth.PREFIX)
        await threads.run(threads.READERS, permit, store, grant, request.method, path)
    return Call(store, request.path_params, query, request.headers, bytes(body), grant)


def _not_offered(why: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raise NotOfferedError(why)

    return endpoint


def _error(request: Request, error: LakeFSError) -> Response:
    headers = {"x-error-kind": error.kind, "x-content-type-options": "nosniff"}
    if request.method == "HEAD":
        return Response(status_code=error.status, headers=headers)
    return answer({"message": str(error)}, error.status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LakeFSError)
    return _error(request, error)


async def _broken(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError | sqlite3.Error)
    log_failure(error)
    return _error(request, storage_error(error))


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # the client left; nobody reads this


async def _no_route(request: Request, error: Exception) -> Response:
    return answer({"message": "invalid API endpoint"}, 404, {"x-error-kind": "no-endpoint"})


async def _unexpected(request: Request, error: Exception) -> Response:
    return answer({"message": "internal error: see the server's log"}, 500, {"x-error-kind": "internal"})
