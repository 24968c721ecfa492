"""Files that are elsewhere (S3, lakeFS, anything of fsspec's): foreign errors are told once, here, in our own words."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from validators.errors import UnreadableDataset

BUFFER = 1 << 20  # bytes that are fetched together
# module → (class, kind, what to say); a module that was never imported can have raised nothing
_FOREIGN = (
    ("botocore.exceptions", "NoCredentialsError", "access-denied", "no credentials are configured"),
    ("botocore.exceptions", "PartialCredentialsError", "access-denied", "the configured credentials are incomplete"),
    ("botocore.exceptions", "BotoCoreError", "store-unreachable", "the store does not answer"),
    ("botocore.exceptions", "ClientError", "access-denied", "the store refuses"),
    ("lakefs.exceptions", "NoAuthenticationFound", "access-denied", "no credentials are configured (lakectl config)"),
    ("lakefs.exceptions", "LakeFSException", "store-unreachable", "the store does not answer as expected"),
    ("urllib3.exceptions", "HTTPError", "store-unreachable", "the store does not answer"),
    ("aiohttp", "ClientError", "store-unreachable", "the store does not answer"),
)
_DENIED = (401, 403)


class Told(NamedTuple):
    """A foreign error in our own words."""

    kind: str
    message: str


@contextmanager
def told(where: str, missing: str = "file-missing") -> Iterator[None]:
    """Errors of a filesystem as `UnreadableDataset`: access-denied, store-unreachable, too-large,
    file-damaged, or `missing`."""
    try:
        yield
    except UnreadableDataset:
        raise
    except Exception as error:  # each library has its own; what the table does not know goes on as it is
        if (found := _told(error, missing)) is None:
            raise
        raise UnreadableDataset(found.kind, found.message, path=where) from error


def _told(error: Exception, missing: str) -> Told | None:
    reason = " ".join(str(error).split())[:200]
    if isinstance(error, OSError):
        return _of_system(error, reason, missing)
    for module, name, kind, words in _FOREIGN:
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and isinstance(error, known):
            status = getattr(error, "status_code", None) or getattr(error, "status", None)
            denied = status in _DENIED
            return Told("access-denied" if denied else kind, f"{words} ({reason or type(error).__name__})")
    return Told(missing, f"is no address of this filesystem ({reason})") if isinstance(error, ValueError) else None


def _of_system(error: OSError, reason: str, missing: str) -> Told:
    if isinstance(error, FileNotFoundError):
        return Told(missing, f"is not there ({reason})")
    if isinstance(error, PermissionError):
        return Told("access-denied", f"access is denied ({reason}); look at the credentials and what they may read")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Told("too-large", f"no room for it in the temporary folder ({reason}); set TMPDIR to a larger one")
    if isinstance(error, TimeoutError | ConnectionError):
        return Told("store-unreachable", f"the store does not answer ({reason or type(error).__name__})")
    return Told("file-damaged", f"cannot be read ({reason})")


def reading(file: Any, where: str) -> io.BufferedReader:
    """The file with its errors told, fetched in parts of `BUFFER` bytes."""
    return io.BufferedReader(_Raw(file, where), BUFFER)


class _Raw(io.RawIOBase):
    """Bytes of a remote file; a cut connection is no end of file."""

    def __init__(self, file: Any, where: str) -> None:
        self._file, self._where = file, where

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with told(self._where):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with told(self._where):
            self._file.seek(offset, whence)
            return int(self._file.tell())

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
