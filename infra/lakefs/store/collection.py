"""The lock between those who put files and then name them in a row, and `gc`, which removes files that no row names.

Content is stored once: a put that finds its file already there writes nothing. Between that look and the row that
names the file, the file may be one that no row names, and `gc` would be right to remove it. So whoever does both holds
`shared` meanwhile, and `gc` removes under `exclusive`, after it looked at the rows again. So does a commit from the
moment it reads staged rows until the branch has moved: a reset or an overwrite may take the rows away in between.

The lock is a lock of files in the home (flock), so it holds between processes and ends with them. Two files, because
with one alone `gc` would wait for ever for a moment without any writer: whoever comes passes the gate first, and `gc`
closes it while it waits for those inside. It closes it for a quarter of a second at most and then lets people in
again, so that uploads do not wait for a long commit.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.lakefs.errors import BusyError

CLOSED_SECONDS = 0.25
PATIENCE_SECONDS = 300.0


class Collection:
    def __init__(self, folder: Path) -> None:
        self._gate = folder / "collection.gate"
        self._inside = folder / "collection.lock"

    @contextmanager
    def shared(self) -> Iterator[None]:
        """No file vanishes meanwhile. Held by many at once."""
        with ExitStack() as stack:
            with _opened(self._gate) as gate:
                fcntl.flock(gate, fcntl.LOCK_SH)
                inside = stack.enter_context(_opened(self._inside))
                fcntl.flock(inside, fcntl.LOCK_SH)
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody holds `shared` meanwhile; BusyError when somebody did at every moment for minutes."""
        given_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < given_up:
            with _opened(self._gate) as gate, _opened(self._inside) as inside:
                fcntl.flock(gate, fcntl.LOCK_EX)
                if _emptied(inside):
                    yield
                    return
            time.sleep(CLOSED_SECONDS)
        raise BusyError(f"the store was not at rest for a moment in {PATIENCE_SECONDS:.0f} s: repeat when it is")


def _emptied(inside: int) -> bool:
    """Whether everybody left while the gate was closed; then the lock is held."""
    opened = time.monotonic() + CLOSED_SECONDS
    while True:
        try:
            fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > opened:
                return False
            time.sleep(0.002)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of its own, whose lock goes when it is closed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
