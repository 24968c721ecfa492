"""What a recall reaches: from what is called back, over every edge that ever held, to all that was made with it.

A whole (dataset, version, folder) is called back with each of its parts; so is one that another system says was made
from what is called back. Reads one connection only, so that a recall computes it inside its own transaction.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import get_args

from sqlalchemy import Connection, or_, select

from catalog.db import graph, records, tables
from catalog.domain.base import canonical, sha256, utc_text
from catalog.domain.model import Model
from catalog.domain.recall import Group, Hop, Reach, Reached
from catalog.errors import Absent, Invalid
from catalog.services.labels import labels
from catalog.services.revoked import UNFOLLOWED
from lineage import urn
from lineage.errors import LineageError
from lineage.kinds import EdgeKind, NodeKind

GROUPS: tuple[Group, ...] = get_args(Group)
ACTED_ON = frozenset(GROUPS) - {"decision", "other"}
FIRST, LAST = 8, 16  # hops of a long path that are shown: else who reports a chain could make a recall too large to do
WHOLES = (NodeKind.DATASET, NodeKind.VERSION, NodeKind.FOLDER)
EPISODE = re.compile(r"([a-z0-9-]+)/([a-z0-9-]+)/([0-9]{1,9})")
FORMS = "a URN, a dataset, dataset@tag, a model, a run, rig:NAME, robot:NAME, site:NAME or episode:DATASET/INGEST/INDEX"


def reach(connection: Connection, what: str, as_of: datetime | None = None) -> Reach:
    """All that is reached, each with the shortest path to it; nothing is done. Raises `Absent` and `Invalid`."""
    start = starts(connection, what)
    at = utc_text(as_of) if as_of is not None else None
    tree = _walk(connection, start, at)
    if not any(_exists(connection, node) for node in start):
        raise Absent("node-unknown", f"the lineage has no {what!r}", do=f"give {FORMS}")
    reached = _reached(connection, tree)
    acted_on = sorted(r.urn for r in reached if r.group in ACTED_ON)
    return Reach(
        what=what,
        start=start,
        reached=reached,
        counts=_counts(reached),
        as_of=as_of,
        plan=sha256(canonical({"as_of": at, "start": list(start), "reached": acted_on})),
    )


def releases_from(connection: Connection, nodes: list[str]) -> list[str]:
    """The ids of all releases reached from these nodes."""
    tree: graph.Tree = dict.fromkeys(nodes)
    graph.extend(connection, tree, nodes, skipped=UNFOLLOWED)
    return [urn.parse(node).parts[0] for node in tree if kind_of(node) is NodeKind.RELEASE]


def kind_of(node: str) -> NodeKind:
    """The kind of a node, from its URN."""
    return NodeKind(node.split(":", 3)[2])


def _walk(connection: Connection, start: tuple[str, ...], at: str | None) -> graph.Tree:
    tree: graph.Tree = dict.fromkeys(start)
    frontier = [*start, *_parts(connection, tree, list(start), at)]
    told: set[str] = set()
    while frontier:
        graph.extend(connection, tree, frontier, skipped=UNFOLLOWED, as_of=at)
        new = _told(connection, tree, at) - told
        told |= new
        frontier = _parts(connection, tree, sorted(new), at)
    return tree


def _told(connection: Connection, tree: graph.Tree, at: str | None) -> set[str]:
    """The wholes that another system made from what is reached, also where a shorter path came to them first."""
    wholes = [node for node in tree if kind_of(node) in WHOLES]
    return {whole for src, whole in graph.into(connection, wholes, EdgeKind.REPORTED.value, as_of=at) if src in tree}


def _parts(connection: Connection, tree: graph.Tree, wholes: list[str], at: str | None) -> list[str]:
    """Hang the parts of these wholes, and theirs, on the tree; those that are new."""
    new: list[str] = []
    pending = [w for w in wholes if kind_of(w) in WHOLES]
    while pending:
        found = [(w, p) for w, p in graph.parts(connection, pending, as_of=at) if p not in tree]
        for whole, part in found:
            if part not in tree:
                tree[part] = (whole, EdgeKind.CONTAINS.value)
                new.append(part)
        pending = [p for _, p in found if kind_of(p) in WHOLES]
    return new


def _reached(connection: Connection, tree: graph.Tree) -> tuple[Reached, ...]:
    denied = set(connection.execute(select(tables.denial.c.release)).scalars())
    called = labels(connection, tree)
    paths: dict[str, tuple[Hop, ...]] = {}
    left_out: dict[str, int] = {}
    found = []
    for node, nearer in tree.items():  # each after the one it hangs on: the walk adds them so
        path: tuple[Hop, ...] = ()
        left = 0
        if nearer is not None:
            path, left = (*paths[nearer[0]], Hop(src=nearer[0], dst=node, kind=nearer[1])), left_out[nearer[0]]
        if len(path) > FIRST + LAST:
            path, left = (*path[:FIRST], *path[FIRST + 1 :]), left + 1
        paths[node], left_out[node] = path, left
        group = _group(node)
        off = group == "release" and urn.parse(node).parts[0] in denied
        found.append(Reached(urn=node, group=group, label=called[node], path=path, left_out=left, denied=off))
    return tuple(sorted(found, key=lambda r: (GROUPS.index(r.group), len(r.path) + r.left_out, r.urn)))


def _counts(reached: tuple[Reached, ...]) -> dict[str, int]:
    """How many of each group; an episode is one recording's, in however many versions it lies."""
    counts = {g: sum(r.group == g for r in reached) for g in GROUPS if g != "other"}
    places = (urn.parse(r.urn).parts for r in reached if r.group == "episode")
    counts["episode"] = len({(dataset, root, number) for dataset, _, root, number in places})
    return {group: count for group, count in counts.items() if count}


