"""Objects by the sha256 of their bytes; MD5, lakeFS's `checksum`, is computed in the same pass, on a thread beside."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from infra.lakefs.errors import DamagedError
from infra.lakefs.store.durable import holds, temporary, write_durable

MD5_THREADS = ThreadPoolExecutor(os.cpu_count(), "md5")


@dataclass(frozen=True, slots=True)
class Blob:
    """What was stored: digests, size in bytes, and the folder to sync before anything names it."""

    sha256: bytes
    md5: bytes
    size: int
    folder: Path


class BlobWriter:
    """Bytes on their way in; `finish` or `abort` ends it. Memory is what the caller passes to `write`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._name = temporary(blobs.temp)
        self._file: BinaryIO = self._name.open("xb", buffering=0)

    def write(self, data: bytes | bytearray) -> None:
        beside = MD5_THREADS.submit(self._md5.update, data)
        try:
            self._sha256.update(data)
            self._size += len(data)
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        finally:
            beside.result()

    def finish(self) -> Blob:
        """Make the blob durable but for its folder's fsync."""
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            sha256 = self._sha256.digest()
            target = self._blobs.path(sha256)
            self._name.replace(target)
        except OSError:
            self.abort()
            raise
        return Blob(sha256, self._md5.digest(), self._size, target.parent)

    def abort(self) -> None:
        self._file.close()
        self._name.unlink(missing_ok=True)


class Blobs:
    def __init__(self, folder: Path, temp: Path) -> None:
        self._folder = folder
        self.temp = temp

    def path(self, sha256: bytes) -> Path:
        name = sha256.hex()
        return self._folder / name[:2] / name[2:]

    def put(self, data: bytes | bytearray) -> Blob:
        """Store small content in one go. Content already stored is compared, not written again: damage heals."""
        sha256, md5 = hashlib.sha256(data).digest(), hashlib.md5(data, usedforsecurity=False).digest()
        target = self.path(sha256)
        if not holds(target, data):
            write_durable(self.temp, target, data)
        return Blob(sha256, md5, len(data), target.parent)

    def open(self, sha256: bytes, size: int) -> BinaryIO:
        """The stored bytes; DamagedError when the file is gone or has another length."""
        try:
            file = self.path(sha256).open("rb", buffering=0)
        except FileNotFoundError:
            raise DamagedError(
                f"blob sha256:{sha256.hex()} is missing from the store: restore it from a backup"
            ) from None
        found = os.fstat(file.fileno()).st_size
        if found != size:
            file.close()
            raise DamagedError(f"blob sha256:{sha256.hex()} has {found} bytes instead of {size}: restore it")
        return file
