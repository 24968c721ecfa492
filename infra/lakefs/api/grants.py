"""What the holder of a scoped token may ask: an address of the table for the token's access, and nothing else.

- The repository is the token's own. One made anew under the same name is another: namespaces are never given twice.
- A branch in the address matches one of the token's patterns.
- A ref that starts from a branch (`b`, `b~2`, `b@`, `b$`) is read when that branch matches. A tag or a commit id is
  read when its commit is in the history of a branch that matches. Staged changes show through their branch alone.
- A ref outside of that is refused alike whether it exists or not.
- Nothing is staged in a read-only repository, `force` or not.
- Nothing is staged or reset below `_lakefs_actions/`: what stands there, the server carries out when the owner commits.
  To reset everything is allowed.
- All of it holds when the request comes, again when its body is there, and in the transaction that stages.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from starlette.routing import compile_path

from infra.lakefs.api.operations import BRANCH, REF, REPOSITORY, operation
from infra.lakefs.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from infra.lakefs.store import Store, actions, commits, refs, repositories
from infra.lakefs.store.globs import matches
from infra.lakefs.store.objects import Guard, unguarded

Access = Literal["read", "stage"]

# A parameter `branch` is the name of a branch, each other one is a ref. HEAD is allowed where GET is.
READ: tuple[tuple[str, str], ...] = (
    ("GET", "/config"),
    ("GET", "/config/version"),
    ("GET", "/config/storage"),
    ("GET", REPOSITORY),
    ("GET", BRANCH),
    ("GET", BRANCH + "/diff"),
    ("GET", REPOSITORY + "/tags/{ref}"),
    ("GET", REPOSITORY + "/commits/{ref}"),
    ("GET", REF + "/commits"),
    ("GET", REF + "/objects"),
    ("GET", REF + "/objects/stat"),
    ("GET", REF + "/objects/ls"),
    ("GET", REF + "/objects/underlyingProperties"),
    ("GET", REF + "/diff/{right}"),
    ("GET", REF + "/merge/{destination}"),
)
STAGE: tuple[tuple[str, str], ...] = (
    ("POST", BRANCH + "/objects"),
    ("DELETE", BRANCH + "/objects"),
    ("POST", BRANCH + "/objects/delete"),
    ("POST", BRANCH + "/objects/copy"),
    ("PUT", BRANCH + "/objects/stat/user_metadata"),
    ("PUT", BRANCH),
    ("POST", REPOSITORY + "/branches"),  # creates nothing: see `refuse_branch`
)
_READ = tuple((method, compile_path(path)[0]) for method, path in READ)
_STAGE = tuple((method, compile_path(path)[0]) for method, path in STAGE)


@dataclass(frozen=True, slots=True)
class Grant:
    """`namespace` is a digest of the repository's, `branches` are patterns, `expires` is seconds since 1970."""

    repository: str
    namespace: str
    branches: tuple[str, ...]
    access: Access
    expires: int


def namespace_digest(repository: repositories.Repository) -> str:
    return hashlib.sha256(repository.namespace.encode()).hexdigest()


def permit(store: Store, grant: Grant, method: str, path: str) -> None:
    """ForbiddenError unless the grant allows this method at this path (below /api/v1, decoded)."""
    _check_time(store, grant)
    method = "GET" if method == "HEAD" else method
    found = _params(_READ, method, path)
    staging = found is None and grant.access == "stage"
    if staging:
        found = _params(_STAGE, method, path)
    if found is None:
        raise ForbiddenError(
            f"a token to {grant.access} does not allow {operation(method, path)}: use the server's keys"
        )
    if "repository" not in found:
        return
    with store.database.read() as connection:
        _check_repository(connection, grant, found.pop("repository"), staging)
        for name, value in found.items():
            if name == "branch":
                _check_branch(grant, value)
            else:
                _check_ref(connection, grant, value)


def guard(store: Store, grant: Grant | None) -> Guard:
    """What holds for the holder of a grant at the moment of staging."""
    if grant is None:
        return unguarded

    def check(connection: sqlite3.Connection, paths: Sequence[bytes]) -> None:
        _check_time(store, grant)
        _check_repository(connection, grant, grant.repository, staging=True)
        refuse_actions(paths)

    return check


def refuse_actions(paths: Iterable[bytes], *, prefixes: bool = False) -> None:
    """ForbiddenError where a path lies among the action files, or a prefix covers or enters them."""
    if any(path.startswith(actions.FOLDER) or (prefixes and actions.FOLDER.startswith(path)) for path in paths):
        raise ForbiddenError(f"a token changes nothing in {actions.FOLDER.decode()}: use the server's keys")


def permit_ref(store: Store, grant: Grant, expression: str) -> None:
    """ForbiddenError unless the grant allows reading this ref, which a body named."""
    with store.database.read() as connection:
        _check_ref(connection, grant, expression)


def refuse_branch(store: Store, grant: Grant, name: str) -> NoReturn:
    """No grant creates a branch. Clients that ask for one before each write are told when it is there already."""
    _check_branch(grant, name)
    with store.database.read() as connection:
        try:
            refs.branch(connection, grant.repository, name)
        except NotFoundError:
            raise ForbiddenError("a token creates no branches: use the server's keys") from None
    raise ConflictError(f"a branch '{name}' already exists")


def _params(table: tuple[tuple[str, re.Pattern[str]], ...], method: str, path: str) -> dict[str, str] | None:
    for allowed, expression in table:
        found = expression.match(path)
        if allowed == method and found is not None:
            return found.groupdict()
    return None


def _check_time(store: Store, grant: Grant) -> None:
    if grant.expires <= store.clock() // 1_000_000:
        raise UnauthenticatedError("the token has expired: ask for a new one")


def _check_repository(connection: sqlite3.Connection, grant: Grant, name: str, staging: bool) -> None:
    found = repositories.find(connection, name) if name == grant.repository else None
    if found is None or namespace_digest(found) != grant.namespace:
        raise ForbiddenError(f"this token is for the repository '{grant.repository}' that was there when it was made")
    if staging and found.read_only:
        raise ForbiddenError(f"repository '{name}' is read-only")


def _check_branch(grant: Grant, name: str) -> None:
    if not matches(grant.branches, name):
        raise ForbiddenError(f"this token allows the branches {', '.join(grant.branches)} only")


def _check_ref(connection: sqlite3.Connection, grant: Grant, expression: str) -> None:
    refusal = ForbiddenError(f"this token reads the history of the branches {', '.join(grant.branches)} only")
    try:
        start = refs.starting_branch(connection, grant.repository, expression)
        if start is not None:
            _check_branch(grant, start)
            return
        commit = refs.resolve_commit(connection, grant.repository, expression)
    except (NotFoundError, InvalidError):
        if matches(grant.branches, expression):
            return  # the handler says that there is no such branch
        raise refusal from None
    heads = connection.execute("SELECT name, head FROM branches WHERE repository=?", (grant.repository,))
    allowed = [row["head"] for row in heads if matches(grant.branches, row["name"])]
    if not commits.in_history(connection, grant.repository, commit, allowed):
        raise refusal
