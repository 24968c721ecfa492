"""Branches, tags and expressions over them: `main`, `main~2`, `main^2`, `main@` (committed), `main$` (staged), ids."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from infra.lakefs.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from infra.lakefs.store import commits, repositories, staging
from infra.lakefs.store.commits import Commit

BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,1023}")
TAG = re.compile(r"(?!.*(\.\.|@\{))[^\x00-\x20\x7f~^:?*\[\\/@$.-][^\x00-\x20\x7f~^:?*\[\\/@$]{0,1023}")
EXPRESSION = re.compile(r"(?P<base>[^~^@$]+)(?P<committed>@?)(?P<steps>([~^]\d{0,6})*)(?P<staged>\$?)")
STEP = re.compile(r"([~^])(\d*)")
ID = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Branch:
    name: str
    head: str


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    head: str


@dataclass(frozen=True, slots=True)
class Ref:
    """What an expression means: a commit, and the branch whose staged changes lie over it, where they count."""

    commit: Commit
    branch: str | None
    explicitly_staged: bool


def valid_branch(name: str) -> str:
    if not BRANCH.fullmatch(name):
        raise InvalidError(f"branch name '{name[:80]}': letters, digits, _ and -, not starting with -, at most 1024")
    return name


def branch(connection: sqlite3.Connection, repository: str, name: str) -> Branch:
    repositories.get(connection, repository)
    row = connection.execute("SELECT head FROM branches WHERE repository=? AND name=?", (repository, name)).fetchone()
    if row is None:
        raise NotFoundError(f"branch '{name[:80]}' not found")
    return Branch(name, row["head"])


def existing_branch(connection: sqlite3.Connection, repository: str, name: str) -> Branch:
    """As `branch`, for writing: a name that no branch can have is invalid rather than absent."""
    try:
        return branch(connection, repository, name)
    except NotFoundError:
        repositories.get(connection, repository)
        valid_branch(name)
        raise


def tag(connection: sqlite3.Connection, repository: str, name: str) -> Tag:
    repositories.get(connection, repository)
    row = connection.execute("SELECT head FROM tags WHERE repository=? AND name=?", (repository, name)).fetchone()
    if row is None:
        raise NotFoundError(f"tag '{name[:80]}' not found")
    return Tag(name, row["head"])


def resolve(connection: sqlite3.Connection, repository: str, expression: str) -> Ref:
    """NotFoundError when nothing is named so or the history is shorter than the expression says."""
    repositories.get(connection, repository)
    named = _named(connection, repository, expression)
    if named is not None:
        return named
    parsed = EXPRESSION.fullmatch(expression)
    if parsed is None:
        raise NotFoundError(f"ref '{expression[:80]}' not found")
    start = _named(connection, repository, parsed["base"])
    if start is None:
        raise NotFoundError(f"ref '{parsed['base'][:80]}' not found")
    if parsed["staged"]:
        if parsed["committed"] or parsed["steps"] or start.branch is None:
            raise InvalidError(f"ref '{expression[:80]}': $ follows a branch name alone")
        return Ref(start.commit, start.branch, explicitly_staged=True)
    commit = start.commit
    for sign, digits in STEP.findall(parsed["steps"]):
        commit = _step(connection, repository, commit, sign, int(digits or 1), expression)
    return Ref(commit, None, explicitly_staged=False)


def starting_branch(connection: sqlite3.Connection, repository: str, expression: str) -> str | None:
    """The branch that `resolve` would start from; None where that is a tag, an id or nothing."""
    parsed = EXPRESSION.fullmatch(expression)
    for name in (expression, parsed["base"] if parsed else expression):
        start = _named(connection, repository, name)
        if start is not None:
            return start.branch
    return None


def resolve_commit(connection: sqlite3.Connection, repository: str, expression: str) -> Commit:
    """The commit an expression names; staged changes are no commit."""
    found = resolve(connection, repository, expression)
    if found.explicitly_staged:
        raise InvalidError(f"ref '{expression[:80]}' names staged changes, which are no commit")
    return found.commit


def new_branch(connection: sqlite3.Connection, repository: str, name: str, source: str, force: bool) -> Commit:
    """Where a branch that may be created will start."""
    repositories.writable(connection, repository, force)
    _free(connection, repository, valid_branch(name))
    return resolve_commit(connection, repository, source)


def create_branch(
    connection: sqlite3.Connection, repository: str, name: str, source: str, hidden: bool, force: bool
) -> Branch:
    commit = new_branch(connection, repository, name, source, force)
    repositories.insert_branch(connection, repository, name, commit.id, hidden)
    return Branch(name, commit.id)


def deletable_branch(connection: sqlite3.Connection, repository: str, name: str, force: bool) -> Branch:
    settings = repositories.writable(connection, repository, force)
    found = branch(connection, repository, name)
    if settings.default_branch == name:
        raise ForbiddenError(f"'{name}' is the repository's default branch and cannot be deleted")
    return found


def delete_branch(connection: sqlite3.Connection, repository: str, name: str, force: bool) -> None:
    head = deletable_branch(connection, repository, name, force).head
    connection.execute("DELETE FROM branches WHERE repository=? AND name=?", (repository, name))
    staging.leave(connection, repository, name, staging.mark(connection))
    log_head(connection, repository, head)


def new_tag(connection: sqlite3.Connection, repository: str, name: str, source: str, force: bool) -> Commit:
    """What a tag that may be created will name."""
    repositories.writable(connection, repository, force)
    if not TAG.fullmatch(name) or name.endswith((".", ".lock")):
        raise InvalidError(
            f"tag name '{name[:80]}': no space, slash or any of ~^:?*[\\@$, not starting with - or ., "
            "no '..', not ending in '.' or '.lock'"
        )
    _free(connection, repository, name)
    return resolve_commit(connection, repository, source)


def create_tag(connection: sqlite3.Connection, repository: str, name: str, source: str, force: bool) -> Tag:
    commit = new_tag(connection, repository, name, source, force)
    connection.execute("INSERT INTO tags VALUES (?,?,?)", (repository, name, commit.id))
    return Tag(name, commit.id)


def deletable_tag(connection: sqlite3.Connection, repository: str, name: str, force: bool) -> Tag:
    repositories.writable(connection, repository, force)
    return tag(connection, repository, name)


def delete_tag(connection: sqlite3.Connection, repository: str, name: str, force: bool) -> None:
    head = deletable_tag(connection, repository, name, force).head
    connection.execute("DELETE FROM tags WHERE repository=? AND name=?", (repository, name))
    log_head(connection, repository, head)


def log_head(connection: sqlite3.Connection, repository: str, head: str) -> None:
    """Write down that a ref went away from a commit and when by the system's clock: `gc` counts a grace from then."""
    connection.execute(
        "INSERT OR REPLACE INTO reflog VALUES (?,?,CAST(strftime('%s','now') AS INTEGER))", (repository, head)
    )


