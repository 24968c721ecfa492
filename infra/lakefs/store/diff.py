"""What differs between trees. Ranges that both sides share are never opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.lakefs.store.entries import Entry
from infra.lakefs.store.ranges import Range, Ranges
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
    shared = {r.id for r in left.ranges} & {r.id for r in right.ranges}
    old, new = _rows(ranges, left, shared, start), _rows(ranges, right, shared, start)
    a, b = next(old, None), next(new, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[0] < b[0]):
            assert a is not None
            yield Change(a[0], a[1].entry(a[2]), None)
            a = next(old, None)
        elif a is None or b[0] < a[0]:
            yield Change(b[0], None, b[1].entry(b[2]))
            b = next(new, None)
        else:
            if a[1].digests[a[2]] != b[1].digests[b[2]]:
                yield Change(a[0], a[1].entry(a[2]), b[1].entry(b[2]))
            a, b = next(old, None), next(new, None)


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


def _rows(ranges: Ranges, tree: Tree, shared: set[str], start: bytes) -> Iterator[tuple[bytes, Range, int]]:
    for info in tree.ranges:
        if info.id in shared or info.last < start:
            continue
        rows = ranges.load(info.id)
        for row, path in enumerate(rows.paths):
            if path >= start:
                yield path, rows, row
