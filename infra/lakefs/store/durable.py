"""Files that are whole or absent after any crash: temporary file, fsync, rename, then fsync of the folder.

The folder's fsync is the caller's, so that many files share one; nothing may name a file before it.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

_numbers = itertools.count()


def temporary(folder: Path) -> Path:
    """A name in `folder` that no other writer of this process has; the folder is emptied at start."""
    return folder / f"{next(_numbers)}"


def write_durable(temp: Path, target: Path, data: bytes | bytearray, mode: int = 0o644) -> None:
    """Put `data` at `target`; OSError leaves `target` as it was."""
    name = temporary(temp)
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for the mode
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        name.replace(target)
    except OSError:
        name.unlink(missing_ok=True)
        raise


def holds(target: Path, data: bytes | bytearray) -> bool:
    """Whether a file is there with just these bytes; else it is to be written, whatever damaged it."""
    try:
        return target.stat().st_size == len(data) and target.read_bytes() == data
    except FileNotFoundError:
        return False


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
