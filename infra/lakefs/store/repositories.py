"""Repositories: a name, a storage namespace that is never given twice, settings."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.lakefs.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from infra.lakefs.store import commits, staging
from infra.lakefs.store.entries import canonical

NAME = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
NAMESPACE = re.compile(r"local://\S.{0,2000}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Repository:
    """`created` is seconds since 1970; `protection` are branch name patterns with `*` and `?`."""

    id: str
    namespace: str
    default_branch: str
    created: int
    read_only: bool
    metadata: Mapping[str, str]
    protection: tuple[str, ...]


def create(
    connection: sqlite3.Connection, name: str, namespace: str, default_branch: str, read_only: bool, recorded: int
) -> Repository:
    """A repository with its default branch on a first, empty commit; `recorded` is microseconds since 1970."""
    if not NAME.fullmatch(name):
        raise InvalidError(f"repository name '{name[:80]}' does not match {NAME.pattern}")
    if not NAMESPACE.fullmatch(namespace):
        raise InvalidError("storage_namespace must be local://NAME: this server keeps data in its own home only")
    if find(connection, name) is not None:
        raise ConflictError(f"repository '{name}' already exists")
    reserved = (namespace.rstrip("/"),)
    if connection.execute("SELECT 1 FROM namespaces WHERE namespace=?", reserved).fetchone():
        raise InvalidError(f"storage namespace '{namespace}' is or was used by a repository: choose another")
    if not default_branch or len(default_branch) > 1024:
        raise InvalidError("default_branch must have 1 to 1024 characters")
    first = commits.make_commit((), "", "Repository created", "", recorded, {})
    connection.execute("INSERT INTO namespaces VALUES (?)", reserved)
    connection.execute(
        "INSERT INTO repositories VALUES (?,?,?,?,?,'{}','[]')",
        (name, namespace, default_branch, first.date, read_only),
    )
    commits.insert(connection, name, first)
    insert_branch(connection, name, default_branch, first.id, hidden=False)
    return get(connection, name)


def insert_branch(connection: sqlite3.Connection, repository: str, name: str, head: str, hidden: bool) -> None:
    """A branch that shows no row staged before, whichever branch of this name that was for."""
    connection.execute(
        "INSERT INTO branches (repository, name, head, hidden, cleared) VALUES (?,?,?,?,?)",
        (repository, name, head, hidden, staging.mark(connection)),
    )


def find(connection: sqlite3.Connection, name: str) -> Repository | None:
    row = connection.execute("SELECT * FROM repositories WHERE id=?", (name,)).fetchone()
    return None if row is None else _repository(row)


def get(connection: sqlite3.Connection, name: str) -> Repository:
    found = find(connection, name)
    if found is None:
        raise NotFoundError(f"repository '{name[:80]}' not found")
    return found


def writable(connection: sqlite3.Connection, name: str, force: bool) -> Repository:
    """The repository, unless it is read-only and the caller does not insist."""
    found = get(connection, name)
    if found.read_only and not force:
        raise ForbiddenError(f"repository '{name}' is read-only")
    return found


def page(
    connection: sqlite3.Connection, prefix: str, after: str, search: str, amount: int
) -> tuple[list[Repository], bool]:
    rows = connection.execute(
        "SELECT * FROM repositories WHERE id>? AND substr(id,1,?)=? AND instr(id,?)>0 ORDER BY id LIMIT ?",
        (after, len(prefix), prefix, search, amount + 1),
    ).fetchall()
    return [_repository(row) for row in rows[:amount]], len(rows) > amount


def delete(connection: sqlite3.Connection, name: str, force: bool) -> None:
    writable(connection, name, force)
    for row in connection.execute("SELECT name FROM branches WHERE repository=?", (name,)).fetchall():
        staging.leave(connection, name, row["name"], staging.mark(connection))
    connection.execute("DELETE FROM repositories WHERE id=?", (name,))


def change_metadata(connection: sqlite3.Connection, name: str, put: Mapping[str, str], remove: Iterable[str]) -> None:
    values = {**get(connection, name).metadata, **put}
    for key in remove:
        values.pop(key, None)
    connection.execute("UPDATE repositories SET metadata=? WHERE id=?", (canonical(values), name))


def _repository(row: sqlite3.Row) -> Repository:
    return Repository(
        row["id"],
        row["namespace"],
        row["default_branch"],
        row["created"],
        bool(row["read_only"]),
        json.loads(row["metadata"]),
        tuple(json.loads(row["protection"])),
    )
