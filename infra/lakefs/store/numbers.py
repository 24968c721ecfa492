"""Ids of rows that the database counts: 16 hexadecimal digits, so that ids sort as the numbers do."""

from __future__ import annotations

import re

IDENTIFIER = re.compile(r"[0-7][0-9a-f]{15}")


def to_id(number: int) -> str:
    return f"{number:016x}"


def to_number(identifier: str) -> int:
    """The number an id stands for; one that no row has where it is no id at all."""
    return int(identifier, 16) if IDENTIFIER.fullmatch(identifier) else -1
