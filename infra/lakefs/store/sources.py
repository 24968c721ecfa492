"""Where imported content lies: files outside of the home, known by what they were when they were hashed.

A file whose identity (size, times, inode, device) is still the recorded one holds what was hashed. Any other is hashed
again before a byte of it is served. A write through a memory mapping may move no time, so what is served is hashed
besides: all that is read whole, and before a part of it is read a file of at most HASHED_FIRST bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from infra.lakefs.errors import DamagedError, ForbiddenError, LakeFSError
from infra.lakefs.store import Store
from infra.lakefs.store.entries import Entry
from infra.lakefs.store.folders import SCHEME
from infra.lakefs.store.hashing import CHUNK, SETTLED_NS, UNSETTLED, Columns, Identity, digest, identity

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ATTEMPTS = 3
AT_ONCE = 512
IN_MEMORY = 1 << 20  # bytes of a file that is read and hashed before the answer begins
HASHED_FIRST = 64 << 20

Row = tuple[bytes, str, int, int, int, int, int]  # sha256, absolute path, identity


@dataclass(frozen=True, slots=True)
class Source:
    path: str
    identity: Identity


class SourceFile(io.FileIO):
    """An imported file being read; DamagedError instead of any byte read after it changed."""

    def __init__(self, descriptor: int, expected: Identity, sha256: bytes, changed: str) -> None:
        super().__init__(descriptor, "rb")
        self._expected = expected
        self._sha256 = sha256
        self._changed = changed

    def check(self) -> None:
        """Ask after reading, before the bytes are used."""
        if identity(self.fileno()) != self._expected:
            raise DamagedError(self._changed)

    def check_content(self, sha256: bytes) -> None:
        """Ask once all of it is read, before the last bytes are used."""
        self.check()
        if sha256 != self._sha256:
            raise DamagedError(self._changed)

    def whole(self) -> bytes:
        """All of it, of a file of at most IN_MEMORY bytes."""
        self.seek(0)
        data = self.read(self._expected[0])
        self.check_content(hashlib.sha256(data).digest())
        return data

    def verify(self) -> None:
        """Hash all of it."""
        hashed, at = hashlib.sha256(), 0
        while data := os.pread(self.fileno(), CHUNK, at):
            hashed.update(data)
            at += len(data)
        self.check_content(hashed.digest())

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        self.check()
        return data

    def readall(self) -> bytes:
        data = super().readall()
        self.check()
        return data

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self.check()
        return count


def rows_of(folder: str, names: Sequence[str], columns: Columns) -> Iterator[Row]:
    """Rows of files in one folder."""
    sha256, _, known = columns
    values = iter(memoryview(known).cast("q"))
    digests = (sha256[at : at + 32] for at in range(0, len(sha256), 32))
    start = folder.rstrip("/") + "/"
    return zip(digests, (start + name for name in names), values, values, values, values, values, strict=True)


def put(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """In few statements, since each gives way to the other threads of this process."""
    for at in range(0, len(rows), AT_ONCE):
        piece = rows[at : at + AT_ONCE]
        marks = ",".join(["(?,?,?,?,?,?,?)"] * len(piece))
        connection.execute(f"INSERT OR REPLACE INTO sources VALUES {marks}", list(chain.from_iterable(piece)))  # noqa: S608


def find(connection: sqlite3.Connection, sha256: bytes) -> list[Source]:
    rows = connection.execute("SELECT * FROM sources WHERE sha256=? ORDER BY path", (sha256,)).fetchall()
    return [Source(found["path"], tuple(found)[2:]) for found in rows]


def address(connection: sqlite3.Connection, sha256: bytes) -> str | None:
    """The physical address of imported content, the first by name where it lies in several files."""
    return next((SCHEME + source.path for source in find(connection, sha256)), None)


def open_source(store: Store, entry: Entry, *, part: bool) -> SourceFile | None:
    """A file that holds an entry's content, None when it was never imported; DamagedError when none holds it now.
    `part` says that not all of it will be read."""
    with store.database.read() as connection:
        known = find(connection, entry.sha256)
    problems = []
    for source in known:
        try:
            return _open(store, entry, source, part)
        except LakeFSError as error:
            problems.append(str(error))
    if problems:
        raise DamagedError("; ".join(problems))
    return None


def _open(store: Store, entry: Entry, source: Source, part: bool) -> SourceFile:
    named = f"object '{entry.path.decode()[:200]}' (sha256:{entry.sha256.hex()})"  # a presigned URL names no path
    what = f"{named if entry.path else f'content sha256:{entry.sha256.hex()}'} was imported from {source.path}"
    changed = f"{what}, and that file changed after its import: restore the file, or import it again as a new version"
    try:
        path = store.folders.locate(source.path)
    except ForbiddenError as error:
        folder = os.path.dirname(source.path)  # noqa: PTH120 - as it was given
        raise DamagedError(
            f"{what}, which this server may not read: start the server with --allow-import {folder}"
        ) from error
    try:
        descriptor = store.folders.open_file(path)
    except LakeFSError as error:
        raise DamagedError(f"{what}, and that file cannot be opened ({error}): bring it back") from error
    file = SourceFile(descriptor, identity(descriptor), entry.sha256, changed)
    try:
        if identity(descriptor) != source.identity:
            confirmed = _confirm(file, entry, changed)
            store.database.write(lambda connection: put(connection, [(entry.sha256, source.path, *confirmed)]))
        elif part and entry.size <= HASHED_FIRST:
            file.verify()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _confirm(file: SourceFile, entry: Entry, changed: str) -> Identity:
    """Hash the file again; its identity when it still holds the entry's content."""
    for _ in range(ATTEMPTS):
        file.seek(0)
        file.check()
        if identity(file.fileno())[0] != entry.size:
            raise DamagedError(changed)
        try:
            sha256, _md5, now = digest(file.fileno())
        except OSError as error:
            raise DamagedError(changed) from error
        if sha256 != entry.sha256:
            raise DamagedError(changed)
        if now[2] != UNSETTLED:
            return now
        time.sleep(SETTLED_NS / 1e9)
    raise DamagedError(changed)
