"""The lineage graph in SQL: `edge(src, dst, kind)` says that src was used to make dst; both ways indexed."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import ColumnElement, Connection, func, literal, select

from catalog.db.tables import edge

Direction = Literal["up", "down"]
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
