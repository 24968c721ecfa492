"""What bodies under way may hold in memory: a sum for all of them, in equal shares.

The more there are, the smaller each share: what goes beyond it goes to disk, or is read later. So nobody is refused,
nobody waits for a slow client, and 2,000 clients need little more memory than 30. A body holds two shares at most, one
that moves between client and server and one that moves between server and disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

SUM = 32 << 20
LEAST, MOST = 32 << 10, 1 << 20


class Memory:
    """Shares are taken and given back on the event loop's thread."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._shares = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[], int]]:
        """Take part; ask again and again how many bytes may be held now."""
        self._shares += 1
        try:
            yield self._allowed
        finally:
            self._shares -= 1

    def _allowed(self) -> int:
        return max(LEAST, min(MOST, self._total // self._shares))


BODIES = Memory(SUM)
