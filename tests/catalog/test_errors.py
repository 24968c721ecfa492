"""Kinds are part of the API: one that was released keeps its class, its HTTP status and its exit code."""

from __future__ import annotations

import pytest

from catalog import errors

LOCKED = {
    errors.Invalid: (
        422,
        2,
        (
            "document-invalid envelope-invalid evidence-aggregate evidence-invalid evidence-origin evidence-subject "
            "evidence-time idempotency-reused input-invalid model-invalid path-missing path-unreadable policy-invalid "
            "dataset-unreadable robot-invalid settings-invalid suite-invalid release-invalid device-report-invalid "
            "lineage-event-invalid report-invalid trust-invalid"
        ),
    ),
    errors.Unauthorised: (401, 77, "token-invalid token-missing"),
    errors.Refused: (
        403,
        3,
        (
            "clock-back line-not-enrolled decision-blocked decision-expired decision-mismatch environment-refused plan-refused "
            "policy-missing role-missing separation-of-duties signature-invalid signer-not-enrolled approvals-missing release-denied "
            "no-release-allowed policy-too-weak report-untrusted report-superseded not-reproducible"
        ),
    ),
    errors.Absent: (
        404,
        4,
        (
            "dataset-unknown decision-unknown ingest-unknown model-unknown no-approved-version node-unknown "
            "operation-unknown plan-unknown run-unknown version-unknown release-unknown device-unknown recall-unknown "
            "key-unknown policy-unknown evidence-unknown"
        ),
    ),
    errors.Conflict: (
        409,
        5,
        (
            "already-exists home-locked main-undecided merge-conflict merge-undecided operation-cancelled operation-running "
            "port-in-use version-outdated release-outdated recall-outdated"
        ),
    ),
    errors.Unavailable: (
        503,
        6,
        (
            "disk-full home-not-initialised part-missing service-unreachable store-refused "
            "store-unreachable key-unreachable"
        ),
    ),
    errors.Damaged: (
        500,
        7,
        (
            "audit-damaged digest-mismatch home-damaged home-newer internal-error listing-mismatch records-damaged "
            "repository-damaged report-damaged"
        ),
    ),
}
CASES = [(cls, status, code, kind) for cls, (status, code, kinds) in LOCKED.items() for kind in kinds.split()]


@pytest.mark.parametrize(("cls", "status", "code", "kind"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_released_kind_stays_what_it_is(cls: type[errors.AssayError], status: int, code: int, kind: str) -> None:
    error = errors.from_kind(kind, "what", where="where", do="do")
    assert type(error) is cls
    assert (error.status, error.exit_code) == (status, code)
    assert str(error) == "what (where) → do"


def test_every_class_is_locked_and_no_kind_belongs_to_two() -> None:
    assert set(errors.CLASSES) == set(LOCKED)
    kinds = [kind for cls in errors.CLASSES for kind in cls.kinds]
    assert len(kinds) == len(set(kinds))
    assert all(kind == kind.lower() and set(kind) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for kind in kinds)


def test_a_kind_of_another_class_is_a_defect_in_the_program() -> None:
    with pytest.raises(ValueError, match="no kind of Invalid"):
        errors.Invalid("store-unreachable", "what")
    with pytest.raises(ValueError, match="unknown kind"):
        errors.from_kind("made-up", "what")
