"""Pull requests: proposals to merge one branch into another, kept beside the refs.

open ⇄ closed, open → merged; a merged one stays so. A merge is `merge`, and the request is marked in the transaction
that moves the branch, so the two never disagree. Branches may go; their requests stay.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from infra.lakefs.errors import InvalidError, NotFoundError
from infra.lakefs.store import Store, refs, repositories
from infra.lakefs.store.commits import Commit
from infra.lakefs.store.merge import merge
from infra.lakefs.store.numbers import to_id, to_number

MAX_TITLE = 1024
MAX_DESCRIPTION = 64 << 10
LISTED: Mapping[str, tuple[str, ...]] = {
    "open": ("open",),
    "closed": ("closed", "merged"),  # whatever is no longer open
    "merged": ("merged",),
    "all": ("open", "closed", "merged"),
}


@dataclass(frozen=True, slots=True)
class Pull:
    """`created` and `closed` are microseconds since 1970; `merged_commit` is "" unless `status` is merged."""

    id: str
    status: str
    title: str
    description: str
    author: str
    created: int
    source: str
    destination: str
    closed: int | None
    merged_commit: str


def create(store: Store, repository: str, title: str, description: str, source: str, destination: str) -> Pull:
    def change(connection: sqlite3.Connection) -> Pull:
        repositories.writable(connection, repository, force=False)
        refs.branch(connection, repository, source)
        refs.branch(connection, repository, destination)
        if source == destination:
            raise InvalidError(f"source and destination are the same branch '{source}'")
        number = connection.execute(
            "INSERT INTO pulls (repository, status, title, description, author, created, source, destination, "
            "merged_commit) VALUES (?,'open',?,?,?,?,?,?,'')",
            (repository, _title(title), _description(description), store.user, store.clock(), source, destination),
        ).lastrowid
        assert number is not None
        return get(connection, repository, to_id(number))

    return store.database.write(change)


def get(connection: sqlite3.Connection, repository: str, identifier: str) -> Pull:
    repositories.get(connection, repository)
    row = connection.execute(
        "SELECT * FROM pulls WHERE repository=? AND number=?", (repository, to_number(identifier))
    ).fetchone()
    if row is None:
        raise NotFoundError(f"pull request '{identifier[:80]}' not found")
    return _pull(row)


def page(
    connection: sqlite3.Connection, repository: str, status: str, prefix: str, after: str, amount: int
) -> tuple[list[Pull], bool]:
    """In the order they were opened; `prefix` and `after` are of ids."""
    repositories.get(connection, repository)
    wanted = LISTED[status]
    rows = connection.execute(
        "SELECT * FROM pulls WHERE repository=? AND printf('%016x',number)>? "  # noqa: S608 - question marks
        f"AND substr(printf('%016x',number),1,?)=? AND status IN ({','.join('?' * len(wanted))}) "
        "ORDER BY number LIMIT ?",
        (repository, after, len(prefix), prefix, *wanted, amount + 1),
    ).fetchall()
    return [_pull(row) for row in rows[:amount]], len(rows) > amount


def update(
    store: Store, repository: str, identifier: str, title: str | None, description: str | None, status: str | None
) -> None:
    """Change what is not None; `status` closes or opens again."""

    def change(connection: sqlite3.Connection) -> None:
        found = get(connection, repository, identifier)
        new, closed = found.status, found.closed
        if status is not None and status != found.status:
            if status not in ("open", "closed"):
                raise InvalidError(f"status '{status[:40]}': open or closed; a merge makes it merged")
            if found.status == "merged":
                raise InvalidError(f"pull request '{identifier}' is merged and stays so")
            new, closed = status, store.clock() if status == "closed" else None
        connection.execute(
            "UPDATE pulls SET status=?, closed=?, title=?, description=? WHERE repository=? AND number=?",
            (
                new,
                closed,
                found.title if title is None else _title(title),
                found.description if description is None else _description(description),
                repository,
                to_number(identifier),
            ),
        )

    store.database.write(change)


def merge_pull(
    store: Store,
    repository: str,
    identifier: str,
    *,
    message: str,
    metadata: Mapping[str, str] | None,
    strategy: str,
    squash: bool,
) -> Commit:
    """Merge the source branch as it is now; InvalidError when the request is not open."""
    with store.database.read() as connection:
        found = _open(connection, repository, identifier)

    def mark(connection: sqlite3.Connection, made: Commit) -> None:
        _open(connection, repository, identifier)
        connection.execute(
            "UPDATE pulls SET status='merged', closed=?, merged_commit=? WHERE repository=? AND number=?",
            (store.clock(), made.id, repository, to_number(identifier)),
        )

    return merge(
        store,
        repository,
        found.source,
        found.destination,
        message=message,
        metadata=metadata,
        strategy=strategy,
        squash=squash,
        record=mark,
    )


def _open(connection: sqlite3.Connection, repository: str, identifier: str) -> Pull:
    found = get(connection, repository, identifier)
    if found.status != "open":
        raise InvalidError(f"pull request '{identifier}' is {found.status}, only an open one can be merged")
    return found


def _title(text: str) -> str:
    if not 1 <= len(text) <= MAX_TITLE:
        raise InvalidError(f"title: 1 to {MAX_TITLE} characters are needed")
    return text


def _description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise InvalidError(f"description: at most {MAX_DESCRIPTION} characters are allowed")
    return text


def _pull(row: sqlite3.Row) -> Pull:
    return Pull(
        to_id(row["number"]),
        row["status"],
        row["title"],
        row["description"],
        row["author"],
        row["created"],
        row["source"],
        row["destination"],
        row["closed"],
        row["merged_commit"],
    )
