"""A head is read as it is written, and nothing else is taken for one; keys say why they do not count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.domain.audit import AuditEntry, AuditHead
from catalog.domain.enrolment import KeyView
from catalog.domain.principal import Key
from catalog.errors import Invalid
from tests.ui.conftest import HOSTILE
from tests.ui.test_viewmodel_fleet import device
from ui.viewmodels import audit, keys

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = f"sha256:{'d' * 64}"


def entry(seq: int, action: str, subject: str, **details: object) -> AuditEntry:
    return AuditEntry(seq=seq, at=AT, actor="steward", action=action, subject=subject, details=details, prev=DIGEST)


@given(st.integers(0, 10**12 - 1), st.binary(min_size=32, max_size=32))
def test_a_head_is_read_as_it_was_written(size: int, root: bytes) -> None:
    head = AuditHead(size=size, root=f"sha256:{root.hex()}")
    assert audit.read(f"  {audit.written(head)}\n") == head


@pytest.mark.parametrize(
    "text", ["", "9", f"9:{'d' * 64}", f"9:{DIGEST}0", f"-1:{DIGEST}", f"9 {DIGEST}", HOSTILE, f"９:{DIGEST}"]
)
def test_nothing_else_is_a_head(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        audit.read(text)
    assert refused.value.kind == "input-invalid"
    assert "SIZE" in refused.value.do


def test_entries_are_found_by_action_subject_actor_and_details_newest_first() -> None:
    log = [entry(0, "key.enrol", "a"), entry(1, "recall", HOSTILE, reason="Gripper"), entry(2, "recall", "b")]
    assert [r["entry"] for r in audit.entry_rows(log, "", "")] == [2, 1, 0]
    assert [r["entry"] for r in audit.entry_rows(log, "recall", "")] == [2, 1]
    assert [r["entry"] for r in audit.entry_rows(log, "", "gripper ")] == [1]
    assert [r["entry"] for r in audit.entry_rows(log, "", "EVIL.example")] == [1]
    assert audit.entry_rows(log, "key.enrol", "b") == []
    assert audit.actions(log) == ["key.enrol", "recall"]


def test_what_was_not_compared_is_not_said_to_fit() -> None:
    head = AuditHead(size=3, root=DIGEST)
    seen = device("a").newest
    assert seen is not None
    views = [
        device("a").model_copy(update={"newest": seen.model_copy(update={"seen": head})}),
        device("b", heard=False),
    ]
    heads = audit.kept(views)
    assert [k.device for k in heads] == ["a"]
    assert audit.kept_rows(heads, {})[0]["compared"] == ["not compared"]
    assert audit.kept_rows(heads, {audit.written(head): "does not fit"})[0]["compared"] == ["does not fit"]


def test_a_key_that_does_not_count_says_why() -> None:
    key = Key(
        keyid="a" * 64, public="b" * 64, role="approver", principal="approver-1", enrolled_by="init", enrolled_at=AT,
        expires_at=AT + timedelta(days=1), revoked_at=AT, compromised=True,
    )  # fmt: skip
    good, bad = (
        KeyView(key=key.model_copy(update={"role": "steward", "revoked_at": None, "compromised": False}), why_not=""),
        KeyView(key=key, why_not="was revoked"),
    )
    rows = keys.key_rows([good, bad])
    assert [(r["role"], r["today"], r["why not"]) for r in rows] == [
        ("approver", ["does not count"], "was revoked, compromised"),
        ("steward", ["counts"], ""),
    ]
