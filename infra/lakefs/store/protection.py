"""Protected branches take changes by merge only: no upload, delete, commit, reset. Rules hold at once.

As in lakeFS, revert, cherry-pick, import and the deletion of the branch still pass: a catalog must watch for those.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from infra.lakefs.errors import ForbiddenError, InvalidError, PreconditionError
from infra.lakefs.store import repositories
from infra.lakefs.store.entries import canonical
from infra.lakefs.store.globs import matches

MAX_RULES = 1000


def refuse_protected(repository: repositories.Repository, branch: str, act: str) -> None:
    if matches(repository.protection, branch):
        raise ForbiddenError(f"cannot {act} protected branch")


def etag(patterns: Sequence[str]) -> str:
    return hashlib.sha256(canonical(sorted(patterns)).encode()).hexdigest()[:32]


def set_rules(connection: sqlite3.Connection, name: str, patterns: Sequence[str], expected: str | None) -> None:
    """Replace the rules; with `expected` only where that is still the etag of the present ones."""
    present = repositories.get(connection, name).protection
    if expected is not None and expected.strip('"') != etag(present):
        raise PreconditionError("the rules changed since they were read: read them again")
    if len(patterns) > MAX_RULES:
        raise InvalidError(f"{len(patterns)} rules, allowed are {MAX_RULES}")
    unique = sorted(set(patterns))
    connection.execute("UPDATE repositories SET protection=? WHERE id=?", (canonical(unique), name))
