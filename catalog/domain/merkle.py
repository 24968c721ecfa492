"""RFC 6962 proofs: that an entry is in the log of a head, and that one head's log continues another's.

Verifying needs the proof and the heads only, so a report is checked without the log. Algorithms: RFC 6962, 2.1; RFC
9162, 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from pydantic import Field

from catalog.domain.audit import AuditEntry, AuditHead, Frontier, leaf_hash, node_hash
from catalog.domain.base import Digest, Entity, sha256

LONGEST = 64  # steps of a proof; a log of 2**63 entries fits


class Inclusion(Entity):
    """One entry and the path from it to a head's root."""

    entry: AuditEntry
    path: tuple[Digest, ...] = Field(max_length=LONGEST)

    def holds(self, head: AuditHead) -> bool:
        """Whether the entry is in the log of this head, at its own number."""
        found = root_from(leaf_hash(self.entry.canonical()), self.entry.seq, head.size, [_raw(p) for p in self.path])
        return found is not None and _digest(found) == head.root


class Consistency(Entity):
    """The proof that a later head's log begins with the log of `since`."""

    since: AuditHead
    path: tuple[Digest, ...] = Field(max_length=LONGEST)

    def holds(self, head: AuditHead) -> bool:
        """Whether this head continues `since`."""
        return continues(self.since, head, [_raw(p) for p in self.path])


class Tree:
    """The hash tree over a log's entries, kept by level, so that any root or proof costs O(log n)."""

    def __init__(self, entries: Iterable[bytes]) -> None:
        level = [leaf_hash(entry) for entry in entries]
        self.size, self._levels = len(level), [level]
        while len(level) > 1:
            level = [node_hash(left, right) for left, right in list(pairwise(level))[::2]]
            self._levels.append(level)

    def head(self, size: int) -> AuditHead:
        """The head of the first `size` entries."""
        self._within(size)
        return AuditHead(size=size, root=_digest(self._root(0, size)) if size else sha256(b""))

    def inclusion(self, entry: AuditEntry, size: int) -> Inclusion:
        """The proof that an entry is among the first `size`."""
        self._within(size)
        if entry.seq >= size:
            raise ValueError(f"entry {entry.seq} is not among {size}")
        return Inclusion(entry=entry, path=tuple(_digest(p) for p in self._path(entry.seq, 0, size)))

    def consistency(self, since: int, size: int) -> Consistency:
        """The proof that the first `size` entries continue the first `since`."""
        self._within(size)
        if not 0 <= since <= size:
            raise ValueError(f"{size} entries do not continue {since}")
        path = self._subproof(since, 0, size, whole=True) if since else []
        return Consistency(since=self.head(since), path=tuple(_digest(p) for p in path))

    def _within(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise ValueError(f"{size} of {self.size} entries")

    def _root(self, start: int, end: int) -> bytes:
        """Of a range that RFC 6962 splits off: its start is a multiple of the power of two that holds it."""
        width = end - start
        if width & (width - 1) == 0:
            height = width.bit_length() - 1
            return self._levels[height][start >> height]
        middle = start + _split(width)
        return node_hash(self._root(start, middle), self._root(middle, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._root(middle, end)]
        return [*self._path(index, middle, end), self._root(start, middle)]

    def _subproof(self, since: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        if since == end:
            return [] if whole else [self._root(start, end)]
        middle = start + _split(end - start)
        if since <= middle:
            return [*self._subproof(since, start, middle, whole=whole), self._root(middle, end)]
        return [*self._subproof(since, middle, end, whole=False), self._root(start, middle)]


class Growing:
    """A frontier that grows in place, for hashing a long log."""

    def __init__(self, frontier: Frontier) -> None:
        self.size, self._nodes = frontier.size, [bytes.fromhex(n) for n in frontier.nodes]

    def append(self, entry: bytes) -> None:
        """One more entry."""
        carry, size = leaf_hash(entry), self.size
        while size & 1:
            carry, size = node_hash(self._nodes.pop(), carry), size >> 1
        self._nodes.append(carry)
        self.size += 1

    def frontier(self) -> Frontier:
        """As it stands."""
        return Frontier(size=self.size, nodes=tuple(n.hex() for n in self._nodes))


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to, or None when the path has another length than index and size ask."""
    if not 0 <= index < size:
        return None
    number, last, root = index, size - 1, leaf
    for step in path:
        if last == 0:
            return None
        if number & 1 or number == last:
            root = node_hash(step, root)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, step)
        number, last = number >> 1, last >> 1
    return root if last == 0 else None


def continues(old: AuditHead, new: AuditHead, path: Sequence[bytes]) -> bool:
    """Whether the log of `new` begins with the log of `old`, by this consistency path."""
    if old.size in (0, new.size):
        same = old.root == (new.root if old.size == new.size else sha256(b""))
        return same and not path
    if old.size > new.size or not path:
        return False
    steps = [_raw(old.root), *path] if old.size & (old.size - 1) == 0 else list(path)
    number, last = old.size - 1, new.size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, step)
        number, last = number >> 1, last >> 1
    return last == 0 and _digest(before) == old.root and _digest(after) == new.root


def _split(width: int) -> int:
    """The largest power of two below a width of at least two."""
    return 1 << ((width - 1).bit_length() - 1)


def _raw(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))


def _digest(raw: bytes) -> str:
    return "sha256:" + raw.hex()
