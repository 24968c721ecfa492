"""A tree (lakeFS's metarange) is a list of ranges in order, named by the hash of that list.

`edit` rewrites only the ranges that an edit falls into, and their neighbours where a cut appears or vanishes.
"""

from __future__ import annotations

import hashlib
import json
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.durable import write_durable
from infra.lakefs.store.entries import Entry, canonical
from infra.lakefs.store.ranges import RangeInfo, Ranges, is_cut

CACHED = 64
Edit = tuple[bytes, Entry | None]  # a path and what it becomes; None removes it


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


class Trees:
    def __init__(self, folder: Path, temp: Path, ranges: Ranges) -> None:
        self._folder = folder
        self._temp = temp
        self._ranges = ranges
        self._cache: OrderedDict[str, Tree] = OrderedDict()
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
        try:
            data = self.path(identifier).read_bytes()
        except FileNotFoundError:
            raise DamagedError(f"tree {identifier} is missing: restore it from a backup") from None
        if hashlib.sha256(data).hexdigest() != identifier:
            raise DamagedError(f"tree {identifier} holds something else than its name says: restore it from a backup")
        tree = Tree(RangeInfo(r[0], r[1].encode(), r[2].encode(), r[3]) for r in json.loads(data)["ranges"])
        self._keep(tree)
        return tree

    def find(self, tree: Tree, path: bytes) -> Entry | None:
        at = bisect_left(tree.lasts, path)
        if at == len(tree.ranges) or path < tree.ranges[at].first:
            return None
        rows = self._ranges.load(tree.ranges[at].id)
        row = bisect_left(rows.paths, path)
        return rows.entry(row) if row < len(rows.paths) and rows.paths[row] == path else None

    def walk(self, tree: Tree, start: bytes = b"") -> Iterator[Entry]:
        """Entries in order from `start` on."""
        for info in tree.ranges[bisect_left(tree.lasts, start) :]:
            rows = self._ranges.load(info.id)
            yield from rows.entries(bisect_left(rows.paths, start))

    def edit(self, tree: Tree, edits: Iterable[Edit]) -> tuple[Tree, set[Path]]:
        """The tree with sorted edits applied, stored, and the folders to sync before a commit names it."""
        made: list[RangeInfo] = []
        folders: set[Path] = set()

        def put(entries: list[Entry]) -> None:
            info = self._ranges.put(entries)
            made.append(info)
            folders.add(self._ranges.path(info.id).parent)

        pending: list[Entry] = []  # entries after the last cut
        waiting = iter(edits)
        edit = next(waiting, None)
        for at, info in enumerate(tree.ranges):
            due: list[Edit] = []
            final = at == len(tree.ranges) - 1  # takes what follows it
            while edit is not None and (final or edit[0] <= info.last):
                due.append(edit)
                edit = next(waiting, None)
            if not due and not pending:
                made.append(info)
                continue
            for entry in overlay(self._ranges.load(info.id).entries(), due):
                pending.append(entry)
                if is_cut(entry.path):
                    put(pending)
                    pending = []
        while edit is not None:
            if edit[1] is not None:
                pending.append(edit[1])
                if is_cut(edit[0]):
                    put(pending)
                    pending = []
            edit = next(waiting, None)
        if pending:
            put(pending)
        result = Tree(made)
        target = self.path(result.id)
        if not target.exists():
            write_durable(self._temp, target, result.encoded())
        folders.add(target.parent)
        self._keep(result)
        return result, folders

    def _keep(self, tree: Tree) -> None:
        with self._guard:
            self._cache[tree.id] = tree
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)


def overlay(entries: Iterator[Entry], edits: Iterable[Edit]) -> Iterator[Entry]:
    """Entries with edits over them, both sorted."""
    below = next(entries, None)
    for path, entry in edits:
        while below is not None and below.path < path:
            yield below
            below = next(entries, None)
        if below is not None and below.path == path:
            below = next(entries, None)
        if entry is not None:
            yield entry
    if below is not None:
        yield below
        yield from entries
