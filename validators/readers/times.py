"""Times as files write them, exact, as integer nanoseconds; of images in their names or in a list beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from validators.errors import UnreadableDataset
from validators.files import Files

LISTS = ("times.txt", "timestamps.txt", "timestamps.csv", "data.csv")
MAX_LIST = 64 << 20  # bytes
_STAMP = re.compile(r"\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19}")
_FRACTION = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)\.(\d{1,9})(.*)")
MOST = 1 << 62  # ns: the year 2116
_SCALES = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (0, 10**9))  # least value → ns in a unit: ns, µs, ms, s


def of_names(names: Sequence[str]) -> list[int] | None:
    """ns since 1970 when every name without its suffix is a stamp of one kind (s, ms, µs, ns); None otherwise."""
    stems = [n.rpartition("/")[2].rpartition(".")[0] for n in names]
    if not all(_STAMP.fullmatch(s) for s in stems) or len({len(s.partition(".")[0]) for s in stems}) != 1:
        return None
    return [stamp(s) for s in stems]


def listed(files: Files, folder: str, names: Sequence[str]) -> list[int] | None:
    """ns of each image from the list in its folder or one above it; None without a list.

    A line is a time, alone (then there are as many as images) or beside the name of its image. Times are s, or ms, µs
    or ns where they have the digits of these since 1970, or dates. Raises `UnreadableDataset` (`metadata-invalid`).
    """
    places = [folder] if not folder else [folder, folder.rpartition("/")[0]]
    found = (f"{place}/{name}".lstrip("/") for place in places for name in LISTS)
    path = next((p for p in found if files.is_file(p)), None)
    if path is None:
        return None
    lines = [line.strip() for line in files.text(path, MAX_LIST).splitlines()]
    rows = [row for line in lines if line and not line.startswith("#") and (row := _row(line)) is not None]
    plain = [n.rpartition("/")[2] for n in names]
    by_name = {name: time for time, name in rows if name}
    if by_name and set(plain) <= by_name.keys():
        return [by_name[n] for n in plain]
    if len(rows) != len(names):
        detail = f"{path} lists {len(rows)} times for {len(names)} images"
        raise UnreadableDataset("metadata-invalid", detail, path=files.where(path))
    return [time for time, _ in rows]


def _row(line: str) -> tuple[int, str | None] | None:
    """(ns, name of the image if it is there) of a line; None for a heading."""
    if (time := nanoseconds(line)) is not None:
        return time, None
    fields = [f.strip() for f in (line.split(",") if "," in line else line.split())]
    time = next((t for f in fields if (t := nanoseconds(f)) is not None), None)
    name = next((f.rpartition("/")[2] for f in fields if nanoseconds(f) is None and "." in f), None)
    return None if time is None else (time, name)


def stamp(text: str) -> int:
    """As `nanoseconds`; raises `ValueError` for what is no time."""
    found = nanoseconds(text)
    if found is None:
        raise ValueError(f"has {text[:40]!r} for a stamp")
    return found


def nanoseconds(value: object) -> int | None:
    """Of a number or its text (s; ms, µs or ns where it is too large for that), or an ISO 8601 time (UTC if unsaid).

    No digit is lost. None for anything else.
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
    parts = _FRACTION.fullmatch(text)  # the standard library keeps six digits of nine
    try:
        time = datetime.fromisoformat(parts[1] + parts[3] if parts else text)
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    fraction = int(parts[2].ljust(9, "0")) if parts else since.microseconds * 1000
    found = (since.days * 86_400 + since.seconds) * 10**9 + fraction
    return found if abs(found) < MOST else None
