"""Bring files of a folder to a branch: streamed, digested on the way, and never again what is staged there already.

What is sent must be what was digested before; a file that changed meanwhile ends the act. Whether a staged object is
the file is told by size and checksum, which saves sending it; the check of the version reads its bytes in any case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from catalog.errors import Invalid
from catalog.services.intent import Work

THREADS = 8


@dataclass(frozen=True)
class Outgoing:
    """One file on its way to `path`: its size in bytes and its sha256 (`sha256:…`) as read before."""

    path: str
    file: Path
    size: int
    sha256: str


def upload(work: Work, repository: str, branch: str, prefix: str, files: Sequence[Outgoing]) -> dict[str, str]:
    """Stage the files below `prefix`; the store's checksum of each by path. Progress is by bytes."""
    store = work.context.store
    staged = {path: (size, checksum) for path, size, checksum in store.listing(repository, branch, prefix).iter_rows()}

    def one(outgoing: Outgoing) -> str:
        try:
            with outgoing.file.open("rb") as opened:
                there = staged.get(outgoing.path)
                if there is not None and there == (outgoing.size, _md5(opened)):
                    return there[1]
                opened.seek(0)
                source = _Digested(opened, outgoing)
                body = cast("BinaryIO", source)
                stored = store.upload_stream(repository, branch, outgoing.path, body, outgoing.size)
        except OSError as error:
            raise Invalid("path-unreadable", str(error), do="leave the folder as it is, and try again") from error
        source.confirm()
        return stored.checksum

    total, sent, checksums = sum(f.size for f in files) or 1, 0, {}
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for outgoing, checksum in zip(files, pool.map(one, files), strict=True):
                checksums[outgoing.path] = checksum
                sent += outgoing.size
                work.progress(sent / total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return checksums


class _Digested:
    """A file that is digested as it is sent, exactly as many bytes as were announced; read again, it begins again."""

    def __init__(self, file: BinaryIO, outgoing: Outgoing) -> None:
        self._file, self._outgoing = file, outgoing
        self._digest = hashlib.sha256()
        self._left = outgoing.size

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        if self._left and not data:
            raise self._changed()
        self._digest.update(data)
        self._left -= len(data)
        return data

    def tell(self) -> int:
        """How far it was read."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Back to the start, as a client does that sends a body once more."""
        if (offset, whence) != (0, 0):
            raise OSError("a digested file is read from its start")
        self._digest, self._left = hashlib.sha256(), self._outgoing.size
        return self._file.seek(0)

    def confirm(self) -> None:
        """Refuse unless all was sent, and it was what was digested before."""
        if self._left or "sha256:" + self._digest.hexdigest() != self._outgoing.sha256:
            raise self._changed()

    def _changed(self) -> Invalid:
        what = f"{self._outgoing.path} changed while it was being registered"
        return Invalid("path-unreadable", what, do="try again")


def _md5(opened: BufferedReader) -> str:
    return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
