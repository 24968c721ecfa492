"""Times as label files write them, as nanoseconds since 1970 without losing a digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

MOST = 1 << 62  # ns: the year 2116
_SCALES = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (0, 10**9))  # least value → ns in a unit: ns, µs, ms, s


def nanoseconds(value: object) -> int | None:
    """Of a number or its text (s; ms, µs or ns where it is too large for that), or an ISO 8601 time (UTC if unsaid).

    None for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > 64:
        return None
    try:
        number = Decimal(value if isinstance(value, str | int) else repr(value))
    except InvalidOperation:
        return _iso(str(value))
    if not number.is_finite() or abs(number) > MOST:
        return None
    scale = next(scale for least, scale in _SCALES if abs(number) >= least)
    found = int(number * scale)
    return found if abs(found) < MOST else None


def _iso(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
