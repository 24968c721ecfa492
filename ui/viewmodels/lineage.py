"""A trace as a graph that people can read: content edges are drawn between recordings, not episode by episode.

An edge runs from what was used to what was made with it. Episodes of one recording become one node; a fingerprint is
drawn as an edge between the recordings that share it, so a copy under another name is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from catalog.domain.model import Model
from catalog.domain.run import FolderInput, Run
from catalog.domain.views import DatasetView, EdgeView, Lineage, ModelView
from ui.viewmodels.text import plain, ranges, short

PREFIX = "urn:assay:"
YES, NO = "✓", "✗"
Tone = Literal["bad", "good", "mixed", "plain"]


@dataclass(frozen=True)
class Node:
    """One node: `key` is its URN, or the recording's for a group of episodes."""

    key: str
    kind: str
    label: str
    detail: str = ""
    tone: Tone = "plain"
    start: bool = False


@dataclass(frozen=True)
class Link:
    """One edge from `src` to `dst`; `count` where it stands for several."""

    src: str
    dst: str
    kind: str
    count: int = 1


@dataclass(frozen=True)
class Graph:
    """What is drawn."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    cut: bool


@dataclass
class Marks:
    """What is known about nodes beyond the trace: (tone, words) by URN, and quarantined fingerprints."""

    of: dict[str, tuple[Tone, str]] = field(default_factory=dict)
    fingerprints: set[str] = field(default_factory=set)


def kind_of(urn: str) -> str:
    """The kind of a URN's node."""
    return urn.removeprefix(PREFIX).partition(":")[0]


def parts_of(urn: str) -> list[str]:
    """What follows the kind, decoded."""
    return [unquote(part) for part in urn.removeprefix(PREFIX).split(":")[1:]]


def marks(datasets: Iterable[DatasetView], models: Iterable[ModelView], runs: Iterable[Run]) -> Marks:
    """Versions by state, models with and without permission, failed runs, folders that hold quarantined content."""
    found = Marks()
    for view in datasets:
        for q in view.quarantines:
            found.fingerprints |= set(q.fingerprints)
        for v in view.versions:
            urn = f"{PREFIX}version:{view.slug}:{v.manifest_digest.removeprefix('sha256:')}"
            if v.state in ("quarantined", "failing"):
                found.of[urn] = ("bad", f"{NO} {v.state}")
            else:
                found.of[urn] = ("good", f"{YES} approved") if v.state == "approved" else ("plain", v.state)
    for model in models:
        _mark_model(found, model)
    for run in runs:
        if run.end is not None and run.end.status == "failed":
            found.of[f"{PREFIX}run:{run.id}"] = ("bad", f"{NO} failed")
    return found


def _mark_model(found: Marks, view: ModelView) -> None:
    newest = {d.device_class or "": d for d in reversed(view.decisions)}
    blocked = sorted(c for c, d in newest.items() if d.verdict == "blocked")
    eligible = sorted(c for c, d in newest.items() if d.verdict == "eligible")
    words = ["" if view.run else f"{NO} no training record"]
    words.append(f"{YES} eligible: {', '.join(eligible)}" if eligible else "")
    words.append(f"{NO} blocked: {', '.join(blocked)}" if blocked else "")
    tone: Tone = (
        "mixed" if eligible and blocked else "good" if eligible else "bad" if blocked or view.run is None else "plain"
    )
    found.of[f"{PREFIX}model:{view.model.digest_.removeprefix('sha256:')}"] = (tone, "\n".join(w for w in words if w))
    for d in view.decisions:
        tone = "good" if d.verdict == "eligible" else "bad"
        found.of[f"{PREFIX}decision:{d.id}"] = (tone, f"{YES if tone == 'good' else NO} for {d.device_class}")
    for item in view.run.inputs if view.run else ():
        if isinstance(item, FolderInput):
            bad = len(set(item.fingerprints) & found.fingerprints)
            why = f"{bad} quarantined episodes" if bad else "no approved version"
            found.of[f"{PREFIX}folder:{item.digest_.removeprefix('sha256:')}"] = ("bad", f"{NO} {why}")


def build(traces: Iterable[Lineage], known: Marks) -> Graph:
    """Join traces into one graph, group episodes by recording and draw fingerprints as edges.

    The start of the first trace is what was asked about.
    """
    listed = list(traces)
    starts = {listed[0].start}
    labels = {urn: label for t in listed for urn, label in t.labels.items()}
    edges = {(e.src, e.dst, e.kind): e for t in listed for e in t.edges}
    members: dict[str, set[str]] = defaultdict(set)
    for urn in {u for src, dst, _ in edges for u in (src, dst)} | starts:
        if kind_of(urn) != "fingerprint" or urn in starts:
            members[_group(urn, starts)].add(urn)
    links = _links(edges.values(), starts)
    marked = _quarantined(edges.values(), known)
    nodes = [
        _node(key, urns, labels, known, marked, start=bool(urns & starts)) for key, urns in sorted(members.items())
    ]
    return Graph(tuple(nodes), tuple(links), any(t.cut for t in listed))


