"""How tables show states: a coloured word, the same colour everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

VERDICTS = {"eligible": "green", "blocked": "red", "pass": "green", "fail": "red", "missing": "orange"}
SEVERITIES = {"blocking": "red", "warning": "orange"}
OUTCOMES = {"clean": "green", "found": "red", "not evaluable": "orange"}
HEARD = {"acknowledged": "green", "pending": "orange", "never heard": "gray", "retired": "gray"}
ORIGINS = {
    "simulated": "violet",
    "stand-in": "violet",
    "generated": "violet",
    "reconstructed": "violet",
    "recorded, origin unverified": "gray",
}


def words(label: str, colours: Mapping[str, str], **more: Any) -> Any:
    """A column of coloured words."""
    return st.column_config.MultiselectColumn(
        label, options=list(colours), color=list(colours.values()), disabled=True, **more
    )


def time(label: str) -> Any:
    """A column of times, in UTC."""
    return st.column_config.DatetimeColumn(f"{label} (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
