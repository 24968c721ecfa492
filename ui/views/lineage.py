"""Lineage: any asset, what it came from and what came of it, as a picture and as a table of its edges."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.client import Catalog
from catalog.domain.views import DatasetView, Lineage
from ui.components import standing
from ui.components.legend import legend
from ui.components.problem import absent, shown
from ui.session.connection import catalog
from ui.viewmodels import lineage as graphs
from ui.viewmodels.dot import dot
from ui.viewmodels.text import plain

DIRECTIONS = {"both": "Both ways", "up": "Where it came from", "down": "What came of it"}
DRAWN = 150  # nodes; beyond that a picture says nothing, and the table still has all


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Lineage", url_path="lineage")


def page() -> None:
    """The page."""
    st.title("Lineage")
    with shown("Reading the catalog …"):
        connected = catalog()
        datasets, models, status = connected.datasets(), connected.models(), connected.status()
    standing.standing(status, connected.principal)
    assets = graphs.assets(datasets, models)
    of = _choose(assets)
    if of is None:
        st.info("Choose a dataset, a version or a model, or paste a URN.")
        return
    left, right = st.columns(2, vertical_alignment="bottom")
    direction = left.segmented_control(
        "Direction", list(DIRECTIONS), format_func=DIRECTIONS.__getitem__, default="both", required=True
    )
    content = right.toggle(
        "Follow content under any name",
        help="Shows recordings and their copies: episodes are known by their fingerprint, whatever they are called.",
    )
    with shown("Tracing …"):
        traces = _traces(connected, datasets, of, str(direction), episodes=content)
        digests = {f"urn:assay:model:{m.digest_.removeprefix('sha256:')}": m.digest_ for m in models}
        reached = {urn for trace in traces for urn in trace.labels}
        views = [connected.model(digest) for urn, digest in digests.items() if urn in reached]
        runs = [connected.run(graphs.parts_of(urn)[0]) for urn in reached if graphs.kind_of(urn) == "run"]
    start = traces[0].start
    if start not in assets and graphs.kind_of(start) in ("dataset", "version", "model"):
        absent(graphs.kind_of(start), of, "Choose a dataset, a version or a model that is registered.")
    _show(graphs.build(traces, graphs.marks(datasets, views, runs)))


def _choose(assets: dict[str, str]) -> str | None:
    """The asset asked for: from the address, from the list, or pasted."""
    asked = st.query_params.get("of")
    options = list(assets) if asked is None or asked in assets else [asked, *assets]
    of: str | None = st.selectbox(
        "Asset",
        options,
        index=options.index(asked) if asked is not None else 0 if options else None,
        format_func=lambda urn: assets.get(urn, plain(urn)),
        accept_new_options=True,
        placeholder="A dataset, a version, a model, or a URN",
    )
    if of is not None:
        st.query_params["of"] = of
    return of


def _traces(
    connected: Catalog, datasets: list[DatasetView], of: str, direction: str, *, episodes: bool
) -> list[Lineage]:
    """The trace of an asset each way; of a dataset, downstream is what came of any of its versions."""
    traces = []
    if direction in ("both", "up"):
        traces.append(connected.trace(of, "up", episodes=episodes))
    if direction in ("both", "down"):
        traces.append(connected.trace(of, "down", episodes=episodes))
        traces += [
            connected.trace(urn, "down", episodes=episodes)
            for view in datasets
            if traces[0].start == f"urn:assay:dataset:{view.slug}"
            for urn in graphs.versions(view)
        ]
    return traces


def _show(graph: graphs.Graph) -> None:
    if not graph.links:
        st.info("Nothing is recorded in this direction.")
        return
    if graph.cut:
        st.warning("There is more than is shown here: the trace was cut at its limit. Start from something narrower.")
    if len(graph.nodes) <= DRAWN:
        legend({node.kind for node in graph.nodes})
        with st.container(border=True, key="graph"):
            st.graphviz_chart(
                dot(graph),
                width="content",
                alt="Lineage, downwards as data flows; the same edges are in the table below.",
            )
    else:
        st.info(f"{len(graph.nodes)} nodes are too many for a picture; the table has all of them.")
    st.subheader(f"{len(graph.links)} edges")
    st.dataframe(graphs.table(graph), hide_index=True)
