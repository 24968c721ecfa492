"""Inclusion and consistency proofs of RFC 6962: all that are true hold, and what is bent does not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.audit import GENESIS, AuditEntry, AuditHead, Frontier
from catalog.domain.merkle import Consistency, Inclusion, Tree

AT = datetime(2026, 1, 1, tzinfo=UTC)
WRONG = "sha256:" + "0" * 64


def log(size: int, mark: str = "") -> list[AuditEntry]:
    """A chained log."""
    made: list[AuditEntry] = []
    prev = GENESIS
    for seq in range(size):
        made.append(AuditEntry(seq=seq, at=AT, actor="a", action="act", subject=f"{mark}{seq}", prev=prev))
        prev = made[-1].hash()
    return made


def tree(entries: list[AuditEntry]) -> Tree:
    return Tree(e.canonical() for e in entries)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33])
def test_every_prefix_has_the_root_that_the_log_had_then(size: int) -> None:
    entries, frontier = log(size), Frontier()
    made = tree(entries)
    assert made.head(0) == AuditHead(size=0, root=frontier.root())
    for entry in entries:
        frontier = frontier.append(entry.canonical())
        assert made.head(frontier.size) == AuditHead(size=frontier.size, root=frontier.root())


@pytest.mark.parametrize("size", range(1, 20))
def test_every_entry_and_every_earlier_head_is_proven(size: int) -> None:
    entries = log(size)
    made = tree(entries)
    for end in range(1, size + 1):
        head = made.head(end)
        assert all(made.inclusion(e, end).holds(head) for e in entries[:end])
        assert all(made.consistency(since, end).holds(head) for since in range(end + 1))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(2, 200))
def test_no_bent_proof_holds(data: st.DataObject, size: int) -> None:
    entries = log(size)
    made, forked = tree(entries), tree([*log(size)[:-1], log(size, "fork")[-1]])
    head = made.head(size)
    at = data.draw(st.integers(0, size - 1))
    proof = made.inclusion(entries[at], size)
    other = log(size, "other")[at]
    assert not Inclusion(entry=other, path=proof.path).holds(head)
    assert not Inclusion(entry=entries[at], path=proof.path[1:]).holds(head)
    assert not Inclusion(entry=entries[at], path=(*proof.path, WRONG)).holds(head)
    if proof.path:
        step = data.draw(st.integers(0, len(proof.path) - 1))
        bent = (*proof.path[:step], WRONG, *proof.path[step + 1 :])
        assert not Inclusion(entry=entries[at], path=bent).holds(head)
    assert not proof.holds(forked.head(size))
    since = data.draw(st.integers(1, size - 1))
    grown = made.consistency(since, size)
    assert grown.holds(head)
    assert not grown.holds(forked.head(size)) or since == size
    assert not Consistency(since=AuditHead(size=since, root=WRONG), path=grown.path).holds(head)
    assert not Consistency(since=grown.since, path=grown.path[:-1]).holds(head)
    assert not Consistency(since=grown.since, path=(*grown.path, WRONG)).holds(head)


def test_a_fork_and_a_shorter_log_do_not_continue() -> None:
    old, forked = tree(log(5)), tree(log(9, "fork"))
    for path in (forked.consistency(5, 9).path, tree(log(9)).consistency(5, 9).path):
        assert not Consistency(since=old.head(5), path=path).holds(forked.head(9))
    assert not Consistency(since=tree(log(9)).head(9), path=()).holds(old.head(5))
    with pytest.raises(ValueError, match="do not continue"):
        old.consistency(6, 5)
    with pytest.raises(ValueError, match="not among"):
        old.inclusion(log(6)[5], 5)
