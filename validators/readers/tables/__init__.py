"""Tables in files, one or a folder of them: Parquet, Arrow, CSV and TSV, with a clock column or without one.

Each file is one episode, in order of name; where a column that separates episodes is declared, each of its values in a
file is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import NoReturn

import polars as pl

from validators.declarations.declaration import DeclaredClock
from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures import image, video
from validators.readers import clocks, columns
from validators.readers.tables import arrow, delimited, runs, texts
from validators.recording import MAIN, Episode, Facts, Problem, Recording
from validators.stream import NO_EPISODE, PER_SECOND, Clock, Feature, Part, Stream

FORMAT = "tables: Parquet, Arrow, CSV or TSV files"
SUFFIXES = (".parquet", *arrow.SUFFIXES, *delimited.SUFFIXES)
MAX_WIDTH = 4096  # channels of one column

Reads = Callable[[str], columns.Footer]  # the clock column → what the file holds


@dataclass
class _Found:
    """What is gathered file by file; starts and ends of episodes still in the clock's own unit."""

    problems: list[Problem]
    features: dict[str, Feature] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)
    footers: list[tuple[columns.Footer, list[Part]]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def recognises(files: Files) -> bool:
    """Whether any such file is there; texts beside pictures belong to those."""
    pictures = (*image.SUFFIXES, *video.SUFFIXES)
    return bool(files.names(".parquet", *arrow.SUFFIXES) or (files.names(*SUFFIXES) and not files.names(*pictures)))


def read(files: Files) -> Recording:
    """Reads Parquet footers, and the other kinds once whole; the first readable file declares the columns for all."""
    declared = files.declared
    found = _Found([])
    sources = _sources(files, found.problems)
    clock, kind = _clock(sources, declared.clock if declared else None)
    for index, (relative, reads) in enumerate(sources.items()):
        try:
            footer = reads(clock.column if clock else "")
            if clock:
                footer = _timed(footer, clock, kind)
            if not found.footers:  # the first
                found.features = _features(files, relative, footer, clock, found.problems)
            if misfit := columns.misfit(footer, [f for f in found.features.values() if f.width]):
                raise misfit
            if declared and declared.episodes:
                _split(found, files, relative, footer, declared.episodes, clock)
            else:
                _whole(found, relative, footer, index)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            found.problems.append(columns.unreadable(error, files, relative, index))
    if not found.episodes:
        _nothing(files, found.problems)
    clock, episodes = _since(clock, found.episodes)
    tables = columns.fetched(files, found.names, columns.tables(found.footers))
    stream = Stream(MAIN, found.features, tables, clock)
    kinds = {_kind(relative) for relative in sources}
    name = kinds.pop() if len(kinds) == 1 else "tables"
    return Recording(name, files, Facts(), episodes, {MAIN: stream}, problems=tuple(found.problems))


def _kind(relative: str) -> str:
    suffix = "." + relative.rpartition(".")[2].lower()
    return "arrow" if suffix in arrow.SUFFIXES else suffix[1:]


def _nothing(files: Files, problems: Sequence[Problem]) -> NoReturn:
    first = problems[0]
    detail = f"no file can be read; the first: {first.message}"
    raise UnreadableDataset(first.kind, detail, path=files.where(first.path))


def _sources(files: Files, problems: list[Problem]) -> dict[str, Reads]:
    """Each file in order of name, and how to know what it holds."""
    written = texts.sources(files, problems)
    found: dict[str, Reads] = {}
    for relative in files.names(*SUFFIXES):
        if relative.lower().endswith(delimited.SUFFIXES):
            found[relative] = cache(written[relative])
        elif relative.lower().endswith(arrow.SUFFIXES):
            found[relative] = cache(partial(_arrow, files, relative))
        else:
            found[relative] = cache(partial(columns.looked, files, relative))
    return found


def _arrow(files: Files, relative: str, clock: str) -> columns.Footer:
    return arrow.footer(files.local(relative), clock, files.scratch)


def _clock(sources: Mapping[str, Reads], declared: DeclaredClock | None) -> tuple[Clock | None, str]:
    """The clock and the type of its column, as the first file that has it says."""
    seen: dict[str, None] = {}
    for reads in sources.values():
        try:
            known = reads("").columns
        except UnreadableDataset:
            continue
        for name in clocks.candidates(tuple(known), declared):
            kind, container = known.get(name, ("", "scalar"))
            if container == "scalar" and (columns.number(kind) or columns.is_time(kind)):
                span = reads(name).span
                if made := clocks.clock(name, columns.time_unit(kind), span[0] if span else None, kind, declared):
                    return made, kind
        if declared is None:
            return None, ""
        seen |= dict.fromkeys(known)
    if declared is None or not seen:
        return None, ""
    shown = ", ".join(list(seen)[:12])
    detail = f"the declared clock {declared.column!r} is no column of numbers or dates in any file; columns: {shown}"
    raise UnreadableDataset("column-missing", detail)


def _timed(footer: columns.Footer, clock: Clock, first: str) -> columns.Footer:
    """The footer with a clock like the first file's; dates count as the integers that they are."""
    kind, container = footer.columns.get(clock.column, ("", "scalar"))
    if not kind:
        raise UnreadableDataset("column-missing", f"has no clock column {clock.column!r}", path=footer.path)
    same = columns.time_unit(kind) == columns.time_unit(first)
    if container != "scalar" or not same or not (columns.number(kind) or columns.is_time(kind)):
        detail = f"clock column {clock.column!r} holds {kind}, {first} in the first file"
        raise UnreadableDataset("column-type", detail, path=footer.path)
    if columns.is_time(kind):
        return replace(footer, columns={**footer.columns, clock.column: ("int64", "scalar")})
    return footer


def _features(
    files: Files, relative: str, footer: columns.Footer, clock: Clock | None, problems: list[Problem]
) -> dict[str, Feature]:
    """Declared by the file itself; the width of a list column is that of its first row."""
    names = list(footer.columns)
    if clock:
        names.sort(key=lambda n: n != clock.column)
    numeric = {n: footer.columns[n] for n in names if columns.number(footer.columns[n][0])}
    lists = [n for n, (_, container) in numeric.items() if container == "list"]
    first = _first(files, relative, footer, lists)
    found = {}
    for name, (kind, container) in numeric.items():
        width = 1 if container == "scalar" else footer.widths.get(name, 0) if container == "array" else first[name]
        if width > MAX_WIDTH:
            detail = f"column {name!r} has {width} channels, at most {MAX_WIDTH} are judged; it was not"
            problems.append(Problem("too-large", relative, detail))
        elif width:
            found[name] = Feature(name, kind, (width,))
    return found


def _first(files: Files, relative: str, footer: columns.Footer, lists: Sequence[str]) -> dict[str, int]:
    """Widths of list columns in the first row, 0 where nothing stands there."""
    if not lists:
        return {}
    parquet = footer.format == "parquet"
    path = files.local(relative) if parquet else footer.path
    scan = pl.scan_parquet(path, glob=False) if parquet else pl.scan_ipc(path, glob=False)
    try:
        row = scan.select(pl.col(lists).list.len()).head(1).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise UnreadableDataset("file-damaged", f"its first row cannot be read ({error})", path=path) from error
    return {name: int(row[name][0] or 0) for name in lists}


def _whole(found: _Found, relative: str, footer: columns.Footer, index: int) -> None:
    """The file as one episode."""
    start, end = footer.span or (None, None)
    found.footers.append((footer, [Part(footer.path, len(found.episodes), footer.rows)]))
    found.episodes.append(Episode(index, (relative,), footer.rows, start, end))
    found.names.append(relative)


def _split(
    found: _Found, files: Files, relative: str, footer: columns.Footer, column: str, clock: Clock | None
) -> None:
    """The file as one episode a value of the column; rows without a value belong to none, which is a problem."""
    files.local(relative)
    parts = []
    footer, several = runs.split(footer, column, clock.column if clock else None, files.scratch)
    for run in several:
        if run.value is None:
            parts.append(Part(footer.path, NO_EPISODE, run.rows, run.offset))
            detail = f"{run.rows} rows have no {column!r}, so they belong to no episode and were not judged"
            found.problems.append(Problem("column-type", relative, detail))
            continue
        parts.append(Part(footer.path, len(found.episodes), run.rows, run.offset))
        provenance = {column: run.value}
        index = len(found.episodes)
        found.episodes.append(Episode(index, (relative,), run.rows, run.start, run.end, provenance=provenance))
    found.footers.append((footer, parts))
    found.names.append(relative)


def _since(clock: Clock | None, episodes: Sequence[Episode]) -> tuple[Clock | None, tuple[Episode, ...]]:
    """The clock with its origin, and the episodes in seconds since then."""
    if clock is None:
        return None, tuple(episodes)
    origin = clocks.origin([e.start_s for e in episodes if e.start_s is not None], clock.unit)
    per_second = PER_SECOND[clock.unit]

    def seconds(value: float | None) -> float | None:
        return None if value is None else (value - origin) / per_second

    moved = tuple(replace(e, start_s=seconds(e.start_s), end_s=seconds(e.end_s)) for e in episodes)
    return replace(clock, origin=origin), moved
