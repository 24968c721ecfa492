"""What may be used for nothing any more: quarantined content under any name, and whatever a recall reached.

Reads only. A fingerprint that a recall reached in a local folder blocks like a quarantined one once it is registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from catalog.db import graph, records, tables
from catalog.domain.base import utc_text
from catalog.domain.dataset import Quarantine
from catalog.domain.model import Model
from catalog.domain.recall import Recall
from catalog.policy.floor_facts import QuarantinedEpisode, RecalledNode
from catalog.services.context import Context
from lineage import urn
from lineage.kinds import RULES, NodeKind

MANY = 500
UNFOLLOWED = frozenset(kind.value for kind, rule in RULES.items() if not rule.recalled)


def quarantined(context: Context, digests: Mapping[str, str]) -> tuple[QuarantinedEpisode, ...]:
    """The quarantined episodes among fingerprints and object digests; `digests` says in what each was found."""
    t, found, wanted = tables.quarantined, [], sorted(digests)
    with context.records.read() as c:
        reasons = {q.id: q for q in records.many(c, tables.quarantine, Quarantine, order="id")}
        for first in range(0, len(wanted), MANY):
            rows = c.execute(select(t).where(t.c.digest.in_(wanted[first : first + MANY])).order_by(t.c.digest))
            found += [
                QuarantinedEpisode(
                    dataset=reasons[row.quarantine].dataset,
                    root=row.root,
                    index=row.number,
                    found_by=row.of,
                    found_in=digests[row.digest][-200:],
                    reason=reasons[row.quarantine].reason,
                )
                for row in rows
            ]
    unique = {(q.dataset, q.root, q.index, q.found_in): q for q in reversed(found)}
    return tuple(unique[key] for key in sorted(unique))


def recalled(
    context: Context, nodes: Mapping[str, str], weights: frozenset[str], as_of: datetime | None = None
) -> tuple[RecalledNode, ...]:
    """The recalled ones among these nodes and all they descend from, and recalled models with any of these weights.

    `nodes` says what each is called. The walk upstream leaves out episodes: they are blocked by their fingerprints.
    `as_of` leaves out what descends, or is a model, by a word that came later; what was recalled later is found.
    """
    with context.records.read() as c:
        tree: graph.Tree = dict.fromkeys(nodes)
        at = utc_text(as_of) if as_of is not None else None
        graph.extend(c, tree, list(nodes), skipped=UNFOLLOWED, as_of=at, direction="up", episodes=False)
        found = {node: _called(node, nodes) for node in _revoked_among(c, tree)}
        for model in _revoked_models(c):
            if weights & model.manifest.weights() and (as_of is None or model.registered_at <= as_of):
                found.setdefault(str(urn.model(model.digest_)), f"the weights of model {model.manifest.name}")
        return tuple(_node(c, node, name) for node, name in sorted(found.items()))


def _called(node: str, nodes: Mapping[str, str]) -> str:
    return nodes.get(node) or f"{node.removeprefix(urn.PREFIX)[:100]}, which it descends from"


def _revoked_among(connection: Connection, nodes: Iterable[str]) -> list[str]:
    t, wanted, found = tables.revoked.c, sorted(nodes), list[str]()
    for first in range(0, len(wanted), MANY):
        found += connection.execute(select(t.urn).where(t.urn.in_(wanted[first : first + MANY])).distinct()).scalars()
    return found


def _revoked_models(connection: Connection) -> list[Model]:
    t = tables.revoked.c
    prefix = f"{urn.PREFIX}{NodeKind.MODEL}:"
    names = connection.execute(select(t.urn).where(t.urn.like(f"{prefix}%")).distinct()).scalars().all()
    found = [records.one(connection, tables.model, Model, digest=urn.parse(name).digest) for name in names]
    return [model for model in found if model is not None]


def _node(connection: Connection, node: str, name: str) -> RecalledNode:
    """With the newest recall that reached it."""
    identity = (
        connection.execute(
            select(tables.revoked.c.recall).where(tables.revoked.c.urn == node).order_by(tables.revoked.c.recall.desc())
        )
        .scalars()
        .first()
    )
    recall = records.one(connection, tables.recall, Recall, id=identity)
    if recall is None:
        raise LookupError(f"{node} is revoked by a recall that is not recorded")
    return RecalledNode(urn=node, name=name[:200], recall=recall.id, what=recall.what[:200], reason=recall.reason)
