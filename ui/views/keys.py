"""Keys and policies: whose signatures count, and by which rules. Read only; both change by signatures."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.components import columns, standing
from ui.components.problem import shown
from ui.session.connection import catalog
from ui.viewmodels import keys as rows


def place() -> Any:
    """This page, for navigation and for links to it."""
    return st.Page(page, title="Keys and policies", url_path="keys")


def page() -> None:
    """The page."""
    st.title("Keys and policies")
    with shown("Reading keys and policies …"):
        connected = catalog()
        keys, policies = connected.keys(), connected.policies()
        status, me = connected.status(), connected.me()
    standing.standing(status, me.name)
    st.subheader("Keys")
    st.caption("A lost key's earlier signatures stand; a compromised key's never did. Changed by `assay key`.")
    st.dataframe(
        rows.key_rows(keys),
        hide_index=True,
        height="content",
        placeholder="",
        column_config={"today": columns.words("today", rows.COUNTS)}
        | {t: columns.time(t) for t in ("expires", "revoked", "enrolled")},
    )
    st.subheader("Policies in force")
    st.caption("A class and an environment choose the policy; a class without one releases nothing.")
    st.dataframe(
        rows.policy_rows(policies),
        hide_index=True,
        height="content",
        column_config={"active since": columns.time("active since")},
    )
