"""The lineage graph in SQL: `edge(src, dst, kind)` says that src was used to make dst; both ways indexed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, literal, literal_column, select, text

from catalog.db.tables import edge

Direction = Literal["up", "down"]
Tree = dict[str, tuple[str, str] | None]  # node: its neighbour nearer to a start and the edge's kind, None for a start
EPISODES = ("urn:assay:episode:%", "urn:assay:fingerprint:%")


def trace(
    connection: Connection, start: str, direction: Direction, *, depth: int, limit: int, episodes: bool
) -> tuple[list[tuple[str, str, str, int]], bool]:
    """Edges reached from `start` as (src, dst, kind, depth), nearest first, and whether the limit cut them.

    Edges that once held are followed too. Without `episodes`, episodes and fingerprints are left out, unless the walk
    begins at one.
    """
    near, far = (edge.c.src, edge.c.dst) if direction == "down" else (edge.c.dst, edge.c.src)
    kept: list[ColumnElement[bool]] = [] if episodes else [far.not_like(pattern) for pattern in EPISODES]
    reached = select(literal(start).label("node"), literal(0).label("depth")).cte("reached", recursive=True)
    step = select(far, reached.c.depth + 1).join(reached, near == reached.c.node)
    reached = reached.union(step.where(reached.c.depth < depth, *kept))
    nodes = select(reached.c.node, func.min(reached.c.depth).label("depth")).group_by(reached.c.node).subquery()
    found = connection.execute(
        select(edge.c.src, edge.c.dst, edge.c.kind, nodes.c.depth)
        .join(nodes, near == nodes.c.node)
        .where(nodes.c.depth < depth, *kept)
        .distinct()
        .order_by(nodes.c.depth, edge.c.src, edge.c.dst, edge.c.kind)
        .limit(limit + 1)
    ).all()
    return [(r.src, r.dst, r.kind, r.depth) for r in found[:limit]], len(found) > limit


def extend(
    connection: Connection,
    tree: Tree,
    frontier: Iterable[str],
    *,
    skipped: Collection[str],
    as_of: str | None = None,
    direction: Direction = "down",
    episodes: bool = True,
) -> None:
    """Add to the tree all that is reached from the frontier, breadth first, over every edge that ever held.

    Each node is walked once and hangs on the shortest path to it; of several, the first by the bytes of its names.
    `skipped` kinds are not followed; `as_of` leaves out edges that were asserted later.
    """
    near, far = (edge.c.src, edge.c.dst) if direction == "down" else (edge.c.dst, edge.c.src)
    level = _values(connection)
    place: ColumnElement[int] = literal_column("level.place")
    query = select(place, far, edge.c.kind).select_from(level.join(edge, near == literal_column("level.value")))
    query = query.where(edge.c.kind.not_in(sorted(skipped)))
    if as_of is not None:
        query = query.where(edge.c.valid_from <= as_of)
    if not episodes:
        query = query.where(*(far.not_like(pattern) for pattern in EPISODES))
    while frontier := sorted(frontier):
        found: dict[str, tuple[int, str]] = {}  # the place in the frontier, which sorts as its name does, and the kind
        for number, following, kind in _rows(connection, query, frontier):
            if following in tree:
                continue
            known = found.get(following)
            if known is None or number < known[0] or (number == known[0] and kind < known[1]):
                found[following] = (number, kind)
        tree.update({node: (frontier[number], kind) for node, (number, kind) in found.items()})
        frontier = found


def _rows(connection: Connection, query: Select[Any], names: list[str]) -> Sequence[tuple[int, str, str]]:
    """The driver's own rows; there may be tens of thousands, and wrapping each would cost a tenth of the walk."""
    with closing(connection.execute(query, {"level": json.dumps(names)})) as result:
        return result.cursor.fetchall() if result.cursor is not None else ()


def parts(connection: Connection, wholes: Iterable[str], *, as_of: str | None = None) -> list[tuple[str, str]]:
    """What these wholes contain, as (whole, part), ordered; against the direction of the edges."""
    return sorted((whole, part) for part, whole in into(connection, wholes, "contains", as_of=as_of))


def into(connection: Connection, nodes: Iterable[str], kind: str, *, as_of: str | None = None) -> list[tuple[str, str]]:
    """The edges of a kind that end at these nodes, as (src, dst), ordered."""
    level = _values(connection)
    query = select(edge.c.src, edge.c.dst).select_from(level.join(edge, edge.c.dst == literal_column("level.value")))
    query = query.where(edge.c.kind == kind)
    if as_of is not None:
        query = query.where(edge.c.valid_from <= as_of)
    rows = connection.execute(query, {"level": json.dumps(list(nodes))})
    return sorted({(row.src, row.dst) for row in rows})


def _values(connection: Connection) -> FromClause:
    """The names in the parameter `level`, a JSON list, as a table `level` of `value` and `place` in the list."""
    names = (
        "select value, number - 1 as place "
        "from json_array_elements_text(cast(:level as json)) with ordinality as names(value, number)"
    )
    if connection.dialect.name == "sqlite":
        names = "select value, key as place from json_each(:level)"
    return text(names).columns(literal_column("value"), literal_column("place")).subquery("level")
