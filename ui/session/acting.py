"""Who this browser session acts as. The address of the browser is open to every user and program of this machine, so a
session looks only, until it shows the code that `assay up` printed to whoever started it.
"""

from __future__ import annotations

import hmac
import os

import streamlit as st

from catalog.settings import Settings, load

DEFAULT = "viewer"
CODE, UNLOCKED, ACTING = "code", "unlocked", "acting"


def unlock_from_link() -> None:
    """Take the code out of the address: a link that is passed on or kept in a history opens nothing later."""
    code = st.query_params.get(CODE)
    if code is not None:
        del st.query_params[CODE]
        unlock(code)


def unlock(code: str) -> bool:
    """Whether this is the code; a session that showed it once may act until it ends."""
    expected = load().browser_code
    same = expected is not None and hmac.compare_digest(code.encode(), expected.get_secret_value().encode())
    if same:
        st.session_state[UNLOCKED] = True
    return same


def unlocked() -> bool:
    """Whether this session may act."""
    return st.session_state.get(UNLOCKED) is True


def principal() -> str:
    """The principal of this session; without the code, the one that looks."""
    chosen = st.session_state.get(ACTING) if unlocked() else None
    return chosen or os.environ.get("ASSAY_PRINCIPAL", DEFAULT)


def principals() -> list[str]:
    """Whose tokens this process can read, the one that looks first."""
    own = os.environ.get("ASSAY_PRINCIPAL", DEFAULT)
    here = {path.stem for path in settings().keys_folder.glob("*.token")}
    return [own, *sorted(here - {own})]


def settings() -> Settings:
    """The settings of the browser's own process."""
    return load()
