"""Every change of the device's disk: a file is there whole or not at all, and stays there when the power goes."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.edge.errors import Conflict, disk

CHUNK = 2**20
PATIENCE = 60.0  # seconds that one act waits for another


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file by these bytes; a crash leaves the old file or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    with disk():
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def publish(folder: Path, name: Path) -> None:
    """Give a folder whose files are synced its name, at once and to stay."""
    with disk():
        for path, _, _ in os.walk(folder, topdown=False):
            sync_folder(Path(path))
        folder.rename(name)
        sync_folder(name.parent)


def read_plain(path: Path, limit: int) -> bytes | None:
    """The bytes of a plain file within a limit, or None where there is none such; follows no link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it, also one whose folders are read-only."""
    with disk():
        if path.is_dir() and not path.is_symlink():
            for inner, _, _ in os.walk(path):
                Path(inner).chmod(0o700)
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """One act at a time on a home; the lock ends with the process that holds it."""
    with disk():
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + patience
        while not _taken(handle):
            if time.monotonic() > until:
                what = f"another assay-edge has been at work on this home for more than {patience:g} s"
                raise Conflict("home-busy", what, "wait until it is done")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
