"""Take files outside of the home into a branch by reference: they are read once for their digests, never copied.

All of them become one commit, or none of them anything. What is below the destination of a folder is replaced.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Self

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, sources, staging
from infra.lakefs.store.advance import Plan, advance, refuse_dirty, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.entries import DEFAULT_TYPE, Entry, make_entry
from infra.lakefs.store.folders import Group
from infra.lakefs.store.hashers import Hashers, Job, jobs
from infra.lakefs.store.hashing import Columns
from infra.lakefs.store.listing import beyond
from infra.lakefs.store.merge import STRATEGY_KEY
from infra.lakefs.store.trees import Edit, Tree

RECORDED = 8192  # sources of one transaction


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
    """The files of one location in the order of their keys; entries are made of them one by one, since there may be a
    million."""

    portions: Sequence[Job]
    hashed: Sequence[Sequence[Columns]]

    def entries(self) -> Iterator[Entry]:
        for portion, hashed in zip(self.portions, self.hashed, strict=True):
            for group, found in zip(portion, hashed, strict=True):
                sha256, md5, known = found
                identities = memoryview(known).cast("q")
                for row, key in enumerate(group.destinations()):
                    size, modified = identities[5 * row], identities[5 * row + 1]
                    digests = sha256[32 * row : 32 * row + 32], md5[16 * row : 16 * row + 16]
                    yield make_entry(key, *digests, size, max(0, modified // 1_000_000_000), DEFAULT_TYPE, {})


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
    hashed: list[Sequence[Columns]] = [()] * len(flat)
    with Hashers(store.folders, flat) as hashers, _Recorder(store) as recorder:
        for number, answer in hashers.run(lambda: counted(0)):
            hashed[number] = answer
            recorder.add(flat[number], answer)
            counted(sum(len(group.names) for group in flat[number]))
    ends = iter(hashed)
    return [_Run(run, [next(ends) for _ in run]) for run in portions]


class _Recorder:
    """Writes sources down while more are hashed; a context manager whose end waits until all are on disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[sources.Row] = []
        self._writing: list[Future[None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sources")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        with self._thread:
            if problem[0] is None:
                self._flush()
                for written in self._writing:
                    written.result()

    def add(self, job: Job, answer: Sequence[Columns]) -> None:
        for group, columns in zip(job, answer, strict=True):
            self._rows.extend(sources.rows_of(group.folder, group.names, columns))
        if len(self._rows) >= RECORDED:
            self._flush()

    def _flush(self) -> None:
        batch, self._rows = sorted(self._rows), []
        write = self._store.database.write
        self._writing.append(self._thread.submit(lambda: write(lambda connection: sources.put(connection, batch))))


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
