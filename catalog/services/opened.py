"""What runs opened beside their inputs, joined by content with what is registered, whichever comes first.

A recording or a model that a run opened without declaring it is an edge like any other, so that recall follows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.dataset import Episode, ObjectEntry, Version
from catalog.domain.model import Model
from catalog.domain.run import Run, VersionInput
from lineage import urn
from lineage.edge import Edge
from lineage.kinds import EdgeKind
from lineage.urn import Urn

MANY = 500


def by_run(write: Write, run: Run) -> None:
    """A run ended: remember what it opened, and join it with what is registered already."""
    files = {f.sha256 for f in run.end.opened} if run.end is not None else set()
    for item in run.inputs:
        if isinstance(item, VersionInput):
            files -= _objects_of(write.connection, item.manifest_digest)
    write.insert_many(tables.opened, [{"sha256": digest, "run": run.id} for digest in sorted(files)])
    node = urn.run(run.id)
    o = tables.object_.c
    rows = _among(write.connection, select(o.manifest_digest, o.path).where(o.rows), o.sha256, files)
    for manifest in sorted({row[0] for row in rows}):
        version = records.one(write.connection, tables.version, Version, manifest_digest=manifest)
        episodes = records.many(write.connection, tables.episode, Episode, order="number", manifest_digest=manifest)
        paths = {row[1] for row in rows if row[0] == manifest}
        if version is not None:
            for episode in (e for e in episodes if paths & set(e.objects)):
                _add(write, _episode(version, episode), node, EdgeKind.OPENED)
    for model in records.many(write.connection, tables.model, Model, order="digest"):
        if model.run != run.id and files & model.manifest.weights():
            _add(write, urn.model(model.digest_), node, EdgeKind.BASE_MODEL)


def of_version(write: Write, version: Version, episodes: list[Episode], objects: list[ObjectEntry]) -> None:
    """A version was registered of which runs have opened a recording already."""
    digests = {o.path: o.sha256 for o in objects if o.rows}
    runs = _runs(write.connection, set(digests.values()))
    for episode in episodes if runs else ():
        for digest in {digests[path] for path in episode.objects if path in digests}:
            for run in runs.get(digest, ()):
                _add(write, _episode(version, episode), urn.run(run), EdgeKind.OPENED)


def of_model(write: Write, model: Model) -> None:
    """A model was registered of which runs have opened the weights already; the one that made it does not count."""
    for found in _runs(write.connection, set(model.manifest.weights())).values():
        for run in found:
            if run != model.run:
                _add(write, urn.model(model.digest_), urn.run(run), EdgeKind.BASE_MODEL)


def _episode(version: Version, episode: Episode) -> Urn:
    return urn.episode(version.dataset, version.manifest_digest, episode.root, episode.index)


def _add(write: Write, src: Urn, dst: Urn, kind: EdgeKind) -> None:
    edge = Edge(src, dst, kind)
    write.edge(str(edge.src), str(edge.dst), edge.kind.value)


def _objects_of(connection: Connection, manifest_digest: str) -> set[str]:
    o = tables.object_.c
    return set(connection.execute(select(o.sha256).where(o.manifest_digest == manifest_digest)).scalars())


def _runs(connection: Connection, digests: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    t = tables.opened.c
    for digest, run in _among(connection, select(t.sha256, t.run), t.sha256, digests):
        found.setdefault(digest, []).append(run)
    return found


def _among(
    connection: Connection, query: Select[Any], column: ColumnElement[str], wanted: Iterable[str]
) -> list[tuple[str, str]]:
    values, rows = sorted(wanted), list[tuple[str, str]]()
    for first in range(0, len(values), MANY):
        found = connection.execute(query.where(column.in_(values[first : first + MANY])))
        rows += [(row[0], row[1]) for row in found]
    return rows
