"""Episodes that share a file, by the column that separates them; rows that are interleaved are sorted once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
from polars import selectors

from validators.errors import UnreadableDataset
from validators.readers.columns import Footer

MAX_EPISODES = 1_000_000
_KINDS = ("int", "uint", "string", "large_string", "bool", "dictionary")


@dataclass(frozen=True)
class Run:
    """Consecutive rows of one value (None where the column is null), from `offset`; start and end by the clock."""

    value: object
    offset: int
    rows: int
    start: float | None = None
    end: float | None = None


def split(footer: Footer, column: str, clock: str | None, scratch: Path) -> tuple[Footer, list[Run]]:
    """The runs of a file, each value once, and the footer of the file that holds them so.

    Raises `UnreadableDataset` (`column-missing`, `column-type`, `file-damaged`, `too-large`).
    """
    kind, container = footer.columns.get(column, ("", "scalar"))
    if not kind:
        raise UnreadableDataset(
            "column-missing", f"no column {column!r}, declared to separate episodes", path=footer.path
        )
    if container != "scalar" or not kind.startswith(_KINDS):
        detail = f"column {column!r} separates episodes and holds {kind}; whole numbers or texts were expected"
        raise UnreadableDataset("column-type", detail, path=footer.path)
    try:
        found = _runs(footer, column, clock)
        if len({r.value for r in found}) != len(found):
            footer = replace(footer, path=_sorted(footer, column, scratch), format="arrow")
            found = _runs(footer, column, clock)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnreadableDataset("file-damaged", f"cannot be read ({reason})", path=footer.path) from error
    if len(found) > MAX_EPISODES:
        raise UnreadableDataset("too-large", f"{len(found)} episodes, at most {MAX_EPISODES}", path=footer.path)
    return footer, found


def _scan(footer: Footer) -> pl.LazyFrame:
    read = pl.scan_parquet if footer.format == "parquet" else pl.scan_ipc
    return read(footer.path, glob=False)


def _runs(footer: Footer, column: str, clock: str | None) -> list[Run]:
    wanted = {"value": pl.col(column), "t": pl.col(clock) if clock else pl.lit(None, pl.Float64)}
    frame = _scan(footer).select(e.alias(n) for n, e in wanted.items())
    time = pl.col("t").filter(pl.col("t").cast(pl.Float64).is_finite())
    table = (
        frame.with_columns(selectors.temporal().to_physical(), run=pl.col("value").rle_id())
        .group_by("run", maintain_order=True)
        .agg(pl.col("value").first(), pl.len(), start=time.min(), end=time.max())
        .with_columns(offset=pl.col("len").cum_sum() - pl.col("len"))
        .collect()
    )
    rows = table.select("value", "offset", "len", "start", "end").iter_rows()
    return [Run(*row) for row in rows]


def _sorted(footer: Footer, column: str, scratch: Path) -> Path:
    """The rows with those of one value together, in order of its first row; order within is kept."""
    folder = scratch / "sorted"
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}.arrow"
    row, first = "__row__", "__first__"
    frame = _scan(footer).with_row_index(row).with_columns(pl.col(row).min().over(column).alias(first))
    frame.sort(first, row).drop(first, row).sink_ipc(path, compat_level=pl.CompatLevel.oldest())
    return path
