"""Where an episode comes from, as its provenance says: origins (recorded, simulated, stand-in, …) and sessions.

Origins are never pooled and never renamed: what mixes them is refused by name.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from validators.findings import NotEvaluable
from validators.recording import Episode

UNKNOWN = "of unknown origin"
_RECORDED = ("real", "recorded", "sensor", "field")
_NAMED = 6  # episodes that a message names


def origin_of(episode: Episode) -> str:
    """`origin`, else `maker`, else `kind` of its provenance; recordings under any name are `recorded`."""
    for key in ("origin", "maker", "kind"):
        value = episode.provenance.get(key)
        if isinstance(value, str) and value.strip():
            word = value.strip().lower().replace("_", "-")
            return "recorded" if word in _RECORDED or word.startswith("recorded") else word
    return UNKNOWN


def one_origin(episodes: Sequence[Episode]) -> str:
    """The origin of them all. Raises `NotEvaluable` that names each origin and its episodes."""
    groups: dict[str, list[int]] = {}
    for episode in episodes:
        groups.setdefault(origin_of(episode), []).append(episode.index)
    if len(groups) > 1:
        parts = [f"{origin}: episodes {_few(indices)}" for origin, indices in groups.items()]
        raise NotEvaluable(f"origins are never pooled ({'; '.join(parts)}); judge each apart")
    return next(iter(groups), UNKNOWN)


def _few(indices: Sequence[int]) -> str:
    shown = ", ".join(map(str, indices[:_NAMED]))
    return shown + (f" and {len(indices) - _NAMED} more" if len(indices) > _NAMED else "")


def session_of(episode: Episode) -> str | None:
    """`rig × day` of an episode, None where its provenance lacks one of them."""
    rig, day = episode.provenance.get("rig"), day_of(episode)
    return f"{rig} × {day}" if isinstance(rig, str) and rig and day else None


def day_of(episode: Episode) -> datetime.date | None:
    """The day it was recorded, from `day`, `date` or `recorded_at` (ISO 8601); None where none is given or readable."""
    for key in ("day", "date", "recorded_at"):
        value = episode.provenance.get(key)
        if isinstance(value, str):
            try:
                return datetime.datetime.fromisoformat(value).date()
            except ValueError:
                return None
    return None
