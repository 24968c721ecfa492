"""One connection a browser session, as the principal that `assay up` names; a viewer otherwise."""

from __future__ import annotations

import os

import streamlit as st

from catalog.client import Catalog

DEFAULT = "viewer"


def _connect() -> Catalog:
    return Catalog(os.environ.get("ASSAY_PRINCIPAL", DEFAULT))


_connected = st.cache_resource(scope="session", show_spinner=False, on_release=Catalog.close)(_connect)


def catalog() -> Catalog:
    """The catalog of this session, connected at first use."""
    found: Catalog = _connected()
    return found


def forget() -> None:
    """Connect anew next time: a service that was started again may have another address."""
    _connected.clear()
