"""What differs between trees. Ranges that both sides share are never opened."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from infra.lakefs.store.entries import Entry
from infra.lakefs.store.ranges import Ranges
from infra.lakefs.store.rows import Rows, aligned, merged, removals, without
from infra.lakefs.store.trees import Tree


@dataclass(frozen=True, slots=True)
class Change:
    """A path whose entry is not the same left and right; None is absence."""

    path: bytes
    left: Entry | None
    right: Entry | None

    @property
    def kind(self) -> str:
        if self.left is None:
            return "added"
        return "removed" if self.right is None else "changed"


@dataclass(frozen=True, slots=True)
class Brought:
    """A change from the base to the source that the destination lacks; `conflict` when it has changed the path too."""

    path: bytes
    base: Entry | None
    source: Entry | None
    destination: Entry | None
    conflict: bool


def changes(ranges: Ranges, left: Tree, right: Tree, start: bytes = b"") -> Iterator[Change]:
    """Changes from left to right in order, from `start` on."""
    for gone, come in _differing(ranges, left, right, start):
        old, new = gone.entries(), come.entries()
        a, b = next(old, None), next(new, None)
        while a is not None or b is not None:
            if b is None or (a is not None and a.path < b.path):
                assert a is not None
                yield Change(a.path, a, None)
                a = next(old, None)
            elif a is None or b.path < a.path:
                yield Change(b.path, None, b)
                b = next(new, None)
            else:
                yield Change(a.path, a, b)
                a, b = next(old, None), next(new, None)


def edits(ranges: Ranges, left: Tree, right: Tree) -> Iterator[Rows]:
    """Changes as the edits that make the right tree of the left one."""
    for gone, come in _differing(ranges, left, right, b""):
        yield merged(come, removals(gone.paths.filter(without(gone.paths, come.paths))))


def brought(ranges: Ranges, base: Tree, source: Tree, destination: Tree, start: bytes = b"") -> Iterator[Brought]:
    """The three-way difference: what `source` changed since `base` and `destination` does not have already."""
    theirs = changes(ranges, base, destination, start)
    their = next(theirs, None)
    for ours in changes(ranges, base, source, start):
        while their is not None and their.path < ours.path:
            their = next(theirs, None)
        if their is None or their.path != ours.path:
            yield Brought(ours.path, ours.left, ours.right, ours.left, conflict=False)
        elif _digest(their.right) != _digest(ours.right):
            yield Brought(ours.path, ours.left, ours.right, their.right, conflict=True)


def _digest(entry: Entry | None) -> bytes | None:
    return None if entry is None else entry.digest


def _differing(ranges: Ranges, left: Tree, right: Tree, start: bytes) -> Iterator[tuple[Rows, Rows]]:
    """Rows that only one side has, piece by piece; a digest covers the path, so equal digests are equal rows."""
    shared = {r.id for r in left.ranges} & {r.id for r in right.ranges}
    for old, new in aligned(_rows(ranges, left, shared, start), _rows(ranges, right, shared, start)):
        gone, come = old.where(without(old.digests, new.digests)), new.where(without(new.digests, old.digests))
        if len(gone) or len(come):
            yield gone, come


def _rows(ranges: Ranges, tree: Tree, shared: set[str], start: bytes) -> Iterator[Rows]:
    for info in tree.ranges[bisect_left(tree.lasts, start) :]:
        if info.id not in shared:
            rows = ranges.load(info.id)
            yield rows[rows.place(start) :] if info.first < start else rows
