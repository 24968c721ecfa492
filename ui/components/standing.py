"""How the catalog stands, beside every page: which home and environment, and what needs somebody's attention."""

from __future__ import annotations

import streamlit as st

from catalog.domain.views import Status
from ui.viewmodels.text import markdown, plain, short


def standing(status: Status, principal: str) -> None:
    """In the sidebar: alarms first, then where this is."""
    with st.sidebar:
        for head in status.undecided:
            st.error(
                f"**{markdown(head.dataset)}**: {markdown(head.why)} at {markdown(short(head.commit))}. "
                "Nothing of it is served; look at `assay status`."
            )
        for asked in status.questions:
            st.error(markdown(f"{asked} Recall or withdraw it, or leave it."))
        for merge in status.undecided_merges:
            st.error(f"A merge is undecided: operation {markdown(merge.id)}. Look at `assay status`.")
        if status.clock_back:
            st.error("The clock was set back: nothing that depends on time passes until it is right.")
        for operation in status.running:
            st.info(f"Running: {markdown(operation.kind)} by {markdown(operation.by)}")
        st.badge(f"environment {markdown(status.environment)}", color="blue")
        st.caption(f"reading as {markdown(principal)} · epoch {status.epoch} · Assay {markdown(status.version)}")
        st.caption(f"audit log: {status.audit_size} entries, root {short(status.audit_root)}…")
        with st.expander("Home"):
            st.code(plain(status.home), language=None, wrap_lines=True)
