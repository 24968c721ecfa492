"""Which column of a table is its clock: the declared one, else one whose name and values leave no doubt, which is said.

Names without doubt are timestamp, time, stamp and t, with or without a unit (time_ns, `timestamp [ms]`). Without one
the unit is that of a date type, or follows from the size of the first value: seconds since 1973 or more are of another
size in s, ms, us and ns, and floats below are s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from validators.declarations.declaration import DeclaredClock
from validators.errors import UnreadableDataset
from validators.stream import PER_SECOND, Clock, Unit

HOW = "declare it: --clock COLUMN:UNIT, or `clock` in assay.yaml"
NAMES = ("timestamp", "time", "stamp", "t")
EPOCH = (1e8, 1e10)  # s: from 1973 on
RELATIVE = 1e6  # s: a clock that starts before, counts from its own start
_UNITS: Mapping[str, Unit] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "usec", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanoseconds"), "ns"),
}
_NAMED = re.compile(rf"({'|'.join(NAMES)})(?:[\s_.(\[]+({'|'.join(_UNITS)})[)\]]?)?", re.IGNORECASE)


def candidates(columns: Sequence[str], declared: DeclaredClock | None) -> list[str]:
    """The columns that may be the clock, best first."""
    if declared:
        return [declared.column]
    found = [(NAMES.index(m[1].lower()), name) for name in columns if (m := _NAMED.fullmatch(name.strip()))]
    return [name for _, name in sorted(found)]


def clock(
    column: str, unit: Unit | None, first: float | None, kind: str, declared: DeclaredClock | None
) -> Clock | None:
    """The clock in a column of the type `kind`, None where its unit is in doubt.

    `unit` is its date type's, `first` its first finite value. Raises `UnreadableDataset` (`metadata-invalid`) where the
    declared clock has no unit.
    """
    named = _NAMED.fullmatch(column.strip())
    by_name = _UNITS[named[2].lower()] if named and named[2] else None
    by_size = _by_size(first, kind)
    if declared is None:
        found, why = next(
            ((u, why) for u, why in ((unit, "its type"), (by_name, "its name"), (by_size, "its values")) if u),
            (None, ""),
        )
        return Clock(column, found, f"clock inferred: {column}, {found} by {why}") if found else None
    if unit and declared.unit and unit != declared.unit:
        detail = f"clock: {declared.unit} is declared, column {column!r} holds dates in {unit}"
        raise UnreadableDataset("metadata-invalid", detail)
    chosen = unit or declared.unit or by_name or by_size
    if chosen is None:
        raise UnreadableDataset("metadata-invalid", f"clock: the unit of column {column!r} is in doubt; {HOW}")
    return Clock(column, chosen, declared.source or "as declared", declared.synchronised)


def _by_size(first: float | None, kind: str) -> Unit | None:
    if first is None:  # no number stands there: nothing contradicts s
        return "s" if kind.startswith("float") else None
    for unit, per_second in PER_SECOND.items():
        if EPOCH[0] * per_second <= first < EPOCH[1] * per_second:
            return unit
    return "s" if kind.startswith("float") and abs(first) < EPOCH[0] else None


def origin(starts: Sequence[float], unit: Unit) -> float:
    """What the clock is counted from: its earliest start where that is a date or a long up-time, else its own zero."""
    first = min(starts, default=0)
    return first if abs(first) >= RELATIVE * PER_SECOND[unit] else 0
