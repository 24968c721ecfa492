"""One error tree; a class is what a handler does, a kind is what happened, and kinds are only ever added.

Every error says what is wrong, where, and what to do. The kinds are part of the API (RFC 9457 `type`)
and are locked by a test.
"""

from __future__ import annotations

from typing import ClassVar


class AssayError(Exception):
    """Base of all errors that are shown to people; never raised itself."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 70
    kinds: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, kind: str, what: str, *, where: str = "", do: str = "") -> None:
        if kind not in self.kinds:
            raise ValueError(f"{kind!r} is no kind of {type(self).__name__}")
        super().__init__(what)
        self.kind, self.what, self.where, self.do = kind, what, where, do

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.what}{where}" + (f" → {self.do}" if self.do else "")


class Invalid(AssayError):
    """The input is wrong; the same call will never work."""

    status, exit_code = 422, 2
    kinds = frozenset(
        {
            "input-invalid",
            "path-missing",
            "path-unreadable",
            "dataset-unreadable",
            "document-invalid",
            "policy-invalid",
            "evidence-invalid",
            "evidence-subject",
            "evidence-aggregate",
            "evidence-origin",
            "evidence-time",
            "envelope-invalid",
            "model-invalid",
            "robot-invalid",
            "suite-invalid",
            "settings-invalid",
            "idempotency-reused",
            "release-invalid",
            "device-report-invalid",
            "lineage-event-invalid",
            "report-invalid",
            "trust-invalid",
        }
    )


class Unauthorised(AssayError):
    """The caller is not known."""

    status, exit_code = 401, 77
    kinds = frozenset({"token-missing", "token-invalid"})


class Refused(AssayError):
    """A law, a role or a verdict says no; nothing was changed."""

    status, exit_code = 403, 3
    kinds = frozenset(
        {
            "role-missing",
            "signature-invalid",
            "signer-not-enrolled",
            "separation-of-duties",
            "decision-blocked",
            "decision-expired",
            "decision-mismatch",
            "policy-missing",
            "plan-refused",
            "environment-refused",
            "clock-back",
            "line-not-enrolled",
            "approvals-missing",
            "release-denied",
            "no-release-allowed",
            "policy-too-weak",
            "report-untrusted",
            "report-superseded",
            "not-reproducible",
        }
    )


class Absent(AssayError):
    """Something named is not there."""

    status, exit_code = 404, 4
    kinds = frozenset(
        {
            "dataset-unknown",
            "ingest-unknown",
            "version-unknown",
            "model-unknown",
            "run-unknown",
            "plan-unknown",
            "decision-unknown",
            "operation-unknown",
            "node-unknown",
            "no-approved-version",
            "release-unknown",
            "device-unknown",
            "recall-unknown",
            "key-unknown",
            "policy-unknown",
            "evidence-unknown",
        }
    )


class Conflict(AssayError):
    """The state moved or is taken; look again and retry."""

    status, exit_code = 409, 5
    kinds = frozenset(
        {
            "version-outdated",
            "already-exists",
            "merge-conflict",
            "operation-running",
            "operation-cancelled",
            "main-undecided",
            "home-locked",
            "port-in-use",
            "merge-undecided",
            "release-outdated",
            "recall-outdated",
        }
    )


class Unavailable(AssayError):
    """Something outside failed; the state is the old one and trying again may work."""

    status, exit_code = 503, 6
    kinds = frozenset(
        {
            "store-unreachable",
            "store-refused",
            "service-unreachable",
            "disk-full",
            "part-missing",
            "home-not-initialised",
            "key-unreachable",
        }
    )


class Damaged(AssayError):
    """Bytes or records are not what they were; stop and look."""

    status, exit_code = 500, 7
    kinds = frozenset(
        {
            "digest-mismatch",
            "listing-mismatch",
            "audit-damaged",
            "home-newer",
            "home-damaged",
            "records-damaged",
            "repository-damaged",
            "report-damaged",
            "internal-error",
        }
    )


CLASSES: tuple[type[AssayError], ...] = (Invalid, Unauthorised, Refused, Absent, Conflict, Unavailable, Damaged)


def from_kind(kind: str, what: str, *, where: str = "", do: str = "") -> AssayError:
    """The error of this kind; the way an error crosses HTTP unchanged."""
    for cls in CLASSES:
        if kind in cls.kinds:
            return cls(kind, what, where=where, do=do)
    raise ValueError(f"unknown kind {kind!r}: {what}")
