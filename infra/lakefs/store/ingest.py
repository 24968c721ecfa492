"""Take files outside of the home into a branch by reference: they are read once for their digests, never copied.

All of them become one commit, or none of them anything. What is below the destination of a folder is replaced.
"""

from __future__ import annotations

import heapq
import pickle
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePosixPath

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, sources, staging
from infra.lakefs.store.advance import Plan, advance, refuse_dirty, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.entries import DEFAULT_TYPE, Entry, make_entry
from infra.lakefs.store.folders import Group
from infra.lakefs.store.hashers import Hashers, Job, jobs
from infra.lakefs.store.hashing import Hashed
from infra.lakefs.store.listing import beyond
from infra.lakefs.store.merge import STRATEGY_KEY
from infra.lakefs.store.trees import Edit, Tree

RECORDED = 4096  # sources of one transaction


@dataclass(frozen=True, slots=True)
class Location:
    """A folder (`is_folder`) whose files go below the prefix `destination`, or a file that goes to that key."""

    path: str
    destination: bytes
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """The commit that an import is to make."""

    repository: str
    branch: str
    locations: tuple[Location, ...]
    message: str
    metadata: Mapping[str, str]
    date: int | None
    allow_empty: bool
    force: bool


Counted = Callable[[int], None]  # told of files done; may raise to stop the import
Record = Callable[[sqlite3.Connection, Commit], None]  # runs in the transaction that moves the branch; may raise


def ingest(store: Store, wanted: Wanted, counted: Counted, record: Record) -> Commit:
    """The commit; a refusal leaves the branch as it was."""
    with store.database.read() as connection:
        head = writable_head(connection, wanted.repository, wanted.branch, wanted.force)
        refuse_dirty(connection, store, wanted.repository, wanted.branch, head)
    portions = [tuple(jobs(_groups(store, location))) for location in wanted.locations]
    runs = _hash(store, portions, counted)

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, wanted.repository, wanted.branch, wanted.force)
        mark = staging.mark(connection)
        refuse_dirty(connection, store, wanted.repository, wanted.branch, head)
        tree = store.trees.load(head.tree)
        result, folders = store.trees.edit(tree, _edits(store, tree, wanted.locations, runs, counted))
        if result.id == tree.id and not wanted.allow_empty:
            raise InvalidError(f"'{wanted.branch}' holds all of it already, and nothing else where it would go")
        metadata = {STRATEGY_KEY: "source-wins", **wanted.metadata}
        made = make_commit((head,), result.id, wanted.message, store.user, store.clock(), metadata, wanted.date)
        return Plan(head, mark, made, folders, takes_staged=False, record=lambda connection: record(connection, made))

    return advance(store, wanted.repository, wanted.branch, plan)


@dataclass(frozen=True, slots=True)
class _Run:
    """The files of one location in the order of their keys; digests stay packed, there may be a million."""

    portions: Sequence[Job]
    packed: list[bytes]

    def entries(self) -> Iterator[Entry]:
        for portion, packed in zip(self.portions, self.packed, strict=True):
            hashed: list[list[Hashed]] = pickle.loads(packed)  # noqa: S301 - packed below
            for group, found in zip(portion, hashed, strict=True):
                for key, (sha256, md5, known) in zip(group.keys(), found, strict=True):
                    seconds = max(0, known[1] // 1_000_000_000)
                    yield make_entry(key, sha256, md5, known[0], seconds, DEFAULT_TYPE, {})


def _groups(store: Store, location: Location) -> Iterator[Group]:
    path = store.folders.locate(location.path)
    if location.is_folder:
        found = False
        for group in store.folders.walk(path, location.destination):
            found = True
            yield group
        if not found:
            raise InvalidError(f"{path} holds no file")
    else:
        parent = PurePosixPath(path)
        yield Group(str(parent.parent), (parent.name,), b"", location.destination)


def _hash(store: Store, portions: Sequence[Sequence[Job]], counted: Counted) -> list[_Run]:
    flat = [job for run in portions for job in run]
    packed: list[bytes] = [b""] * len(flat)
    rows: list[sources.Row] = []

    def flush() -> None:
        batch = sorted(rows)
        rows.clear()
        store.database.write(lambda connection: sources.put(connection, batch))

    with Hashers(store.folders, flat) as hashers:
        for number, answer in hashers.run(lambda: counted(0)):
            packed[number] = pickle.dumps(answer, 5)
            for group, hashed in zip(flat[number], answer, strict=True):
                folder = group.folder.rstrip("/")
                rows += [
                    sources.row(sha256, f"{folder}/{name}", known)
                    for name, (sha256, _, known) in zip(group.names, hashed, strict=True)
                ]
            counted(sum(map(len, answer)))
            if len(rows) >= RECORDED:
                flush()
    flush()
    ends = iter(packed)
    return [_Run(run, [next(ends) for _ in run]) for run in portions]


def _edits(
    store: Store, tree: Tree, locations: Iterable[Location], runs: Sequence[_Run], counted: Counted
) -> Iterator[Edit]:
    """What changes in the tree, in order: what is imported, and what was below the prefixes it goes to."""
    replaced = _below(store, tree, sorted(place.destination for place in locations if place.is_folder))
    old = next(replaced, None)
    last: bytes | None = None
    for number, entry in enumerate(heapq.merge(*(run.entries() for run in runs), key=attrgetter("path"))):
        if entry.path == last:
            raise InvalidError(f"two files would get the key '{entry.path.decode()[:200]}': choose other destinations")
        last = entry.path
        if number % RECORDED == 0:
            counted(0)
        while old is not None and old.path < entry.path:
            yield old.path, None
            old = next(replaced, None)
        if old is not None and old.path == entry.path:
            if old.digest != entry.digest:
                yield entry.path, entry
            old = next(replaced, None)
        else:
            yield entry.path, entry
    while old is not None:
        yield old.path, None
        old = next(replaced, None)


def _below(store: Store, tree: Tree, prefixes: Iterable[bytes]) -> Iterator[Entry]:
    """Entries below any of the sorted prefixes, each once."""
    end = b""
    for prefix in prefixes:
        if prefix < end:
            continue  # below the one before
        end = beyond(prefix)
        for entry in store.trees.walk(tree, prefix):
            if not entry.path.startswith(prefix):
                break
            yield entry
