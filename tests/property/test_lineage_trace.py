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


@settings(deadline=None, max_examples=150)
@given(
    st.sets(
        st.tuples(
            st.sampled_from(NODES),
            st.sampled_from(NODES),
            st.sampled_from(["contains", "derived-from", "selected-from"]),
            st.sampled_from(["2026", "2027", "2028"]),
        ),
        max_size=25,
    ),
    st.sets(st.sampled_from(NODES), min_size=1, max_size=3),
    st.sampled_from(["up", "down"]),
    st.sampled_from([None, "2026", "2027"]),
)
def test_what_is_reached_hangs_on_a_shortest_path(
    engine: Engine,
    found: set[tuple[str, str, str, str]],
    starts: set[str],
    direction: Literal["up", "down"],
    as_of: str | None,
) -> None:
    """Every edge that ever held, ended or not, but those that are not followed or came later."""
    followed = {
        (src, dst, kind) if direction == "down" else (dst, src, kind)
        for src, dst, kind, at in found
        if kind != "selected-from" and (as_of is None or at <= as_of)
    }
    depths, pending = dict.fromkeys(starts, 0), deque(starts)
    while pending:
        node = pending.popleft()
        for near, far, _ in followed:
            if near == node and far not in depths:
                depths[far] = depths[node] + 1
                pending.append(far)
    with engine.connect() as c, c.begin() as transaction:
        for src, dst, kind, at in found:
            row = {"src": src, "dst": dst, "kind": kind, "valid_from": at, "valid_to": at}
            c.execute(insert(tables.edge).values(asserted_by="catalog", **row))
        tree: graph.Tree = dict.fromkeys(sorted(starts))
        graph.extend(c, tree, list(tree), skipped={"selected-from"}, as_of=as_of, direction=direction)
        again: graph.Tree = dict.fromkeys(sorted(starts, reverse=True))
        graph.extend(c, again, list(again), skipped={"selected-from"}, as_of=as_of, direction=direction)
        transaction.rollback()
    assert tree == again
    assert tree.keys() == depths.keys()
    for node, nearer in tree.items():
        assert (nearer is None) == (node in starts)
        if nearer is not None:
            assert depths[nearer[0]] + 1 == depths[node]
            assert (nearer[0], node, nearer[1]) in followed
