"""Who acts, in the sidebar of every page; without the code of `assay up` there is nothing to choose."""

from __future__ import annotations

import streamlit as st

from ui.session import acting
from ui.viewmodels.text import plain


def choose() -> None:
    """The code, or the principal to act as; kept while the session lasts."""
    acting.unlock_from_link()
    with st.sidebar:
        if not acting.unlocked():
            with st.expander("Looking only"):
                st.caption("To act, open the link that `assay up` printed, or enter the code in it.")
                code = st.text_input("Code", type="password", key="code")
                if code and acting.unlock(code.strip()):
                    st.rerun()
                if code:
                    st.error("This is not the code of this browser.")
        if acting.unlocked():
            st.selectbox("Acting as", acting.principals(), format_func=plain, key=acting.ACTING)
