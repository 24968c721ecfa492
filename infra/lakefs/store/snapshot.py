"""A home at one moment, only read: beside a running server, or where none runs.

`fsck`, `gc` and backups look through it. Its connection stays in one read transaction, so what it says does not change
while they work; files never change at all.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from infra.lakefs.errors import HomeError
from infra.lakefs.store.blobs import Blobs
from infra.lakefs.store.migrate import read_layout
from infra.lakefs.store.ranges import Ranges
from infra.lakefs.store.trees import Trees

SUFFIXES = {"trees": ".json", "ranges": ".parquet", "blobs": ""}
IDENTIFIER = re.compile(r"[0-9a-f]{64}")


@dataclass
class Snapshot:
    folder: Path
    connection: sqlite3.Connection
    blobs: Blobs
    ranges: Ranges
    trees: Trees
    _version: int = -1

    def tables(self) -> set[str]:
        return {row[0] for row in self.connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")}

    def path(self, kind: str, identifier: str) -> Path:
        return self.folder / kind / identifier[:2] / f"{identifier[2:]}{SUFFIXES[kind]}"

    def files(self, kind: str) -> Iterator[tuple[str, Path]]:
        """Identifiers and paths of the files stored below `blobs`, `ranges` or `trees`."""
        for shard in sorted((self.folder / kind).iterdir()):
            for path in sorted(shard.iterdir()):
                identifier = shard.name + path.name.removesuffix(SUFFIXES[kind])
                if IDENTIFIER.fullmatch(identifier) and path.name.endswith(SUFFIXES[kind]):
                    yield identifier, path

    def again(self) -> bool:
        """Look at the home of this moment; whether it may differ from the last one looked at."""
        self.connection.execute("ROLLBACK")
        self.connection.execute("BEGIN")
        before, self._version = self._version, self.connection.execute("PRAGMA data_version").fetchone()[0]
        return before != self._version


@contextmanager
def snapshot(folder: Path, database: Path | None = None) -> Iterator[Snapshot]:
    """HomeError where there is no home or its database, or the copy of it that is given, cannot be opened."""
    folder = folder.absolute()
    read_layout(folder)
    connection = connect(database or folder / "refs.sqlite")
    try:
        ranges = Ranges(folder / "ranges", folder / "temp")
        blobs, trees = Blobs(folder / "blobs", folder / "temp"), Trees(folder / "trees", folder / "temp", ranges)
        yield Snapshot(folder, connection, blobs, ranges, trees)
    finally:
        connection.close()


@contextmanager
def undisturbed(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """No `gc` removes files meanwhile; `alone` is `gc` itself, which waits for nobody: HomeError when it would."""
    read_layout(folder)
    with maintained(folder, alone=alone):
        yield


@contextmanager
def maintained(folder: Path, *, alone: bool) -> Iterator[None]:
    """As `undisturbed`, of a folder that need not be a home yet."""
    path = folder / "maintenance.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if alone:
            raise HomeError(f"{folder} cannot be changed: {error.strerror}") from error
        yield  # nobody can remove files from a folder in which no file can be made
        return
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        others = "fsck, gc or backup" if alone else "gc"
        raise HomeError(f"{others} works on {folder}: repeat when it has ended") from None
    try:
        yield
    finally:
        os.close(descriptor)


def connect(path: Path) -> sqlite3.Connection:
    """The database in a read transaction that sees one moment; HomeError when it cannot be read."""
    if not path.exists():
        raise HomeError(f"{path} is missing: restore it")
    # SQLite cannot share a database on a read-only disk; nobody changes it there either
    still = "" if os.access(path.parent, os.W_OK) or path.with_name(path.name + "-wal").exists() else "&immutable=1"
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro{still}", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM repositories LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise HomeError(f"{path} cannot be read ({error}): restore it from a backup") from error
    return connection
