"""OpenLineage events of other systems, strictly read, as edges that recall follows. Nothing is ever taken away.

An event says that a run or job read its inputs and wrote its outputs: each input leads to the run, the run to each
output, whatever the event's type, its order or what it says was deleted, overwritten or failed. An asset that is named
by one of our URNs is that node; any other is external, known by its namespace and name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lineage import urn
from lineage.edge import Edge
from lineage.errors import EdgeError, IngestError, UrnError
from lineage.kinds import EdgeKind
from lineage.urn import Urn

MAX_ASSETS = 1000  # of one event, inputs and outputs together, aliases too
MAX_BATCH = 1000  # events
EVENT_TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
RUN_KEYS = frozenset({"eventTime", "producer", "schemaURL", "eventType", "run", "job", "inputs", "outputs"})
JOB_KEYS = frozenset({"eventTime", "producer", "schemaURL", "job", "inputs", "outputs"})
DATASET_KEYS = frozenset({"eventTime", "producer", "schemaURL", "dataset"})
ASSET_KEYS = frozenset({"namespace", "name", "facets", "inputFacets", "outputFacets"})


@dataclass(frozen=True, slots=True)
class Reported:
    """What one event says. `activity`: its run or job, None for an event about a dataset alone."""

    at: datetime
    activity: Urn | None
    edges: tuple[Edge, ...]


def read(event: Any) -> Reported:
    """One event, already parsed from strict JSON. Raises IngestError, naming the part that is wrong."""
    document = _mapping(event, "event")
    at = _time(document.get("eventTime"))
    _text(document.get("producer"), "producer")
    _text(document.get("schemaURL"), "schemaURL")
    if "dataset" in document:
        _only(document, DATASET_KEYS, "event")
        edges = list(_same_asset(_mapping(document["dataset"], "dataset"), "dataset"))
        return Reported(at, None, _once(edges))
    activity = _activity(document)
    edges, counted = [], 0
    for side in ("inputs", "outputs"):
        assets = document.get(side)
        assets = [] if assets is None else assets
        if not isinstance(assets, list):
            raise IngestError(f"{side} is no list")
        for number, given in enumerate(assets):
            where = f"{side}[{number}]"
            asset = _mapping(given, where)
            node = _asset(asset, where)
            edges.append(_edge(node, activity, where) if side == "inputs" else _edge(activity, node, where))
            more = [*_same_asset(asset, where), *(_edge(n, activity, where) for n in _columns(asset, where))]
            edges += more
            counted += 1 + len(more)
            if counted > MAX_ASSETS:
                raise IngestError(f"an event names at most {MAX_ASSETS} assets; split it")
    return Reported(at, activity, _once(edges))


def read_all(document: Any) -> tuple[Reported, ...]:
    """One event or a list of them. Raises IngestError; of a list, all are read or none."""
    if not isinstance(document, list):
        return (read(document),)
    if not 0 < len(document) <= MAX_BATCH:
        raise IngestError(f"a batch has 1 to {MAX_BATCH} events, not {len(document)}")
    found = []
    for number, event in enumerate(document):
        try:
            found.append(read(event))
        except IngestError as error:
            raise IngestError(f"event {number}: {error}") from error
    return tuple(found)


def _once(edges: list[Edge]) -> tuple[Edge, ...]:
    return tuple(dict.fromkeys(edges))


def _activity(document: Mapping[str, Any]) -> Urn:
    _only(document, RUN_KEYS if "run" in document else JOB_KEYS, "event")
    job = _mapping(document.get("job"), "job")
    _only(job, frozenset({"namespace", "name", "facets"}), "job")
    namespace, name = _text(job.get("namespace"), "job.namespace"), _text(job.get("name"), "job.name")
    _facets(job, "job")
    if "run" not in document:
        return _named(lambda: urn.activity("job", namespace, name), "job")
    if _text(document.get("eventType", "OTHER"), "eventType") not in EVENT_TYPES:
        raise IngestError(f"eventType is one of {', '.join(sorted(EVENT_TYPES))}")
    run = _mapping(document["run"], "run")
    _only(run, frozenset({"runId", "facets"}), "run")
    _facets(run, "run")
    given = _text(run.get("runId"), "run.runId")
    try:
        identity = str(UUID(given))
    except ValueError:
        raise IngestError(f"run.runId {given[:80]!r} is no UUID") from None
    return _named(lambda: urn.activity("run", "openlineage", identity), "run")


def _asset(asset: Mapping[str, Any], where: str) -> Urn:
    _only(asset, ASSET_KEYS, where)
    _facets(asset, where)
    return _node(asset.get("namespace"), asset.get("name"), where)


def _node(namespace: Any, name: Any, where: str) -> Urn:
    """Our own node when the name is one of our URNs, an external one otherwise."""
    namespace, name = _text(namespace, f"{where}.namespace"), _text(name, f"{where}.name")
    if name.startswith(urn.PREFIX):
        return _named(lambda: urn.parse(name), f"{where}.name")
    return _named(lambda: urn.external(namespace, name), where)


def _same_asset(asset: Mapping[str, Any], where: str) -> Iterator[Edge]:
    """Other names of an asset: aliases both ways, an earlier name to the present one."""
    node = _asset(asset, where)
    facets = _facets(asset, where)
    symlinks = _mapping(facets.get("symlinks", {}), f"{where}.facets.symlinks").get("identifiers", [])
    if not isinstance(symlinks, list):
        raise IngestError(f"{where}.facets.symlinks.identifiers is no list")
    for number, given in enumerate(symlinks):
        there = f"{where}.facets.symlinks.identifiers[{number}]"
        alias = _identifier(given, there)
        if alias != node:
            yield _edge(node, alias, there)
            yield _edge(alias, node, there)
    change = _mapping(facets.get("lifecycleStateChange", {}), f"{where}.facets.lifecycleStateChange")
    if (given := change.get("previousIdentifier")) is not None:
        there = f"{where}.facets.lifecycleStateChange.previousIdentifier"
        before = _identifier(given, there)
        if before != node:
            yield _edge(before, node, there)


def _identifier(given: Any, where: str) -> Urn:
    identifier = _mapping(given, where)
    return _node(identifier.get("namespace"), identifier.get("name"), where)


def _columns(asset: Mapping[str, Any], where: str) -> list[Urn]:
    """Assets that a column was made from, which need not stand among the inputs."""
    facet = _mapping(_facets(asset, where).get("columnLineage", {}), f"{where}.facets.columnLineage")
    fields = list(_mapping(facet.get("fields", {}), f"{where}.facets.columnLineage.fields").values())
    found: dict[Urn, None] = {}
    lists = [_mapping(f, f"{where}.facets.columnLineage.fields").get("inputFields", []) for f in fields]
    for used in [*lists, facet.get("dataset", [])]:
        if not isinstance(used, list):
            raise IngestError(f"{where}.facets.columnLineage: inputFields is no list")
        found |= dict.fromkeys(_identifier(item, f"{where}.facets.columnLineage") for item in used)
    return list(found)


def _edge(src: Urn, dst: Urn, where: str) -> Edge:
    try:
        return Edge(src, dst, EdgeKind.REPORTED)
    except EdgeError as error:
        raise IngestError(f"{where}: {error}") from error


def _named(make: Callable[[], Urn], where: str) -> Urn:
    try:
        return make()
    except UrnError as error:
        raise IngestError(f"{where}: {error}") from error


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise IngestError(f"{where} is no object")
    return value


def _facets(holder: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    facets = _mapping(holder.get("facets", {}), f"{where}.facets")
    for name, facet in facets.items():
        there = f"{where}.facets.{name[:80]}"
        for key in ("_producer", "_schemaURL"):
            _text(_mapping(facet, there).get(key), f"{there}.{key}")
    return facets


def _only(document: Mapping[str, Any], keys: frozenset[str], where: str) -> None:
    if strange := sorted(set(document) - keys):
        raise IngestError(f"{where} has no field {strange[0][:80]!r}; it has {', '.join(sorted(keys))}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise IngestError(f"{where} is no text, or empty")
    return value


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(_text(value, "eventTime"))
    except ValueError:
        raise IngestError(f"eventTime {value!r:.80} is no time") from None
    if at.tzinfo is None:
        raise IngestError("eventTime has no time zone")
    return at
