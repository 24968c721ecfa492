"""Traces become graphs: recordings are one node, shared content is an edge, marks say what taints; DOT escapes all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.domain.decision import Decision
from catalog.domain.model import Model
from catalog.domain.views import EdgeView, Lineage, ModelView
from ui.viewmodels.dot import MIXED, dot, quoted
from ui.viewmodels.lineage import Graph, Link, Marks, Node, build, marks, table
from ui.viewmodels.text import plain

A, B, F = "a" * 64, "b" * 64, "f" * 64
MODEL = f"urn:assay:model:{A}"
RUN = "urn:assay:run:1"
FOLDER = f"urn:assay:folder:{B}"
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def mark(number: int) -> str:
    return f"urn:assay:fingerprint:{number:064x}"


def episode(manifest: str, index: int, slug: str = "arm") -> str:
    return f"urn:assay:episode:{slug}:{manifest}:week-1:{index}"


def trace(start: str, *edges: tuple[str, str, str], cut: bool = False) -> Lineage:
    views = tuple(EdgeView(src=s, dst=d, kind=k, depth=0) for s, d, k in edges)
    nodes = {start} | {e.src for e in views} | {e.dst for e in views}
    return Lineage(start=start, direction="up", edges=views, labels={n: f"label of {n}" for n in nodes}, cut=cut)


def tainted() -> Lineage:
    content = [edge for i in range(3) for edge in ((episode(A, i), mark(i), "overlaps"), (mark(i), FOLDER, "contains"))]
    copies = [(mark(i), episode(A, i), "overlaps") for i in range(3)]
    return trace(MODEL, (FOLDER, RUN, "trained-on"), (RUN, MODEL, "produced"), *content, *copies)


def test_episodes_of_a_recording_are_one_node_and_fingerprints_are_edges() -> None:
    graph = build([tainted()], Marks(fingerprints={f"sha256:{1:064x}"}))
    recording = f"urn:assay:episode:arm:{A}:week-1"
    assert {n.key for n in graph.nodes} == {MODEL, RUN, FOLDER, recording}
    assert Link(recording, FOLDER, "same content", 3) in graph.links
    group = next(n for n in graph.nodes if n.key == recording)
    assert group.label.startswith("3 episodes of arm/week-1")
    assert (group.tone, group.detail) == ("bad", "✗ 1 quarantined: 1")


def test_a_copy_under_another_name_is_joined_to_its_original_once() -> None:
    one, two = episode(A, 0), episode(B, 0, "other")
    edges = [(e, mark(7), "overlaps") for e in (one, two)] + [(mark(7), e, "overlaps") for e in (one, two)]
    graph = build([trace(one, *edges)], Marks())
    assert [(link.kind, link.count) for link in graph.links] == [("same content", 1)]
    assert {graph.links[0].src, graph.links[0].dst} == {one, two.rpartition(":")[0]}


def test_what_was_asked_about_is_marked_and_a_fingerprint_asked_about_stays() -> None:
    graph = build([trace(mark(7), (episode(A, 0), mark(7), "overlaps"))], Marks())
    assert [n.key for n in graph.nodes if n.start] == [mark(7)]


def test_traces_join_and_a_cut_is_said() -> None:
    up, down = (
        trace(MODEL, (RUN, MODEL, "produced")),
        trace(MODEL, (MODEL, "urn:assay:plan:2", "evaluated-by"), cut=True),
    )
    graph = build([up, down], Marks(of={MODEL: ("bad", "✗ blocked")}))
    assert len(graph.links) == 2
    assert graph.cut
    assert next(n for n in graph.nodes if n.key == MODEL).detail == "✗ blocked"


def test_a_model_for_one_class_only_is_drawn_as_neither_green_nor_red() -> None:
    tones = ("good", "mixed", "bad")
    nodes = tuple(Node(tone, "model", tone, tone=tone) for tone in tones)
    drawn = dict(zip(tones, dot(Graph(nodes, (), cut=False)).splitlines()[4:], strict=False))
    assert MIXED in drawn["mixed"]
    assert "peripheries=2" in drawn["mixed"]
    assert not any(MIXED in drawn[tone] or "peripheries" in drawn[tone] for tone in ("good", "bad"))


@pytest.mark.parametrize(
    ("verdicts", "tone"), [("eb", "mixed"), ("be", "mixed"), ("e", "good"), ("ee", "good"), ("b", "bad"), ("", "bad")]
)
def test_a_model_is_marked_by_its_verdicts_for_all_classes(verdicts: str, tone: str) -> None:
    words = {"e": "eligible", "b": "blocked"}
    decisions = tuple(
        Decision.model_construct(id=str(n), device_class=f"class-{n}", verdict=words[v]) for n, v in enumerate(verdicts)
    )
    model = Model.model_construct(digest_=f"sha256:{A}")
    found = marks([], [ModelView.model_construct(model=model, run=None, decisions=decisions)], [])
    assert found.of[MODEL][0] == tone


def test_the_table_names_both_ends_and_how_often() -> None:
    graph = build([tainted()], Marks())
    rows = table(graph)
    assert {row["relation"]: row["edges"] for row in rows} == {"same content": 3, "trained-on": 1, "produced": 1}


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_quoted_label_is_one_string_that_says_what_was_said(rows: list[str]) -> None:
    made = quoted(*rows)
    assert STRING.fullmatch(made)
    back = made[1:-1].replace("\\\\", "\0").replace("\\n", "\n").replace('\\"', '"').replace("\0", "\\")
    assert back.replace("&amp;", "&").split("\n") == [plain(row) for row in rows]


@given(st.text(), st.text(), st.text())
def test_no_text_of_a_node_adds_a_statement(label: str, detail: str, key: str) -> None:
    nodes = (Node(f"1{key}", "model", label, detail, "bad", start=True), Node("2", label, key))
    made = dot(Graph(nodes, (Link("2", f"1{key}", label), Link(f"1{key}", "2", "x", 4)), cut=False))
    outside = STRING.sub("Q", made)
    assert outside.count("{") == outside.count("}") == 1
    assert outside.count("->") == 2
    assert "<" not in outside
    assert len(made.splitlines()) == 4 + len(nodes) + 2 + 1
    assert not re.search(r"\b(URL|href|image)\b", outside)
