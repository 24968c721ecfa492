"""The recursive query against a walk in Python: the same edges at the same depth, cycles and limits included."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, insert
from sqlalchemy.pool import StaticPool

from catalog.db import graph, tables

NODES = [*(f"urn:assay:version:n{i}" for i in range(6)), *(f"urn:assay:episode:e{i}" for i in range(3))]
NODES.append("urn:assay:fingerprint:f0")
Edges = set[tuple[str, str, str]]
edges = st.sets(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.sampled_from(["contains", "derived-from"])),
    max_size=25,
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    found = create_engine("sqlite://", poolclass=StaticPool)
    tables.edge.create(found)
    yield found
    found.dispose()


def hidden(node: str) -> bool:
    return node.startswith(("urn:assay:episode:", "urn:assay:fingerprint:"))


def walk(found: Edges, start: str, direction: str, depth: int, episodes: bool) -> set[tuple[str, str, str, int]]:
    """Breadth first; a node is expanded once, at its smallest depth."""
    seen, pending = {start: 0}, deque([start])
    out = set()
    while pending:
        node = pending.popleft()
        if seen[node] == depth:
            continue
        for src, dst, kind in found:
            near, far = (src, dst) if direction == "down" else (dst, src)
            if near != node or (hidden(far) and not episodes):
                continue
            out.add((src, dst, kind, seen[node]))
            if far not in seen:
                seen[far] = seen[node] + 1
                pending.append(far)
    return out


@settings(deadline=None, max_examples=150)
@given(edges, st.sampled_from(NODES), st.sampled_from(["up", "down"]), st.integers(1, 6), st.booleans())
def test_the_query_is_the_walk(
    engine: Engine, found: Edges, start: str, direction: Literal["up", "down"], depth: int, episodes: bool
) -> None:
    with engine.connect() as c, c.begin() as transaction:
        for src, dst, kind in found:
            for valid_from, valid_to in (("2026", "2027"), ("2028", None)):
                row = {"src": src, "dst": dst, "kind": kind, "valid_from": valid_from, "valid_to": valid_to}
                c.execute(insert(tables.edge).values(asserted_by="catalog", **row))
        reached, cut = graph.trace(c, start, direction, depth=depth, limit=1000, episodes=episodes)
        some, cut_some = graph.trace(c, start, direction, depth=depth, limit=3, episodes=episodes)
        transaction.rollback()
    assert len(reached) == len(set(reached))
    assert set(reached) == walk(found, start, direction, depth, episodes)
    assert not cut
    assert (some, cut_some) == (reached[:3], len(reached) > 3)
