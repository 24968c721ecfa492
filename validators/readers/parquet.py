"""A folder of Parquet files with a clock column `timestamp` in seconds: each file is one episode, in order of name."""

from __future__ import annotations

import polars as pl

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers import columns
from validators.recording import CLOCK, MAIN, Episode, Facts, Recording
from validators.stream import Clock, Feature, Part, Stream

FORMAT = "Parquet files with a clock column `timestamp` in seconds"


def recognises(files: Files) -> bool:
    """Whether any Parquet file is there."""
    return bool(files.names(".parquet"))


def read(files: Files) -> Recording:
    """Reads every footer; the first readable file declares the columns for all."""
    features: dict[str, Feature] = {}
    episodes: list[Episode] = []
    footers, problems = [], []
    for index, relative in enumerate(files.names(".parquet")):
        try:
            footer = _clocked(columns.footer(files.local(relative)))
            features = features or _features(footer)
            if misfit := columns.misfit(footer, [f for f in features.values() if f.width]):
                raise misfit
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problems.append(columns.unreadable(error, files, relative, index))
            continue
        footers.append((footer, [Part(footer.path, len(episodes), footer.rows)]))
        start, end = footer.span or (None, None)
        episodes.append(Episode(index, (relative,), footer.rows, start, end))
    if not episodes:
        first = problems[0]
        detail = f"no file can be read; the first: {first.message}"
        raise UnreadableDataset(first.kind, detail, path=files.where(first.path))
    stream = Stream(MAIN, features, columns.tables(footers), Clock(CLOCK))
    return Recording("parquet", files, Facts(), tuple(episodes), {MAIN: stream}, problems=tuple(problems))


def _clocked(footer: columns.Footer) -> columns.Footer:
    if CLOCK not in footer.columns or footer.columns[CLOCK][1] != "scalar":
        raise UnreadableDataset("column-missing", f"a clock column {CLOCK!r} (s) is needed", path=footer.path)
    return footer


def _features(footer: columns.Footer) -> dict[str, Feature]:
    """Declared by the file itself; the width of a list column is that of its first row."""
    found = {CLOCK: Feature(CLOCK, footer.columns[CLOCK][0], (1,))}
    lists = [n for n, (kind, container) in footer.columns.items() if container == "list" and columns.number(kind)]
    first = pl.read_parquet(footer.path, columns=lists, n_rows=1, glob=False) if lists else pl.DataFrame()
    for name, (kind, container) in footer.columns.items():
        if not columns.number(kind):
            continue
        width = 1 if container == "scalar" else footer.widths.get(name, 0)
        if name in lists and first.height and first[name][0] is not None:
            width = len(first[name][0])
        if width:
            found[name] = Feature(name, kind, (width,))
    return found