def page_branches(
    connection: sqlite3.Connection, repository: str, prefix: str, after: str, amount: int, hidden: bool
) -> tuple[list[Branch], bool]:
    repositories.get(connection, repository)
    rows = connection.execute(
        "SELECT name, head FROM branches WHERE repository=? AND name>? AND substr(name,1,?)=? AND hidden<=? "
        "ORDER BY name LIMIT ?",
        (repository, after, len(prefix), prefix, hidden, amount + 1),
    ).fetchall()
    return [Branch(*row) for row in rows[:amount]], len(rows) > amount


def page_tags(
    connection: sqlite3.Connection, repository: str, prefix: str, after: str, amount: int
) -> tuple[list[Tag], bool]:
    repositories.get(connection, repository)
    rows = connection.execute(
        "SELECT name, head FROM tags WHERE repository=? AND name>? AND substr(name,1,?)=? ORDER BY name LIMIT ?",
        (repository, after, len(prefix), prefix, amount + 1),
    ).fetchall()
    return [Tag(*row) for row in rows[:amount]], len(rows) > amount


def _named(connection: sqlite3.Connection, repository: str, name: str) -> Ref | None:
    row = connection.execute("SELECT head FROM branches WHERE repository=? AND name=?", (repository, name)).fetchone()
    if row is not None:
        return Ref(commits.get(connection, repository, row["head"]), name, explicitly_staged=False)
    row = connection.execute("SELECT head FROM tags WHERE repository=? AND name=?", (repository, name)).fetchone()
    identifier = row["head"] if row else None
    if identifier is None and ID.fullmatch(name):
        identifier = commits.by_prefix(connection, repository, name)
    if identifier is None:
        return None
    return Ref(commits.get(connection, repository, identifier), None, explicitly_staged=False)


def _step(
    connection: sqlite3.Connection, repository: str, commit: Commit, sign: str, number: int, expression: str
) -> Commit:
    if number == 0:
        return commit
    line = [0] * number if sign == "~" else [number - 1]
    for parent in line:
        if parent >= len(commit.parents):
            raise NotFoundError(f"ref '{expression[:80]}': commit {commit.id[:12]} has no parent {parent + 1}")
        commit = commits.get(connection, repository, commit.parents[parent])
    return commit


def _free(connection: sqlite3.Connection, repository: str, name: str) -> None:
    where = (repository, name)
    if connection.execute("SELECT 1 FROM branches WHERE repository=? AND name=?", where).fetchone():
        raise ConflictError(f"a branch '{name}' already exists")
    if connection.execute("SELECT 1 FROM tags WHERE repository=? AND name=?", where).fetchone():
        raise ConflictError(f"a tag '{name}' already exists")
    if commits.find(connection, repository, name) is not None:
        raise ConflictError(f"'{name}' is the id of a commit")