def _group(node: str) -> Group:
    word = node.split(":", 3)[2]
    return next((g for g in GROUPS if g == word), "other")


def starts(connection: Connection, what: str) -> tuple[str, ...]:
    """The nodes that a person's word means: all that is called so, unless `dataset:`, `model:` or `run:` says which."""
    if what.startswith(urn.PREFIX):
        try:
            return (str(urn.parse(what)),)
        except LineageError as error:
            raise Invalid("input-invalid", str(error), do="copy the URN whole") from error
    kind, colon, name = what.partition(":")
    try:
        if colon and kind in ("rig", "site"):
            return (str(urn.source(kind, name)),)
        if colon and kind == "robot":
            return (str(urn.robot(name)),)
    except LineageError as error:
        raise Invalid("input-invalid", str(error), do=f"give {FORMS}") from error
    if colon and kind == "episode":
        return _episodes(connection, name)
    only = kind if colon and kind in ("dataset", "model", "run") else None
    found = _named(connection, what if only is None else name)
    nodes = tuple(node for k, of_kind in found.items() if only in (None, k) for node in of_kind)
    if not nodes:
        raise Absent("node-unknown", f"nothing is called {what!r}", do=f"give {FORMS}")
    return nodes


def _named(connection: Connection, name: str) -> dict[str, tuple[str, ...]]:
    """What is called so, by kind; every model and every run of a name, because all of them are meant."""
    slug, at, tag = name.partition("@")
    t = tables.approval.c
    found: dict[str, tuple[str, ...]] = {}
    if at:
        rows = connection.execute(select(t.manifest_digest).where(t.dataset == slug, t.tag == tag)).scalars()
        found["dataset"] = tuple(str(urn.version(slug, digest)) for digest in rows)
    elif connection.execute(select(tables.dataset.c.slug).where(tables.dataset.c.slug == slug)).first() is not None:
        found["dataset"] = (str(urn.dataset(slug)),)
    m, r = tables.model.c, tables.run.c
    models = connection.execute(select(m.digest).where(or_(m.name == name, m.digest == name)).order_by(m.digest))
    found["model"] = tuple(str(urn.model(digest)) for digest in models.scalars())
    runs = connection.execute(select(r.id).where(or_(r.name == name, r.id == name)).order_by(r.id))
    found["run"] = tuple(str(urn.run(identity)) for identity in runs.scalars())
    return found


def _episodes(connection: Connection, name: str) -> tuple[str, ...]:
    """One episode of an ingest, in every version that holds it."""
    match = EPISODE.fullmatch(name)
    if match is None:
        raise Invalid("input-invalid", f"{name!r} is no episode", do="write episode:DATASET/INGEST/INDEX")
    slug, root, number = match[1], match[2], int(match[3])
    e, v = tables.episode.c, tables.version.c
    rows = connection.execute(
        select(e.manifest_digest)
        .join(tables.version, v.manifest_digest == e.manifest_digest)
        .where(v.dataset == slug, e.root == root, e.number == number)
        .order_by(e.manifest_digest)
    ).scalars()
    found = tuple(str(urn.episode(slug, digest, root, number)) for digest in rows)
    if not found:
        raise Absent("node-unknown", f"no episode {name!r}", do="see `assay dataset show NAME`")
    return found


def _exists(connection: Connection, node: str) -> bool:
    e = tables.edge.c
    if connection.execute(select(e.src).where(or_(e.src == node, e.dst == node)).limit(1)).first() is not None:
        return True
    item = urn.parse(node)
    if item.kind is NodeKind.MODEL:
        return records.one(connection, tables.model, Model, digest=item.digest) is not None
    recorded = {NodeKind.RUN: tables.run.c.id, NodeKind.DATASET: tables.dataset.c.slug}.get(item.kind)
    return (
        recorded is not None
        and connection.execute(select(recorded).where(recorded == item.parts[0])).first() is not None
    )
