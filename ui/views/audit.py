"""Audit: the head to keep, the whole chain recomputed on request, what devices kept, the newest entries."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.client import Catalog
from catalog.domain.audit import AuditHead
from catalog.domain.views import Status
from catalog.errors import AssayError, Damaged
from ui.components import columns, standing
from ui.components.problem import say, shown
from ui.session.connection import catalog
from ui.viewmodels import audit as rows
from ui.viewmodels.text import markdown

NEWEST = (200, 1000, 5000)
COMPARED = 20  # distinct heads; each recomputes the chain
FITS, FITS_NOT = "fits", "does not fit"
WORDS = {FITS: "green", FITS_NOT: "red", "not compared": "gray"}


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Audit", url_path="audit")


def page() -> None:
    """The page."""
    st.title("Audit")
    with shown("Reading the audit log's head …"):
        connected = catalog()
        status, me, devices = connected.status(), connected.me(), connected.devices()
    standing.standing(status, me.name)
    _head(connected, status)
    _kept(connected, rows.kept(devices))
    _entries(connected, status)


def _head(connected: Catalog, status: Status) -> None:
    st.caption(
        "The head as SIZE:ROOT. Keep it outside this machine: only a head that somebody kept shows a log restored."
    )
    st.code(rows.written(AuditHead(size=status.audit_size, root=status.audit_root)), language=None, wrap_lines=True)
    with st.form("verify", border=False):
        text, button = st.columns([4, 1.4], vertical_alignment="bottom")
        kept = text.text_input("A head that was kept, if you have one", placeholder="SIZE:sha256:ROOT")
        pressed = button.form_submit_button("Verify the log", type="primary", width="stretch")
    if not pressed:
        return
    try:
        with st.spinner("Recomputing every entry …"):
            head = rows.read(kept) if kept.strip() else None
            report = connected.verify_audit(head)
    except AssayError as error:
        say(error)
        return
    said = f"The log is whole: {report.size:,} entries, every hash and link recomputed."
    st.success(said + (" The head that was kept is a head of this log." if head else " No kept head was compared."))


def _kept(connected: Catalog, heads: list[rows.KeptHead]) -> None:
    st.subheader("Heads that devices kept")
    if not heads:
        st.caption("No device has reported a head yet.")
        return
    checked: dict[str, str] = {}
    if st.button("Compare the log with them"):
        distinct = {rows.written(k.head): k.head for k in heads}
        with shown("Recomputing the log for each …"):
            for name, head in list(distinct.items())[:COMPARED]:
                checked[name] = _compared(connected, head)
        bad = [name for name, word in checked.items() if word == FITS_NOT]
        if bad:
            st.error("This log is not the one that devices saw: it was rewritten, cut or restored. Promote nothing.")
        elif len(distinct) > COMPARED:
            st.warning(f"Compared {COMPARED} of {len(distinct)} distinct heads, the others not.")
        else:
            st.success("Every head that a device kept is a head of this log.")
    st.dataframe(
        rows.kept_rows(heads, checked),
        hide_index=True,
        column_config={"compared": columns.words("compared", WORDS)},
    )


def _compared(connected: Catalog, head: AuditHead) -> str:
    try:
        connected.verify_audit(head)
    except Damaged:
        return FITS_NOT
    return FITS


def _entries(connected: Catalog, status: Status) -> None:
    st.subheader("Newest entries")
    count, action_, about_ = st.columns([1, 2, 3])
    newest = count.selectbox("How many", NEWEST)
    with shown("Reading entries …"):
        entries = connected.audit(after=max(-1, status.audit_size - newest - 1))
    action = action_.selectbox("Action", ["", *rows.actions(entries)], format_func=lambda a: a or "every action")
    about = about_.text_input("Subject, actor or details contain")
    listed = rows.entry_rows(entries, action, about)
    st.caption(markdown(f"{len(listed):,} of the newest {len(entries):,} entries; the log has {status.audit_size:,}."))
    st.dataframe(listed, hide_index=True, column_config={"at": columns.time("at")}, height=560)
