"""One error tree of the device; a class is what a handler does, a kind is what happened, kinds are only ever added."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class EdgeError(Exception):
    """Base of all errors shown to people; never raised itself. Says what is wrong, and what to do."""

    exit_code: ClassVar[int] = 70
    kinds: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, kind: str, what: str, do: str = "") -> None:
        if kind not in self.kinds:
            raise ValueError(f"{kind!r} is no kind of {type(self).__name__}")
        super().__init__(what)
        self.kind, self.what, self.do = kind, what, do

    def __str__(self) -> str:
        return self.what + (f" → {self.do}" if self.do else "")


class Invalid(EdgeError):
    """What was given is wrong; the same call will never work."""

    exit_code = 2
    kinds = frozenset({"input-invalid", "root-invalid"})


class Refused(EdgeError):
    """The device says no; what runs and what is installed did not change."""

    exit_code = 3
    kinds = frozenset(
        {
            "root-digest-mismatch",
            "metadata-unsigned",
            "metadata-replayed",
            "metadata-mixed",
            "metadata-expired",
            "metadata-invalid",
            "document-invalid",
            "class-mismatch",
            "environment-mismatch",
            "hardware-mismatch",
            "manifest-mismatch",
            "release-unlisted",
            "release-denied",
            "release-not-chosen",
            "no-release-allowed",
            "nothing-installed",
            "lease-expired",
            "lease-too-long",
            "issued-in-future",
            "clock-back",
            "audit-head-older",
            "audit-head-differs",
            "format-unsafe",
            "file-extra",
            "file-missing",
            "file-changed",
            "safe-state-failed",
            "unhealthy",
        }
    )


class Conflict(EdgeError):
    """Something else holds it; look, and try again."""

    exit_code = 5
    kinds = frozenset({"home-busy", "already-provisioned"})


class Unavailable(EdgeError):
    """Something outside failed; the state is the old one and trying again may work."""

    exit_code = 6
    kinds = frozenset(
        {
            "not-provisioned",
            "source-missing",
            "source-unreachable",
            "source-refused",
            "source-incomplete",
            "report-refused",
            "command-failed",
            "disk-full",
            "disk-failed",
        }
    )


class Damaged(EdgeError):
    """The device's own records are not what they were; nothing starts until somebody looks."""

    exit_code = 7
    kinds = frozenset({"home-damaged", "state-damaged"})


CLASSES: tuple[type[EdgeError], ...] = (Invalid, Refused, Conflict, Unavailable, Damaged)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@contextmanager
def disk() -> Iterator[None]:
    """Say failures of the device's disk as errors of the device."""
    try:
        yield
    except OSError as error:
        said = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror or error)
        if error.errno in FULL:
            what = f"the disk cannot take what has to be written ({said}); nothing was changed"
            raise Unavailable("disk-full", what, "free space, then repeat") from error
        raise Unavailable("disk-failed", f"the disk refused ({said})", "look at the disk, then repeat") from error
