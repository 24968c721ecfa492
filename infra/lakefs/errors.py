"""Every refusal of the server: one class an HTTP status, a stable `kind` for programs, a sentence for people.

The API answers `{"message": …}` as lakeFS does and puts the kind into the header `x-error-kind`.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import ClassVar


class LakeFSError(Exception):
    """Base of all refusals; `str()` is the sentence for people."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"


class InvalidError(LakeFSError):
    status, kind = 400, "invalid"


class UnauthenticatedError(LakeFSError):
    status, kind = 401, "unauthenticated"


class ForbiddenError(LakeFSError):
    status, kind = 403, "forbidden"


class NotFoundError(LakeFSError):
    status, kind = 404, "not-found"


class NoObjectError(NotFoundError):
    """Nothing is at a path."""


class ConflictError(LakeFSError):
    status, kind = 409, "conflict"


class PreconditionError(LakeFSError):
    status, kind = 412, "precondition"


class TooLargeError(LakeFSError):
    status, kind = 413, "too-large"


class DamagedError(LakeFSError):
    """A stored file does not hold what its name says."""

    status, kind = 500, "damaged"


class NotOfferedError(LakeFSError):
    status, kind = 501, "not-offered"


class BusyError(LakeFSError):
    """Not possible now; nothing was changed: repeat."""

    status, kind = 503, "busy"


class StorageFullError(LakeFSError):
    status, kind = 507, "storage-full"


class HomeError(Exception):
    """Nothing can be done with this home, folder or port as it is."""


class HomeTakenError(HomeError):
    """Another server has the home."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def storage_error(error: OSError | sqlite3.Error) -> LakeFSError:
    """What a failure of the disk means for the caller; the old state holds in each case."""
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return StorageFullError(
                f"the store cannot write ({error.strerror}); nothing was changed: free space, repeat"
            )
        return LakeFSError(f"the store cannot reach its files ({error.strerror}); nothing was changed")
    if isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in ("full", "I/O", "readonly")):
        return StorageFullError(f"the store cannot write ({error}); nothing was changed: free space, repeat")
    return LakeFSError(f"the store's database refused ({error}); nothing was changed")
