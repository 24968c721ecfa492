"""Where times and identifiers come from: injected, so that nothing else in the catalog asks the machine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
Ids = Callable[[], str]


def wall_clock() -> datetime:
    """The machine's clock, UTC with microseconds."""
    return datetime.now(UTC)


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): milliseconds since the epoch, then 74 random bits, so that ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
