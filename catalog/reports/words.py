"""How a report says numbers, times and lists, for people and the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from datetime import datetime
from typing import Any

from catalog.domain.base import utc_text

FEW = 4


def counted(number: int, name: str) -> str:
    """`1 episode`, `5,000 episodes`."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def several(items: Sized, name: str) -> str:
    """How many there are."""
    return counted(len(items), name)


def listing(items: Iterable[str]) -> str:
    """Joined by commas; `not recorded` for nothing."""
    return ", ".join(items) or "not recorded"


def day(at: datetime) -> str:
    """To the minute, UTC."""
    return utc_text(at)[:16].replace("T", " ") + " UTC"


def number(value: float) -> str:
    """Four significant digits; a whole number whole."""
    return f"{int(value):,}" if value == int(value) else f"{value:.4g}"


def read(values: dict[str, Any]) -> str:
    """The values that a rule read, each by its name."""
    return "; ".join(f"{name} = {_value(value)}" for name, value in sorted(values.items()))


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list) and not value:
        return "none"
    if isinstance(value, list):
        plain = all(isinstance(item, str | int | float) for item in value)
        return ", ".join(_value(i) for i in value) if plain and len(value) <= FEW else counted(len(value), "item")
    return str(value)
