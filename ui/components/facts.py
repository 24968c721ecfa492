"""Exact values in fixed width, copied with one click; shown as text, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from ui.viewmodels.text import aligned


def facts(lines: Iterable[tuple[str, str]]) -> None:
    """Names and values below one another."""
    st.code(aligned(lines), language=None, wrap_lines=True)
