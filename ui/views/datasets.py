"""Datasets: all of them, then one with its versions, then one version with everything that is recorded about it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.domain.views import DatasetView, VersionView
from ui.components import columns, standing
from ui.components.facts import facts
from ui.components.problem import known, shown
from ui.session.connection import catalog
from ui.viewmodels import datasets as rows
from ui.viewmodels.text import markdown, size
from ui.views import lineage


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Datasets", url_path="datasets", default=True)


def page() -> None:
    """The page."""
    st.title("Datasets")
    with shown("Reading the datasets …"):
        connected = catalog()
        found, status = connected.datasets(), connected.status()
    standing.standing(status, connected.principal)
    if not found:
        st.info("No dataset is registered yet.")
        st.code("assay dataset register NAME PATH --ingest SLUG", language=None)
        return
    slugs = [view.slug for view in found]
    known("dataset", "dataset", slugs)
    _overview(found)
    slug = st.selectbox("Dataset", slugs, key="dataset", bind="query-params")
    _dataset(next(view for view in found if view.slug == slug))


def _overview(found: list[DatasetView]) -> None:
    states = {f"{n} {state}": colour for state, colour in rows.STATES.items() for n in range(1, 1000)}
    listed = rows.overview(found)
    used = {word: states.get(word, "gray") for row in listed for word in row["versions"]}
    st.dataframe(
        listed,
        hide_index=True,
        column_config={
            "origin": columns.words("origin", columns.ORIGINS),
            "versions": columns.words("versions", used),
            "arrived": columns.time("newest arrival"),
        },
    )


def _dataset(view: DatasetView) -> None:
    st.header(markdown(view.slug))
    newest = rows.newest_approved(view)
    if newest is None or newest.approval is None:
        st.warning("No version of this dataset is approved, so no training job is given any of it.")
    if not view.versions:
        st.info("Nothing was ingested yet.")
        return
    st.dataframe(
        rows.version_rows(view),
        hide_index=True,
        column_config={
            "state": columns.words("state", rows.STATES),
            "origin": columns.words("origin", columns.ORIGINS),
            "arrived": columns.time("arrived"),
        },
    )
    names = {v.manifest_digest: rows.name(v) for v in view.versions}
    chosen = st.selectbox("Version", list(names), format_func=names.__getitem__, key=f"version-{view.slug}")
    _version(view, next(v for v in view.versions if v.manifest_digest == chosen))


def _version(view: DatasetView, version: VersionView) -> None:
    st.badge(version.state, color=rows.STATES[version.state])
    st.text(rows.MEANING[version.state])
    if elsewhere := rows.quarantined_elsewhere(view, version):
        st.text(elsewhere)
    for origin in rows.origins(version):
        st.info(rows.ORIGINS[origin])
    roots = version.manifest.roots
    for column, (label, value) in zip(
        st.columns(5),
        (
            ("Recordings", str(len(roots))),
            ("Episodes", f"{rows.episodes(version):,}"),
            ("Frames", f"{sum(r.frames for r in roots):,}"),
            ("Bytes", size(sum(r.bytes for r in roots))),
            ("Quarantined episodes", f"{version.quarantined_episodes:,}"),
        ),
        strict=True,
    ):
        column.metric(label, value)
    st.page_link(lineage.place(), label="Lineage of this version →", query_params={"of": rows.urn(view, version)})
    checked, source, approval, quarantine, identity = st.tabs(
        ["Check", "Provenance", "Approval", "Quarantine", "Identity"]
    )
    with checked:
        _check(version)
    with source:
        for root in roots:
            st.subheader(markdown(root.slug))
            facts(rows.provenance_lines(root))
    with approval:
        lines = rows.approval_lines(version)
        if lines:
            facts(lines)
        else:
            st.info("Nobody approved this version.")
    with quarantine:
        _quarantine(view, version)
    with identity:
        facts(rows.identity_lines(version))


def _check(version: VersionView) -> None:
    if version.check is None:
        st.warning("This version was not checked. Run `assay dataset check`.")
        return
    check = version.check
    for fault in check.integrity:
        st.error(f"**Bytes or listing**: {markdown(fault)}")
    found = rows.finding_rows(check)
    if found:
        st.subheader(f"{len(found)} finding{'s' if len(found) > 1 else ''}")
        st.dataframe(
            found,
            hide_index=True,
            column_config={
                "severity": columns.words("severity", columns.SEVERITIES),
                "what was found": st.column_config.TextColumn(width="medium"),
            },
        )
    elif check.passed:
        st.success("No finding.")
    st.subheader("What was checked")
    st.dataframe(
        rows.check_rows(check),
        hide_index=True,
        height="content",
        column_config={
            "outcome": columns.words("outcome", columns.OUTCOMES),
            "note": st.column_config.TextColumn(width="large"),
        },
    )
    facts(rows.suite_lines(check))


def _quarantine(view: DatasetView, version: VersionView) -> None:
    own = rows.quarantine_rows(view, version)
    if own:
        st.dataframe(own, hide_index=True, column_config={"at": columns.time("at")})
    elif not version.quarantined_episodes:
        st.success("No episode of this version is quarantined.")
    if elsewhere := rows.quarantined_elsewhere(view, version):
        st.error(markdown(elsewhere))
    others = [row for row in rows.quarantine_rows(view) if row not in own]
    if others:
        st.caption("Quarantined in other versions of this dataset; the content is blocked under any name.")
        st.dataframe(others, hide_index=True, column_config={"at": columns.time("at")})
