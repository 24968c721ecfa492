"""Errors of the tree, shown as what is wrong, where, and what to do; anything else is a defect and stays visible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import streamlit as st

from catalog.errors import AssayError
from ui.session.connection import forget
from ui.viewmodels.text import markdown, plain


@contextmanager
def shown(doing: str) -> Iterator[None]:
    """Spin while something is read; an error of the tree ends the page with its three parts."""
    try:
        with st.spinner(doing):
            yield
    except AssayError as error:
        if error.kind in ("service-unreachable", "token-invalid"):
            forget()
        say(error)
        st.stop()


def known(what: str, parameter: str, names: Iterable[str]) -> None:
    """End the page where its address names something that is not there: nothing else is shown in its place."""
    asked = st.query_params.get(parameter)
    there = list(names)
    if asked is not None and asked not in there:
        absent(what, asked, f"There {'are' if len(there) > 1 else 'is'}: {', '.join(there)}.")


def absent(what: str, asked: str, there: str) -> None:
    """Say that something is not there, what is, and end the page; the button forgets the address."""
    with st.container(border=True, key="problem"):
        st.error(f"**no {what} '{markdown(asked)}'**")
        st.text(plain(there))
        st.button("Choose from what there is", on_click=st.query_params.clear)
    st.stop()


def say(error: AssayError) -> None:
    """One error, as text and never as markup."""
    with st.container(border=True, key="problem"):
        st.error(f"**{markdown(error.what)}**")
        if error.where:
            st.caption("Where")
            st.code(plain(error.where), language=None, wrap_lines=True)
        if error.do:
            st.caption("What to do")
            st.text(plain(error.do))
        st.caption(f"kind: {markdown(error.kind)}")
        st.button("Try again", key="again")
