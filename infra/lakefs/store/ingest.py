"""Take files outside of the home into a branch by reference: they are read once for their digests, never copied.

All of them become one commit, or none of them anything. What is below the destination of a folder is replaced.
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Self

import pyarrow.compute as pc

from infra.lakefs.errors import InvalidError
from infra.lakefs.store import Store, sources, staging
from infra.lakefs.store.advance import Plan, advance, refuse_dirty, writable_head
from infra.lakefs.store.commits import Commit, make_commit
from infra.lakefs.store.files import Counted, rows_of_files
from infra.lakefs.store.folders import Group
from infra.lakefs.store.hashers import Hashers, Job, jobs
from infra.lakefs.store.hashing import Columns
from infra.lakefs.store.listing import beyond
from infra.lakefs.store.merge import STRATEGY_KEY
from infra.lakefs.store.rows import Rows, aligned, merged, removals, without
from infra.lakefs.store.trees import Tree

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


Record = Callable[[sqlite3.Connection, Commit], None]  # runs in the transaction that moves the branch; may raise


def ingest(store: Store, wanted: Wanted, counted: Counted, record: Record) -> Commit:
    """The commit; a refusal leaves the branch as it was."""
    if not wanted.locations:
        raise InvalidError("an import needs at least one path")
    with store.database.read() as connection:
        head = writable_head(connection, wanted.repository, wanted.branch, wanted.force)
        refuse_dirty(connection, store, wanted.repository, wanted.branch, head)
    runs = _runs(store, wanted.locations)
    hashed = _hash(store, runs, counted)

    def plan(connection: sqlite3.Connection) -> Plan:
        head = writable_head(connection, wanted.repository, wanted.branch, wanted.force)
        mark = staging.mark(connection)
        refuse_dirty(connection, store, wanted.repository, wanted.branch, head)
        tree = store.trees.load(head.tree)
        new = _together([rows_of_files(run, answers, counted) for run, answers in zip(runs, hashed, strict=True)])
        result = store.trees.edit_rows(tree, _edits(store, tree, wanted.locations, new))
        if result.id == tree.id and not wanted.allow_empty:
            raise InvalidError(f"'{wanted.branch}' holds all of it already, and nothing else where it would go")
        metadata = {STRATEGY_KEY: "source-wins", **wanted.metadata}
        made = make_commit((head,), result.id, wanted.message, store.user, store.clock(), metadata, wanted.date)
        return Plan(head, mark, made, takes_staged=False, record=lambda connection: record(connection, made))

    return advance(store, wanted.repository, wanted.branch, plan)


def _runs(store: Store, locations: Sequence[Location]) -> list[tuple[Job, ...]]:
    """What is to be hashed: a run of each folder and one of all single files, each in the order of its keys."""
    files = sorted((place.destination, store.folders.locate(place.path)) for place in locations if not place.is_folder)
    singles = [Group(*_parted(path), b"", key) for key, path in files]
    for one, other in pairwise(singles):
        if one.key == other.key:
            raise _twice(one.key or b"")
    walks = [_walk(store, place) for place in locations if place.is_folder]
    return [tuple(jobs(run)) for run in (iter(singles), *walks)]


def _parted(path: str) -> tuple[str, tuple[str]]:
    folder, name = os.path.split(path)
    return folder, (name,)


def _walk(store: Store, place: Location) -> Iterator[Group]:
    path = store.folders.locate(place.path)
    found = None
    for found in store.folders.walk(path, place.destination):
        yield found
    if found is None:
        raise InvalidError(f"{path} holds no file")


def _hash(store: Store, runs: Sequence[Sequence[Job]], counted: Counted) -> list[list[Sequence[Columns]]]:
    flat = [job for run in runs for job in run]
    hashed: list[Sequence[Columns]] = [()] * len(flat)
    with Hashers(store.folders, flat) as hashers, _Recorder(store) as recorder:
        for number, answer in hashers.run(lambda: counted(0)):
            hashed[number] = answer
            recorder.add(flat[number], answer)
            counted(sum(len(group.names) for group in flat[number]))
    waiting = iter(hashed)
    return [[next(waiting) for _ in run] for run in runs]


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


def _edits(store: Store, tree: Tree, locations: Iterable[Location], new: Iterator[Rows]) -> Iterator[Rows]:
    """What changes in the tree: what is imported, and what was below the prefixes that it goes to."""
    replaced = _below(store, tree, sorted(place.destination for place in locations if place.is_folder))
    for old, rows in aligned(replaced, new):
        gone = old.paths.filter(without(old.paths, rows.paths))
        yield merged(rows, removals(gone))


def _below(store: Store, tree: Tree, prefixes: Iterable[bytes]) -> Iterator[Rows]:
    """Rows below any of the sorted prefixes, each once."""
    end = b""
    for prefix in prefixes:
        if prefix < end:
            continue  # below the one before
        end = beyond(prefix)
        for info in tree.ranges[bisect_left(tree.lasts, prefix) :]:
            if info.first >= end:
                break
            rows = store.ranges.load(info.id)
            below = rows[rows.place(prefix) : rows.place(end)]
            if len(below):
                yield below


def _together(runs: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """All runs as one, in pairs, so that many runs are no deep recursion."""
    if len(runs) < 2:
        yield from chain(*runs)
        return
    half = len(runs) // 2
    for one, other in aligned(_together(runs[:half]), _together(runs[half:])):
        twice = one.paths.filter(pc.is_in(one.paths, value_set=other.paths))
        if len(twice):
            raise _twice(twice[0].as_py())
        yield merged(one, other)


def _twice(key: bytes) -> InvalidError:
    return InvalidError(f"two files would get the key '{key.decode()[:200]}': choose other destinations")
