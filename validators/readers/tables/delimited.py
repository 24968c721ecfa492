"""CSV and TSV: read twice, batch by batch; first to learn what each column holds, then to decode it.

A column is a number where every value that is there is one; a row with too few or too many fields is left out and
named. Memory is that of a batch.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from validators.errors import UnreadableDataset
from validators.readers.columns import MAX_COLUMNS, MAX_ROWS, is_number

SUFFIXES = (".csv", ".tsv")
MAX_BYTES = 64 << 30
MAX_HEADER = 1 << 20
BLOCK = 4 << 20  # bytes of a batch, and the longest row
NAMED = 5  # ragged rows that are named
NOTHING = ("", "NA", "N/A", "null", "NULL", "None", "NaT")  # no value; NaN is a value
TYPES = {"int64": pl.Int64(), "float64": pl.Float64(), "time": pl.Datetime("ns"), "text": pl.String()}

Holds: TypeAlias = Literal["int64", "float64", "time", "text"]


@dataclass(frozen=True)
class Sheet:
    """A text file of rows: its columns by name, what separates them, and the bytes before the first row."""

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    start: int


@dataclass
class Survey:
    """What the columns hold: rows, and for each column how many values are there, and are of each type."""

    rows: int = 0
    filled: dict[str, int] = field(default_factory=dict)
    of: dict[tuple[str, Holds], int] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)  # column → its first value that is no number
    ragged: list[tuple[int | None, int]] = field(default_factory=list)  # line, fields that it has
    left_out: int = 0

    def holds(self, column: str) -> Holds:
        """The narrowest type that every value is of; a column without any value is of numbers that are missing."""
        filled = self.filled[column]
        kinds: tuple[Holds, ...] = ("int64", "float64", "time")
        if not filled:
            return "float64"
        return next((kind for kind in kinds if self.of[column, kind] == filled), "text")

    def mixed(self, column: str) -> str:
        """Why a column of which half or more are numbers is taken as text, empty where it is not so."""
        numbers, filled = self.of[column, "float64"], self.filled[column]
        if self.holds(column) != "text" or 2 * numbers < filled:
            return ""
        detail = f"{filled - numbers} of {filled} values are no numbers, the first is {self.odd[column][:40]!r}"
        return f"column {column!r}: {detail}; it was not judged"


def look(path: Path) -> Sheet:
    """The header of a file. Raises `UnreadableDataset` (`metadata-invalid`, `file-damaged`, `too-large`)."""
    with path.open("rb") as file:
        first = file.readline(MAX_HEADER)
        size = path.stat().st_size
    if size > MAX_BYTES:
        raise UnreadableDataset("too-large", f"{size} bytes of text, at most {MAX_BYTES} are read", path=path)
    if not first.strip():
        detail = "the first line is empty, a header was expected" if size else "has no bytes; copy it again"
        raise UnreadableDataset("file-damaged", detail, path=path)
    try:
        line = first.decode("utf-8-sig").rstrip("\r\n").removeprefix("#")
    except UnicodeDecodeError as error:
        detail = f"the header is no UTF-8 text ({error.reason})"
        raise UnreadableDataset("metadata-invalid", detail, path=path) from error
    tab = path.suffix.lower() == ".tsv"
    delimiter = "\t" if tab else max((",", ";", "\t"), key=line.count)
    try:
        (names,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise UnreadableDataset("metadata-invalid", f"the header cannot be read ({error})", path=path) from error
    return Sheet(path, _names(tuple(n.strip() for n in names), path), delimiter, len(first))


def _names(names: tuple[str, ...], path: Path) -> tuple[str, ...]:
    if len(names) > MAX_COLUMNS:
        raise UnreadableDataset("too-large", f"{len(names)} columns, at most {MAX_COLUMNS}", path=path)
    if double := sorted({n for n in names if names.count(n) > 1}):
        shown = ", ".join(repr(n) for n in double[:5])
        raise UnreadableDataset("metadata-invalid", f"the header names {shown} more than once", path=path)
    if odd := [n for n in names if not n.isprintable()]:
        raise UnreadableDataset("metadata-invalid", f"the header has a column {odd[0][:40]!r}", path=path)
    if all(is_number(n) for n in names):
        raise UnreadableDataset("metadata-invalid", "the first line holds numbers, a header was expected", path=path)
    return names


def survey(sheet: Sheet) -> Survey:
    """Reads the file once. Raises `UnreadableDataset` (`file-damaged`, `too-large`)."""
    found = Survey(filled=dict.fromkeys(sheet.columns, 0))
    kinds: tuple[Holds, ...] = ("int64", "float64", "time")
    found.of = {(name, kind): 0 for name in sheet.columns for kind in kinds}
    for frame in _batches(sheet, found):
        found.rows += frame.height
        if found.rows > MAX_ROWS:
            raise UnreadableDataset("too-large", f"more than {MAX_ROWS} rows in one file", path=sheet.path)
        for name in sheet.columns:
            column = frame[name]
            present = column.len() - column.null_count()
            found.filled[name] += present
            for kind in kinds:  # one that failed once is not tried again
                if present and (kind == "float64" or found.of[name, kind] == found.filled[name] - present):
                    values = _as(column, kind)
                    found.of[name, kind] += values.len() - values.null_count()
                    if kind == "float64" and name not in found.odd:
                        odd = column.filter(values.is_null() & column.is_not_null())
                        found.odd.update({name: odd[0]} if odd.len() else {})
    return found


def decode(sheet: Sheet, holds: Mapping[str, Holds], write: Callable[[pa.RecordBatch], None]) -> None:
    """Reads the file again and writes its rows, typed."""
    for frame in _batches(sheet, Survey()):
        typed = pl.DataFrame([_as(frame[name], holds[name]) for name in sheet.columns])
        for batch in typed.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches():
            write(batch)


def times(column: pl.Expr) -> pl.Expr:
    """ISO 8601 texts as UTC, ns; null where a text is none. Without an offset they are taken as UTC."""
    plain = column.str.replace("T", " ", literal=True).str.replace("Z$", "")
    here = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False)
    offset = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="ns", strict=False)
    return pl.coalesce(here, offset.dt.replace_time_zone(None))


def _as(column: pl.Series, kind: Holds) -> pl.Series:
    if kind == "time":
        return column.to_frame().select(times(pl.col(column.name))).to_series()
    return column if kind == "text" else column.cast(TYPES[kind], strict=False)


def _batches(sheet: Sheet, found: Survey) -> Iterator[pl.DataFrame]:
    """Rows as trimmed texts, null where nothing stands."""

    def ragged(row: pa_csv.InvalidRow) -> Literal["skip"]:
        found.left_out += 1
        if len(found.ragged) < NAMED:
            found.ragged.append((None if row.number is None else row.number + 1, row.actual_columns))
        return "skip"

    read = pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=list(sheet.columns))
    parse = pa_csv.ParseOptions(delimiter=sheet.delimiter, invalid_row_handler=ragged)
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(sheet.columns, pa.string()), strings_can_be_null=False)
    try:
        with sheet.path.open("rb") as file:
            file.seek(sheet.start)
            if not file.read(1):
                raise UnreadableDataset("file-damaged", "holds 0 rows", path=sheet.path)
            file.seek(sheet.start)
            for batch in pa_csv.open_csv(_Text(file), read, parse, convert):
                yield _trimmed(batch)
    except (pa.ArrowException, OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnreadableDataset("file-damaged", f"no readable table of text ({reason})", path=sheet.path) from error


class _Text(io.RawIOBase):
    """The bytes of a file, refused (ValueError) where they are no UTF-8: the CSV parser only warns of some of them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._decoder.decode(content, final=not content)
        return content


def _trimmed(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.DataFrame(batch)
    text = pl.all().str.strip_chars()
    return frame.select(pl.when(~text.is_in(NOTHING)).then(text))
