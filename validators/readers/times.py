"""Times of images: in their names, or in a list beside them; exact, as integer nanoseconds."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from validators.errors import UnreadableDataset
from validators.files import Files

SECOND = 1_000_000_000  # ns
LISTS = ("times.txt", "timestamps.txt", "timestamps.csv", "data.csv")
MAX_LIST = 64 << 20  # bytes
_STAMP = re.compile(r"\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19}")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d{1,9})?Z?")
_DIGITS = {13: 1_000_000, 16: 1_000, 19: 1}  # digits of ms, µs and ns since 1970 → ns


def of_names(names: Sequence[str]) -> list[int] | None:
    """ns since 1970 when every name without its suffix is a stamp of one kind (s, ms, µs, ns); None otherwise."""
    stems = [n.rpartition("/")[2].rpartition(".")[0] for n in names]
    if not all(_STAMP.fullmatch(s) for s in stems) or len({len(s.partition(".")[0]) for s in stems}) != 1:
        return None
    return [_nanoseconds(s) for s in stems]


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
    if date := _DATE.fullmatch(line):
        return _date(date), None
    fields = [f.strip() for f in (line.split(",") if "," in line else line.split())]
    time = next((t for f in fields if (t := _time(f)) is not None), None)
    name = next((f.rpartition("/")[2] for f in fields if _time(f) is None and "." in f), None)
    return None if time is None else (time, name)


def stamp(text: str) -> int:
    """ns of a stamp: s, or ms, µs or ns where it has the digits of these since 1970, or a date. Raises `ValueError`."""
    found = _time(text)
    if found is None or abs(found) >= 1 << 63:
        raise ValueError(f"has {text[:40]!r} for a stamp")
    return found


def _time(field: str) -> int | None:
    if date := _DATE.fullmatch(field):
        return _date(date)
    try:
        return _nanoseconds(field)
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _nanoseconds(text: str) -> int:
    if len(text) in _DIGITS and text.isdigit():
        return int(text) * _DIGITS[len(text)]
    seconds = Decimal(text)
    if not seconds.is_finite() or abs(seconds) >= 1 << 33:
        raise ValueError(text)
    return int(seconds * SECOND)


def _date(match: re.Match[str]) -> int:
    moment = datetime.datetime.fromisoformat(match[1]).replace(tzinfo=datetime.UTC)
    fraction = (match[2] or ".0")[1:].ljust(9, "0")
    return int(moment.timestamp()) * SECOND + int(fraction)
