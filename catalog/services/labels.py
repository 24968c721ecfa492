"""What people call the nodes of the lineage: one batch of names, whatever their kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Table, select

from catalog.db import tables
from catalog.domain.base import strict_json
from lineage import urn
from lineage.kinds import NodeKind
from lineage.urn import Urn

MANY = 500


def labels(connection: Connection, nodes: Iterable[str]) -> dict[str, str]:
    """A short name of each; of what the records do not know, the beginning of its URN's parts."""
    parsed = {node: urn.parse(node) for node in nodes}
    wanted: dict[NodeKind, list[Urn]] = {}
    for item in parsed.values():
        wanted.setdefault(item.kind, []).append(item)
    names = _data(connection, [*wanted.get(NodeKind.VERSION, ()), *wanted.get(NodeKind.EPISODE, ())])
    for kind, named in _RECORDED.items():
        names |= named(connection, wanted.get(kind, []))
    return {node: names.get(item) or _plain(item) for node, item in parsed.items()}


def _plain(item: Urn) -> str:
    if item.kind is NodeKind.VERSION:
        return f"{item.parts[0]} {item.parts[1][:12]}"
    if item.kind is NodeKind.SOURCE:
        return " ".join(part[:24] for part in item.parts)
    short = {NodeKind.MODEL: 12, NodeKind.RUN: 8}.get(item.kind, 24)
    return " ".join((item.kind.value, *(part[:short] for part in item.parts)))


def _models(connection: Connection, items: list[Urn]) -> dict[Urn, str]:
    found = _bodies(connection, tables.model, "digest", [i.digest or "" for i in items])
    return {i: f"model {found[i.digest]['manifest']['name']}" for i in items if i.digest in found}


def _runs(connection: Connection, items: list[Urn]) -> dict[Urn, str]:
    found = _bodies(connection, tables.run, "id", [i.parts[0] for i in items])
    return {i: f"run {found[i.parts[0]]['start']['name']}" for i in items if i.parts[0] in found}


def _data(connection: Connection, items: list[Urn]) -> dict[Urn, str]:
    """Versions, and episodes each with its version: one episode lies in many."""
    versions = {urn.version(i.parts[0], i.digest or ""): None for i in items}
    called = _versions(connection, list(versions))
    names: dict[Urn, str] = {}
    for item in items:
        within = urn.version(item.parts[0], item.digest or "")
        name = called.get(within) or _plain(within)
        names[item] = name if item.kind is NodeKind.VERSION else f"episode {item.parts[2]}/{item.parts[3]} of {name}"
    return names


def _versions(connection: Connection, items: list[Urn]) -> dict[Urn, str]:
    digests = [i.digest or "" for i in items]
    versions = _bodies(connection, tables.version, "manifest_digest", digests)
    tags = {d: str(a["tag"]) for d, a in _bodies(connection, tables.approval, "manifest_digest", digests).items()}
    return {
        i: f"{i.parts[0]} {tags.get(i.digest) or 'ingest ' + str(versions[i.digest]['ingest'])}"
        for i in items
        if i.digest in versions
    }


def _decisions(connection: Connection, items: list[Urn]) -> dict[Urn, str]:
    found = _bodies(connection, tables.decision, "id", [i.parts[0] for i in items])
    return {i: f"decision {found[i.parts[0]]['verdict']}" if i.parts[0] in found else "decision" for i in items}


def _releases(connection: Connection, items: list[Urn]) -> dict[Urn, str]:
    manifests = {
        identity: body["manifest"]
        for identity, body in _bodies(connection, tables.release, "id", [i.parts[0] for i in items]).items()
    }
    return {
        i: f"release {manifests[i.parts[0]]['number']} of {manifests[i.parts[0]]['device_class']}"
        for i in items
        if i.parts[0] in manifests
    }


def _bodies(connection: Connection, table: Table, key: str, values: list[str]) -> dict[str | None, dict[str, Any]]:
    found: dict[str | None, dict[str, Any]] = {}
    column = table.c[key]
    for first in range(0, len(values), MANY):
        rows = connection.execute(select(column, table.c.body).where(column.in_(values[first : first + MANY])))
        found |= {row[0]: strict_json(row.body, table.name) for row in rows}
    return found


_RECORDED: dict[NodeKind, Callable[[Connection, list[Urn]], dict[Urn, str]]] = {
    NodeKind.MODEL: _models,
    NodeKind.RUN: _runs,
    NodeKind.DECISION: _decisions,
    NodeKind.RELEASE: _releases,
}
