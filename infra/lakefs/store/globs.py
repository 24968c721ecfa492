"""Patterns over branch names: `*` for any characters, `?` for one, everything else for itself.

Matching takes time in proportion to the name, whatever the pattern: a part between two stars is taken at its first
place and never tried again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns is the whole name."""
    return any(_expression(pattern).fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    first, *rest = ("".join("." if c == "?" else re.escape(c) for c in part) for part in pattern.split("*"))
    if not rest:
        return re.compile(first, re.DOTALL)
    between = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(f"{first}{between}.*{rest[-1]}", re.DOTALL)
