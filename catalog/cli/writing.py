"""A file that somebody takes away: whole or not there, and never over one that is there."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.errors import Conflict, Invalid


def write(path: Path, content: bytes) -> None:
    """Write and sync a new file; its folder is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as error:
        raise Conflict("already-exists", f"{path} is there already", do="name another file") from error
    except OSError as error:
        raise Invalid(
            "path-unreadable", f"{path} cannot be written: {error.strerror}", do="name another place"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Invalid("path-unreadable", f"{path} cannot be written: {error.strerror}", do="free space") from error


def read(path: Path, limit: int) -> bytes:
    """A file that somebody handed over, up to a size."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError as error:
        raise Invalid("path-missing", f"no file {path}", do="name the file") from error
    except OSError as error:
        raise Invalid("path-unreadable", f"{path} cannot be read: {error.strerror}", do="name a file") from error
    if len(content) > limit:
        raise Invalid("document-invalid", f"{path} is larger than {limit} bytes", do="name the right file")
    return content
