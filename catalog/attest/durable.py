"""Files that are there whole or not at all: written beside, synced, renamed, and their folder synced."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from catalog.errors import Conflict, Invalid, Unavailable

PATIENCE = 60.0  # seconds that one publisher waits for another
BESIDE = ".new-"  # begins the name of a file that is not there yet
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write(path: Path, data: bytes) -> None:
    """Replace a file in one step; after this returns, a power cut leaves the new one."""
    beside = path.with_name(BESIDE + path.name)
    try:
        make(path.parent)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def make(folder: Path) -> None:
    """Make a folder and those above it, so that a power cut does not take them away again."""
    if not folder.is_dir():
        make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder last; a filesystem that cannot (a USB stick's) is taken as it is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError) -> Unavailable | Invalid:
    """What to say of a file that cannot be written."""
    if error.errno in FULL:
        return Unavailable("disk-full", "there is no room to write", where=str(path), do="make room and try again")
    what = f"cannot be written: {error.strerror or error}"
    return Invalid("path-unreadable", what, where=str(path), do="let the service write there")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One writer at a time, across processes; who dies lets go."""
    lock = FileLock(folder / ".lock", timeout=PATIENCE)
    try:
        make(folder)
        lock.acquire()
    except Timeout as error:
        what = f"another process has been publishing for {PATIENCE:.0f} s"
        raise Conflict("operation-running", what, where=str(folder), do="wait for it, or end it") from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()
