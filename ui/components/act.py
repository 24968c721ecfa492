"""Buttons that change something. One that is off says why beside it, and does nothing however it is pressed."""

from __future__ import annotations

from typing import Any

import streamlit as st

from catalog.domain.principal import Principal
from ui.session.acting import unlocked
from ui.viewmodels import acting
from ui.viewmodels.text import markdown

DONE = "done"


def why_off(me: Principal, action: str) -> str:
    """Why this person may not do it in this session, or nothing."""
    return acting.why_off(me, action, unlocked=unlocked())


def button(label: str, why: str, key: str, *, primary: bool = True) -> bool:
    """Whether it was pressed by who may. The key names what is shown, so that a press never means something newer."""
    kind = "primary" if primary else "secondary"
    pressed = st.button(label, key=key, type=kind, disabled=bool(why), width="stretch")
    if why:
        st.caption(markdown(why))
    return pressed and not why


def beside() -> Any:
    """Words and their button in one line, or below one another where the window is narrow."""
    return st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")


def confirmed(label: str, sure: str, why: str, key: str) -> str | None:
    """Ask once for what cannot be undone: a reason, a tick, a button. The reason when confirmed, None until then."""
    with st.form(key):
        reason: str = st.text_input("Reason, kept in the audit log and shown on devices", max_chars=2000)
        ticked = st.checkbox(sure)
        pressed = st.form_submit_button(label, type="primary", disabled=bool(why))
    if why:
        st.caption(markdown(why))
    if not pressed or why:
        return None
    if not ticked or not reason.strip():
        st.warning("Nothing was done: give a reason and tick the box.")
        return None
    return reason.strip()


def tell_next(good: bool, text: str) -> None:
    """Read everything anew, and say then what was done."""
    st.session_state[DONE] = (good, text)
    st.rerun()


def tell() -> None:
    """Say what the last act did, once: where the page begins, and where the reader is."""
    said = st.session_state.pop(DONE, None)
    if said is not None:
        good, text = said
        (st.success if good else st.error)(markdown(text))
        st.toast(markdown(text), duration="long")
