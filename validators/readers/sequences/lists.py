"""Text lists of sensors: a line is a stamp and what was seen then, numbers or the name of a file.

Stamps are exact, integer nanoseconds. Lines that are no such row are left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.times import stamp

MAX_TEXT = 128 << 20  # bytes of one list
MAX_ROWS = 2_000_000
NAMED = 3  # bad lines that are named


@dataclass(frozen=True)
class Listed:
    """Stamps [rows], ns, with numbers [rows, width] or names beside them; `header` is the commented line before."""

    stamps: NDArray[np.int64]
    numbers: NDArray[np.float64]
    names: tuple[str, ...]
    header: tuple[str, ...]
    bad: str

    def __len__(self) -> int:
        return len(self.stamps)


def numbers(
    files: Files,
    relative: str,
    width: int | None,
    delimiter: str | None = None,
    stamped: Callable[[str], int] | None = stamp,
) -> Listed:
    """A list of `width` numbers a line (as many as in the first line, if None) behind its stamp, where it has one."""
    lines, header = _lines(files, relative)
    stamps, rows, bad = [], [], _Bad()
    first = 0 if stamped is None else 1
    for number, line in lines:
        fields = [f.strip() for f in line.split(delimiter)] if delimiter else line.split()
        if fields and not fields[-1]:
            fields.pop()
        width = len(fields) - first if width is None else width
        if len(fields) != width + first:
            bad.add(number, f"has {len(fields)} fields, {width + first} were expected")
            continue
        try:
            stamps.append(stamped(fields[0]) if stamped else 0)
            rows.append([float(f) for f in fields[first:]])
        except ValueError as error:
            del stamps[len(rows) :]
            bad.add(number, str(error))
    _some(files, relative, rows, bad)
    values = np.array(rows, dtype=np.float64).reshape(len(rows), width or 0)
    return Listed(np.array(stamps, dtype=np.int64), values, (), _names(header, delimiter), bad.said())


def names(files: Files, relative: str, delimiter: str | None = None, stamped: Callable[[str], int] = stamp) -> Listed:
    """A list of stamps, each with the name of a file."""
    lines, header = _lines(files, relative)
    stamps, found, bad = [], [], _Bad()
    for number, line in lines:
        fields = [f.strip() for f in line.split(delimiter)] if delimiter else line.split()
        if len(fields) != 2 or not fields[1]:
            bad.add(number, f"has {len(fields)} fields, a stamp and a name were expected")
            continue
        try:
            stamps.append(stamped(fields[0]))
            found.append(fields[1])
        except ValueError as error:
            bad.add(number, str(error))
    _some(files, relative, found, bad)
    nothing = np.zeros((len(found), 0))
    return Listed(np.array(stamps, dtype=np.int64), nothing, tuple(found), _names(header, delimiter), bad.said())


def stamps(files: Files, relative: str, stamped: Callable[[str], int] = stamp) -> Listed:
    """A list of stamps alone, a line each (dates have a blank in them)."""
    lines, _ = _lines(files, relative)
    found, bad = [], _Bad()
    for number, line in lines:
        try:
            found.append(stamped(line.strip()))
        except ValueError as error:
            bad.add(number, str(error))
    _some(files, relative, found, bad)
    return Listed(np.array(found, dtype=np.int64), np.zeros((len(found), 0)), (), (), bad.said())


def nanoseconds(text: str) -> int:
    """A stamp that is ns whatever its size. Raises `ValueError`."""
    found = int(text)
    if abs(found) >= 1 << 63:
        raise ValueError(f"has {text[:40]!r} for a stamp")
    return found


class _Bad:
    """Lines that are left out: how many, and the first of them."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[str] = []

    def add(self, number: int, why: str) -> None:
        self._count += 1
        if len(self._first) < NAMED:
            self._first.append(f"line {number} {why[:80]}")

    def said(self) -> str:
        return f"{self._count} lines were left out ({'; '.join(self._first)})" if self._count else ""


def _lines(files: Files, relative: str) -> tuple[list[tuple[int, str]], str]:
    text = files.text(relative, MAX_TEXT).removeprefix("\ufeff")
    found: list[tuple[int, str]] = []
    header = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("#"):
            header = header if found else line.strip().lstrip("# ")
        elif line.strip():
            found.append((number, line))
        if len(found) > MAX_ROWS:
            raise UnreadableDataset("too-large", f"more than {MAX_ROWS} lines", path=files.where(relative))
    return found, header


def _names(header: str, delimiter: str | None) -> tuple[str, ...]:
    return tuple(n.strip() for n in (header.split(delimiter) if delimiter else header.split()))


def _some(files: Files, relative: str, rows: Sequence[object], bad: _Bad) -> None:
    if not rows:
        raise UnreadableDataset("file-damaged", bad.said() or "lists nothing", path=files.where(relative))