def _group(urn: str, starts: set[str]) -> str:
    """The recording of an episode, or the node itself."""
    return urn.rpartition(":")[0] if kind_of(urn) == "episode" and urn not in starts else urn


def _links(edges: Iterable[EdgeView], starts: set[str]) -> list[Link]:
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    into: dict[str, set[str]] = defaultdict(set)
    out: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for e in edges:
        if kind_of(e.dst) == "fingerprint" and e.dst not in starts:
            into[e.dst].add(e.src)
        elif kind_of(e.src) == "fingerprint" and e.src not in starts:
            out[e.src].add((e.dst, e.kind))
        else:
            counted[_group(e.src, starts), _group(e.dst, starts), e.kind] += 1
    for fingerprint, sources in into.items():
        pairs = {
            tuple(sorted((_group(s, starts), _group(d, starts)))) if kind == "overlaps" else (_group(s, starts), d)
            for s in sources
            for d, kind in out.get(fingerprint, ())
        }
        for src, dst in pairs:
            if src != dst:
                counted[src, dst, "same content"] += 1
    return [Link(src, dst, kind, n) for (src, dst, kind), n in sorted(counted.items())]


def _quarantined(edges: Iterable[EdgeView], known: Marks) -> set[str]:
    """Episodes whose content is quarantined, wherever they lie."""
    return {
        e.src for e in edges if kind_of(e.dst) == "fingerprint" and f"sha256:{parts_of(e.dst)[0]}" in known.fingerprints
    }


def _node(key: str, urns: set[str], labels: Mapping[str, str], known: Marks, marked: set[str], *, start: bool) -> Node:
    kind = kind_of(key)
    if kind == "episode" and key not in urns:
        bad = urns & marked
        numbers = ranges(int(parts_of(u)[3]) for u in bad)
        detail = f"{NO} {len(bad)} quarantined: {numbers}" if bad else ""
        slug, manifest, root = parts_of(key)
        count = f"{len(urns)} episode{'s' if len(urns) > 1 else ''}"
        label = f"{count} of {slug}/{root}\nin {short(manifest)}"
        return Node(key, kind, label, detail, "bad" if bad else "plain", start)
    tone, detail = known.of.get(key, _told(kind, labels.get(key, "")))
    if key in marked or (kind == "fingerprint" and f"sha256:{parts_of(key)[0]}" in known.fingerprints):
        tone, detail = "bad", f"{NO} quarantined"
    return Node(key, kind, _label(key, kind, labels.get(key, key)), detail, tone, start)


def _told(kind: str, label: str) -> tuple[Tone, str]:
    """What the catalog's label itself says of a decision on a dataset."""
    if kind != "decision":
        return "plain", ""
    return ("good", f"{YES} on a dataset") if label.endswith("eligible") else ("bad", f"{NO} on a dataset")


def _label(key: str, kind: str, label: str) -> str:
    """The catalog's label without the word that the colour says; digests short."""
    parts = parts_of(key)
    if kind in ("evidence", "policy", "folder", "fingerprint"):
        return f"{kind} {short(parts[0])}"
    if kind == "plan":
        return f"plan …{plain(parts[0])[-12:]}"  # ids begin with the time, so their ends tell them apart
    if kind in ("source", "robot", "principal", "device"):
        return plain(" ".join(parts))
    return plain(label)


def table(graph: Graph) -> list[dict[str, object]]:
    """The edges as rows, in words: what was used, how, what was made with it."""
    names = {node.key: plain(node.label) for node in graph.nodes}
    kinds = {node.key: node.kind for node in graph.nodes}
    return [
        {
            "used": names[link.src],
            "kind": kinds[link.src],
            "relation": link.kind,
            "made": names[link.dst],
            "kind of made": kinds[link.dst],
            "edges": link.count,
            "used URN": link.src,
            "made URN": link.dst,
        }
        for link in graph.links
    ]


def versions(view: DatasetView) -> list[str]:
    """The nodes of a dataset's versions, newest first."""
    return [f"{PREFIX}version:{view.slug}:{v.manifest_digest.removeprefix('sha256:')}" for v in view.versions]


def assets(datasets: Iterable[DatasetView], models: Iterable[Model]) -> dict[str, str]:
    """What a trace can begin at, by URN, as people call it: models, then datasets, each with its versions."""
    found = {
        f"{PREFIX}model:{m.digest_.removeprefix('sha256:')}": f"model · {m.manifest.name} · {short(m.digest_)}"
        for m in sorted(models, key=lambda m: m.registered_at, reverse=True)
    }
    for view in datasets:
        found[f"{PREFIX}dataset:{view.slug}"] = f"dataset · {view.slug}"
        for urn, v in zip(versions(view), view.versions, strict=True):
            tag = v.approval.tag if v.approval else v.state
            found[urn] = f"version · {view.slug} {tag} · {v.ingest} · {short(v.manifest_digest)}"
    return {urn: plain(name) for urn, name in found.items()}
