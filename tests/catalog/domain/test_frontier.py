"""The frontier's root is the Merkle tree hash of RFC 6962, section 2.1, after every append."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.audit import Frontier


def reference(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, word for word."""
    n = len(leaves)
    if n == 0:
        return hashlib.sha256(b"").digest()
    if n == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < n:
        k *= 2
    return hashlib.sha256(b"\x01" + reference(leaves[:k]) + reference(leaves[k:])).digest()


def frontier(leaves: list[bytes]) -> Frontier:
    state = Frontier()
    for leaf in leaves:
        state = state.append(leaf)
    return state


@given(st.lists(st.binary(max_size=6), max_size=70))
@settings(deadline=None)
def test_root_is_the_reference_root(leaves: list[bytes]) -> None:
    state = frontier(leaves)
    assert state.root() == "sha256:" + reference(leaves).hex()
    assert state.size == len(leaves)
    assert len(state.nodes) == bin(len(leaves)).count("1")


def test_every_size_up_to_130_and_every_step_between() -> None:
    leaves = [bytes([i]) for i in range(130)]
    state = Frontier()
    for size, leaf in enumerate(leaves, start=1):
        state = state.append(leaf)
        assert state.root() == "sha256:" + reference(leaves[:size]).hex()


def test_the_public_vectors_of_certificate_transparency() -> None:
    leaves = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", b"PQRSTUVW", b"`abcdefghijklmno"]
    leaves[6] = bytes(range(0x50, 0x58))
    leaves[7] = bytes(range(0x60, 0x70))
    assert frontier(leaves[:1]).root().endswith("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
    assert frontier(leaves).root().endswith("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
@settings(deadline=None)
def test_another_history_has_another_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves]
    changed[at] = leaves[at] + b"!"
    assert frontier(changed).root() != frontier(leaves).root()
    assert frontier(leaves[:at] + leaves[at + 1 :]).root() != frontier(leaves).root()


def test_appending_leaves_the_old_state_alone() -> None:
    before = frontier([b"a", b"b", b"c"])
    root = before.root()
    before.append(b"d")
    assert before.root() == root


@pytest.mark.parametrize("size", [0, 1, 2, 3, 64, 65])
def test_a_stored_frontier_continues(size: int) -> None:
    leaves = [bytes([i]) for i in range(size)]
    stored = Frontier.parse(frontier(leaves).canonical())
    assert stored.append(b"next").root() == frontier([*leaves, b"next"]).root()
