"""A graph as Graphviz text: every label quoted and escaped, so that no name becomes markup, a link or another node."""

from __future__ import annotations

import textwrap

from ui.viewmodels.lineage import Graph, Node
from ui.viewmodels.text import plain

WIDTH, LINES = 28, 4  # characters and lines of a label; the table has the whole of it
INK, GREY, BAD, GOOD, MIXED = "#1f2937", "#6b7280", "#c62828", "#2e7d32", "#f59e0b"
KINDS: dict[str, tuple[str, str]] = {  # kind: fill, shape
    "dataset": ("#90caf9", "box3d"),
    "version": ("#dbeafe", "folder"),
    "episode": ("#e0f2f1", "tab"),
    "fingerprint": ("#eceff1", "note"),
    "folder": ("#ffe0b2", "folder"),
    "source": ("#f0f4c3", "box"),
    "robot": ("#dcedc8", "box"),
    "run": ("#e1bee7", "box"),
    "model": ("#ffd54f", "box"),
    "plan": ("#f5f5f5", "note"),
    "evidence": ("#cfd8dc", "note"),
    "policy": ("#d7ccc8", "note"),
    "decision": ("#ffffff", "octagon"),
    "release": ("#c5e1a5", "box"),
    "device": ("#b2dfdb", "box"),
    "principal": ("#fce4ec", "ellipse"),
}
UNKNOWN = ("#ffffff", "box")


def dot(graph: Graph) -> str:
    """The graph, downwards in the direction data flows; nodes are numbered, so no text of theirs names anything."""
    number = {node.key: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = [
        "digraph lineage {",
        '  graph [rankdir=TB bgcolor="transparent" nodesep=0.25 ranksep=0.4 pad=0.1]',
        f'  node [fontname="Helvetica,Arial,sans-serif" fontsize=11 fontcolor="{INK}" style="filled" penwidth=1]',
        f'  edge [fontname="Helvetica,Arial,sans-serif" fontsize=9 fontcolor="{GREY}" color="{GREY}" arrowsize=0.7]',
    ]
    lines += [f"  {number[node.key]} [{_node(node)}]" for node in graph.nodes]
    for link in graph.links:
        text = link.kind if link.count == 1 else f"{link.kind} ×{link.count}"
        both = ' dir=none style="dashed"' if link.kind == "same content" else ""
        lines.append(f"  {number[link.src]} -> {number[link.dst]} [label={quoted(text)}{both}]")
    return "\n".join([*lines, "}"])


def _node(node: Node) -> str:
    fill, shape = KINDS.get(node.kind, UNKNOWN)
    rows = [row for line in (*node.label.split("\n"), *node.detail.split("\n")) for row in _wrapped(line)]
    border = {"bad": BAD, "good": GOOD, "mixed": MIXED}.get(node.tone, GREY)
    width = 2.5 if node.tone in ("bad", "mixed") else 3.0 if node.start else 1.0
    rings = 1 + node.start + (node.tone == "mixed")
    edges = f" peripheries={rings}" if rings > 1 else ""
    return (
        f"label={quoted(*rows)} shape={shape} fillcolor={quoted(fill)} color={quoted(border)}"
        f" penwidth={width}{edges} tooltip={quoted(node.key)}"
    )


def _wrapped(text: str) -> list[str]:
    rows = textwrap.wrap(plain(text), WIDTH) if text else []
    return rows if len(rows) <= LINES else [*rows[: LINES - 1], rows[LINES - 1][: WIDTH - 1] + "…"]


def quoted(*rows: str) -> str:
    """Rows as one double-quoted string: quotes, backslashes and entities are text, and only row ends are breaks."""
    escaped = (plain(row).replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"') for row in rows)
    return '"' + "\\n".join(escaped) + '"'
