"""Remove what no ref reaches: commits first, then the trees, ranges and blobs that no row names.

A commit goes when no branch and no tag reaches it and none did within the grace time (`reflog` says what refs left and
when). A file goes when no commit and no staged row names it and it is older than the grace time. A dry run says what
would go. Nothing is removed from a damaged store, since what it names cannot be known.

It is safe beside a running server, whatever the grace and the clocks say:

1. Files that a row newly names are put, and the row written, by someone who holds `collection.shared` meanwhile. So
   does whoever makes a commit, from reading the staged rows to moving the branch.
2. Commits are removed under `collection.exclusive`, in one transaction that looks at the refs of that moment. Later a
   row can name a commit only if it is still there, hence reached, hence noted as naming its files.
3. Files are removed under `collection.exclusive` too, after the rows that came meanwhile were noted. At that moment
   nobody is between a file and its row (1), so a file that no row names is of no use to anyone. Rows that are written
   during the removal without `shared` (a copy, a branch, a tag) name only what other rows name.

Readers hold nothing: whoever reads an object of a commit while that is removed, after its grace, may find it gone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.lakefs.errors import DamagedError, HomeError
from infra.lakefs.home import BACKUP
from infra.lakefs.store.collection import Collection
from infra.lakefs.store.migrate import LAYOUT, read_layout
from infra.lakefs.store.reach import CommitKey, Names, Say, note, reached
from infra.lakefs.store.snapshot import Snapshot, snapshot, undisturbed

DAY = 86_400
BATCH = 500
KINDS = ("trees", "ranges", "blobs")


@dataclass
class Garbage:
    """What goes or went: commits as (repository, id), files by kind with their sizes in bytes. `young` files are named
    by nothing either but are younger than the grace time."""

    applied: bool
    commits: list[CommitKey] = field(default_factory=list)
    files: dict[str, dict[str, int]] = field(default_factory=dict)
    young: int = 0

    @property
    def bytes(self) -> int:
        return sum(sum(sizes.values()) for sizes in self.files.values())


def gc(folder: Path, grace: float, *, apply: bool, now: float | None = None, say: Say = lambda _: None) -> Garbage:
    """Find what no ref reached for `grace` seconds and, with `apply`, remove it. `now` is seconds since 1970."""
    oldest = (time.time() if now is None else now) - grace
    if (folder / BACKUP).exists():
        raise HomeError(f"{folder} is a backup, from which nothing is removed: clean up its home, make a new backup")
    if read_layout(folder) < LAYOUT:
        raise HomeError(f"{folder} has an earlier layout: start the server on it once")
    try:
        with undisturbed(folder, alone=True), snapshot(folder) as home:
            return _collect(home, oldest, grace, apply, say)
    except DamagedError as error:
        raise HomeError(f"nothing more is removed, since the store is damaged: {error}; see fsck") from error
    except sqlite3.Error as error:
        raise HomeError(f"the database of {folder} refused ({error}): nothing more is removed, repeat it") from error


def _collect(home: Snapshot, oldest: float, grace: float, apply: bool, say: Say) -> Garbage:
    collection, names = Collection(home.folder), Names()
    if apply:
        dead = _remove_commits(home.folder, collection, int(oldest))
        home.again()
    else:
        dead = _rows(home.connection) - reached(home.connection, int(oldest))
    found = Garbage(apply, sorted(dead))
    note(names, home, dead, say)
    for kind in KINDS:
        old = dict(_unnamed(home, kind, names, oldest, found))
        found.files[kind] = _remove(home, collection, names, kind, old, oldest, say) if apply else old
    found.files["temp"] = _temporary(home.folder / "temp", min(oldest, oldest + grace - DAY), apply=apply)
    return found


def _rows(connection: sqlite3.Connection) -> set[CommitKey]:
    return {(row[0], row[1]) for row in connection.execute("SELECT repository, id FROM commits")}


def _remove_commits(folder: Path, collection: Collection, left_after: int) -> set[CommitKey]:
    connection = sqlite3.connect(folder / "refs.sqlite", isolation_level=None, timeout=60)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        with collection.exclusive():
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM reflog WHERE at <= ?", (left_after,))
            dead = _rows(connection) - reached(connection, left_after)
            connection.executemany("DELETE FROM commits WHERE repository=? AND id=?", dead)
            connection.execute("COMMIT")
        return dead
    finally:
        connection.close()


def _is_named(names: Names, kind: str, identifier: str) -> bool:
    if kind == "blobs":
        return bytes.fromhex(identifier) in names.blobs
    return identifier in (names.trees if kind == "trees" else names.ranges)


def _unnamed(home: Snapshot, kind: str, names: Names, oldest: float, found: Garbage) -> Iterator[tuple[str, int]]:
    """Files that nothing names and that are old enough, with their sizes; others are counted as young."""
    for identifier, path in home.files(kind):
        if not _is_named(names, kind, identifier):
            known = path.stat()
            if known.st_mtime <= oldest:
                yield identifier, known.st_size
            else:
                found.young += 1


def _remove(
    home: Snapshot,
    collection: Collection,
    names: Names,
    kind: str,
    old: Mapping[str, int],
    oldest: float,
    say: Say,
) -> dict[str, int]:
    """Remove files in batches, each after a look at the rows of that moment."""
    removed: dict[str, int] = {}
    waiting = list(old)
    while waiting:
        with collection.exclusive():
            began = time.monotonic()
            if home.again():
                note(names, home, set(), lambda _: None)
            for identifier in waiting[:BATCH]:
                path = home.path(kind, identifier)
                if not _is_named(names, kind, identifier) and path.stat().st_mtime <= oldest:
                    path.unlink()
                    removed[identifier] = old[identifier]
            held = time.monotonic() - began
        waiting = waiting[BATCH:]
        say(f"{len(removed)} of {len(old)} {kind} removed")
        time.sleep(held)  # others come first
    return removed


def _temporary(folder: Path, oldest: float, *, apply: bool) -> dict[str, int]:
    """Files of uploads that ended nowhere. A running server may be writing the younger ones, whatever the grace."""
    found: dict[str, int] = {}
    for path in folder.iterdir():
        try:
            known = path.stat()
            if known.st_mtime <= oldest:
                if apply:
                    path.unlink()
                found[path.name] = known.st_size
        except FileNotFoundError:
            continue  # the server just finished it
    return found
