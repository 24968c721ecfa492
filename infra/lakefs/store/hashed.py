"""Both digests of a file's bytes, for those who check what is stored. Regular files only: a pipe would never end."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Hashed:
    sha256: bytes
    md5: bytes
    size: int


def hashed(path: Path) -> Hashed:
    """OSError when it cannot be read or is no regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        while data := os.read(descriptor, CHUNK):
            sha256.update(data)
            md5.update(data)
            size += len(data)
        return Hashed(sha256.digest(), md5.digest(), size)
    finally:
        os.close(descriptor)
