"""What the colours of the graph mean; this is the only HTML here, and no data is in it."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from ui.viewmodels.dot import BAD, GOOD, GREY, INK, KINDS, MIXED

SWATCH = (
    '<span style="display:inline-block;margin:0 .5rem .4rem 0;padding:.05rem .55rem;border-radius:.35rem;'
    'font-size:.8rem;color:{ink};background:{fill};border:{border}">{word}</span>'
)


def legend(kinds: Iterable[str]) -> None:
    """The kinds that the graph shows, and its marks."""
    shown = set(kinds)
    words = [
        SWATCH.format(ink=INK, fill=fill, border=f"1px solid {GREY}", word=kind)
        for kind, (fill, _) in KINDS.items()
        if kind in shown
    ]
    words += [
        SWATCH.format(ink=INK, fill="#fff", border=f"3px solid {BAD}", word="✗ blocked, failed or quarantined"),
        SWATCH.format(ink=INK, fill="#fff", border=f"1px solid {GOOD}", word="✓ approved or eligible"),
        SWATCH.format(
            ink=INK, fill="#fff", border=f"4px double {MIXED}", word="✓✗ eligible for one class, blocked for another"
        ),
        SWATCH.format(ink=INK, fill="#fff", border=f"3px double {INK}", word="what you asked about"),
    ]
    st.html("".join(words))
