"""What a home's rows name: commits that refs reach, and the trees, ranges and blobs that those and staged rows name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.snapshot import Snapshot
from infra.lakefs.store.sources import Source, find

CommitKey = tuple[str, str]  # repository, id
Say = Callable[[str], None]  # how far a long work is


@dataclass
class Names:
    """Names of files; `commits` and `sequence` say up to where the rows were read."""

    commits: set[CommitKey] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    ranges: set[str] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)
    sequence: int = -1


def reached(connection: sqlite3.Connection, left_after: int | None = None) -> set[CommitKey]:
    """Commits that branches and tags reach; with a time also those that a ref left after it. DamagedError when one of
    them is missing."""
    parents: dict[CommitKey, list[str]] = {
        (row[0], row[1]): json.loads(row[2])
        for row in connection.execute("SELECT repository, id, parents FROM commits")
    }
    heads = "SELECT repository, head FROM branches UNION SELECT repository, head FROM tags"
    waiting: list[CommitKey] = [(row[0], row[1]) for row in connection.execute(heads)]
    if left_after is not None:
        left = connection.execute("SELECT repository, head FROM reflog WHERE at > ?", (left_after,))
        waiting += [(row[0], row[1]) for row in left]
    found: set[CommitKey] = set()
    while waiting:
        key = waiting.pop()
        if key in found:
            continue
        if key not in parents:
            raise DamagedError(f"commit {key[1]} of {key[0]} is named but missing: restore the database")
        found.add(key)
        waiting += [(key[0], parent) for parent in parents[key]]
    return found


def note(names: Names, home: Snapshot, dead: set[CommitKey], say: Say) -> None:
    """Add what rows name that came since `names` were noted last; `dead` commits name nothing."""
    connection = home.connection
    fresh: set[str] = set()
    for repository, identifier, tree in connection.execute("SELECT repository, id, tree FROM commits"):
        key = (repository, identifier)
        if key not in names.commits and key not in dead:
            names.commits.add(key)
            fresh.add(tree)
    fresh -= names.trees | {""}
    for number, identifier in enumerate(sorted(fresh), 1):
        _note_tree(names, home, identifier)
        say(f"{number} of {len(fresh)} trees looked through, {len(names.blobs)} objects named")
    for row in staged(home, names.sequence):
        names.blobs.add(row["sha256"])
        names.sequence = max(names.sequence, row["sequence"])
    if "addresses" in home.tables():
        names.blobs.update(row[0] for row in connection.execute("SELECT sha256 FROM addresses"))


def staged(home: Snapshot, after: int = -1) -> Iterable[sqlite3.Row]:
    """Staged objects of a later sequence. Rows that their branch's mark covers are dead: nobody sees them any more."""
    columns = {row["name"] for row in home.connection.execute("PRAGMA table_info(branches)")}
    dead = "AND sequence <= cleared" if "cleared" in columns else "AND 0"  # layout 1 deleted them at once
    return home.connection.execute(
        "SELECT staging.* FROM staging JOIN branches ON branches.repository = staging.repository AND name = branch "  # noqa: S608 - constants
        f"WHERE sequence > ? AND sha256 IS NOT NULL AND NOT (1 {dead})",
        (after,),
    )


def outside(home: Snapshot, sha256: bytes) -> list[Source]:
    """The files outside of the home that content was imported from."""
    return find(home.connection, sha256) if "sources" in home.tables() else []


def _note_tree(names: Names, home: Snapshot, identifier: str) -> None:
    names.trees.add(identifier)
    missing: Iterable[str] = [info.id for info in home.trees.load(identifier).ranges if info.id not in names.ranges]
    for range_id in missing:
        names.blobs.update(home.ranges.load(range_id).batch.column("sha256").to_pylist())
        names.ranges.add(range_id)
