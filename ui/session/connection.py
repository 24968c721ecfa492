"""One connection a browser session and principal; who that is, is chosen by who opened the link of `assay up`."""

from __future__ import annotations

import streamlit as st

from catalog.client import Catalog
from ui.session.acting import principal


def _connect(name: str) -> Catalog:
    return Catalog(name)


_connected = st.cache_resource(scope="session", show_spinner=False, on_release=Catalog.close)(_connect)


def catalog() -> Catalog:
    """The catalog of this session as its principal, connected at first use."""
    found: Catalog = _connected(principal())
    return found


def forget() -> None:
    """Connect anew next time: a service that was started again may have another address."""
    _connected.clear()
