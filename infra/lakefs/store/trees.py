"""A tree (lakeFS's metarange) is a list of ranges in order, named by the hash of that list.

An edit rewrites only the ranges that it falls into, and their neighbours where a cut appears or vanishes. When it
returns, every file that the new tree needs is on disk.
"""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.durable import fsync_folder, holds, write_durable
from infra.lakefs.store.entries import Entry, canonical
from infra.lakefs.store.ranges import RangeInfo, Ranges, cuts, is_cut
from infra.lakefs.store.rows import EMPTY, Edit, Rows, aligned, joined, of_edits, overlay

CACHED = 20_000  # ranges that the trees kept in memory list
WRITERS = 8  # they wait for the disk, not for a core
WAITING = 32  # ranges made and not yet written


class Tree:
    """`id` is 64 hex digits; `lasts` are the last paths of the ranges, for searching."""

    __slots__ = ("id", "lasts", "ranges")

    def __init__(self, ranges: Iterable[RangeInfo]) -> None:
        self.ranges = tuple(ranges)
        self.lasts = [r.last for r in self.ranges]
        self.id = hashlib.sha256(self.encoded()).hexdigest()

    def encoded(self) -> bytes:
        rows = [[r.id, r.first.decode(), r.last.decode(), r.count] for r in self.ranges]
        return canonical({"schema": "tree@1", "ranges": rows}).encode()


def read_tree(path: Path, identifier: str) -> Tree:
    """The tree in a file; DamagedError when that does not hold what the name says."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DamagedError(f"tree {identifier} is missing: restore it from a backup") from None
    if hashlib.sha256(data).hexdigest() != identifier:
        raise DamagedError(f"tree {identifier} holds something else than its name says: restore it from a backup")
    return Tree(RangeInfo(r[0], r[1].encode(), r[2].encode(), r[3]) for r in json.loads(data)["ranges"])


class Trees:
    def __init__(self, folder: Path, temp: Path, ranges: Ranges) -> None:
        self._folder = folder
        self._temp = temp
        self._ranges = ranges
        self._cache: OrderedDict[str, Tree] = OrderedDict()
        self._cached = 0  # ranges listed
        self._guard = threading.Lock()

    def path(self, identifier: str) -> Path:
        return self._folder / identifier[:2] / f"{identifier[2:]}.json"

    def load(self, identifier: str) -> Tree:
        """The tree of this name; the empty name (a repository's first commit) is the empty tree."""
        if not identifier:
            return Tree(())
        with self._guard:
            if (known := self._cache.get(identifier)) is not None:
                self._cache.move_to_end(identifier)
                return known
        tree = read_tree(self.path(identifier), identifier)
        self._keep(tree)
        return tree

    def find(self, tree: Tree, path: bytes) -> Entry | None:
        at = bisect_left(tree.lasts, path)
        if at == len(tree.ranges) or path < tree.ranges[at].first:
            return None
        rows = self._ranges.load(tree.ranges[at].id)
        row = rows.find(path)
        return None if row is None else rows.entry(row)

    def walk(self, tree: Tree, start: bytes = b"") -> Iterator[Entry]:
        """Entries in order from `start` on."""
        for info in tree.ranges[bisect_left(tree.lasts, start) :]:
            rows = self._ranges.load(info.id)
            yield from rows.entries(rows.place(start))

    def edit(self, tree: Tree, edits: Iterable[Edit]) -> Tree:
        """The tree with sorted edits applied, stored."""
        return self.edit_rows(tree, of_edits(edits))

    def edit_rows(self, tree: Tree, edits: Iterator[Rows]) -> Tree:
        """As `edit`, of rows that follow each other; nothing holds all of them."""
        waiting = _Waiting(edits)
        with ThreadPoolExecutor(WRITERS) as pool:
            making = _Making(self._ranges, pool)
            for at, info in enumerate(tree.ranges):
                goes_on = at == len(tree.ranges) - 1 and not is_cut(info.last)  # with what follows it
                if making.open or waiting.more(None if goes_on else info.last):
                    for old, new in aligned(iter([self._ranges.load(info.id)]), waiting.until(info.last)):
                        making.add(old, new)
                else:
                    making.keep(info)
            for rows in waiting.until(None):
                making.add(EMPTY, rows)
            result = Tree(making.finish())
        self._put(result)
        return result

    def _put(self, tree: Tree) -> None:
        target, data = self.path(tree.id), tree.encoded()
        if not holds(target, data):
            write_durable(self._temp, target, data)
        fsync_folder(target.parent)
        self._keep(tree)

    def _keep(self, tree: Tree) -> None:
        with self._guard:
            if tree.id not in self._cache:
                self._cache[tree.id] = tree
                self._cached += len(tree.ranges)
            while self._cached > CACHED and len(self._cache) > 1:
                self._cached -= len(self._cache.popitem(last=False)[1].ranges)


class _Waiting:
    """Edits not yet applied."""

    def __init__(self, edits: Iterator[Rows]) -> None:
        self._edits = filter(len, edits)
        self._next = EMPTY

    def more(self, last: bytes | None) -> bool:
        """Whether there are any, up to a path where one is given."""
        if not len(self._next):
            self._next = next(self._edits, EMPTY)
        return len(self._next) > 0 and (last is None or self._next.path(0) <= last)

    def until(self, last: bytes | None) -> Iterator[Rows]:
        """Those up to a path, or all."""
        while self.more(last):
            end = len(self._next) if last is None else self._next.place(last + b"\0")
            due, self._next = self._next[:end], self._next[end:]
            yield due


class _Making:
    """The ranges of a new tree: cuts rows where they are to be cut, stores several ranges at a time."""

    def __init__(self, ranges: Ranges, pool: ThreadPoolExecutor) -> None:
        self._ranges = ranges
        self._pool = pool
        self._made: list[RangeInfo | Future[RangeInfo]] = []
        self._writing: deque[Future[RangeInfo]] = deque()
        self.open: list[Rows] = []  # after the last cut

    def keep(self, info: RangeInfo) -> None:
        self._made.append(info)

    def add(self, old: Rows, edits: Rows) -> None:
        """Rows that follow those before. Of old rows only the last can be a cut, since ranges end there."""
        rows, start = overlay(old, edits), 0
        paths = [*edits.paths.to_pylist(), *old[-1:].paths.to_pylist()]
        for end in sorted({row + 1 for at in cuts(paths) if (row := rows.find(paths[at])) is not None}):
            self.open.append(rows[start:end])
            self._store()
            start = end
        if start < len(rows):
            self.open.append(rows[start:])

    def finish(self) -> list[RangeInfo]:
        """All ranges, once they are on disk with the folders they are in."""
        if self.open:
            self._store()
        stored = [item.result() for item in self._made if isinstance(item, Future)]
        list(self._pool.map(fsync_folder, {self._ranges.path(info.id).parent for info in stored}))
        return [item.result() if isinstance(item, Future) else item for item in self._made]

    def _store(self) -> None:
        storing = self._pool.submit(self._ranges.put, joined(self.open))
        self.open = []
        self._made.append(storing)
        self._writing.append(storing)
        if len(self._writing) > WAITING:
            self._writing.popleft().result()
