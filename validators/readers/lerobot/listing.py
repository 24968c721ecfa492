"""The tables in `meta` of a LeRobot v3.0 dataset: its episodes, its tasks, its statistics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import Clip
from validators.readers import columns
from validators.readers.lerobot import declared, metadata
from validators.readers.lerobot.metadata import MAX_EPISODES
from validators.statistics.channels import Declared

EPISODES, TASKS = "meta/episodes", "meta/tasks.parquet"
FIRST, END = "dataset_from_index", "dataset_to_index"
MAX_COLUMNS = 1 << 16  # of a table in `meta`: ten statistics a feature
_COUNTS = ("episode_index", "length", FIRST, END, "data/chunk_index", "data/file_index")
_STATISTIC = re.compile(r"episode_index|stats/.+/(min|max|mean|std|count|q\d+)")
_FARTHEST_S = 1e7  # of a video file: 115 days


@dataclass(frozen=True)
class Row:
    """An episode as listed: rows `first` to `end` of all the dataset's rows, in one file; clips by camera."""

    index: int
    length: int
    first: int
    end: int
    path: str
    tasks: tuple[str, ...]
    clips: Mapping[str, Clip]


def path(template: str, chunk: int, file: int, camera: str = "") -> str:
    """The path that a template gives for one file."""
    return metadata.fill(template, dict(zip(metadata.BY_FILE, (chunk, file, camera), strict=True)))


def tables(files: Files) -> tuple[str, ...]:
    """The files of the list of episodes, in order."""
    found = tuple(n for n in files.names(".parquet") if n.startswith(f"{EPISODES}/"))
    if not found:
        raise UnreadableDataset("metadata-missing", "no Parquet file is there", path=files.where(EPISODES))
    return found


def table(files: Files, relative: str, wanted: Callable[[str], bool]) -> pl.DataFrame:
    """The wanted columns of a metadata table. Raises `UnreadableDataset`."""
    where = files.where(relative)
    if not files.is_file(relative):
        raise UnreadableDataset("metadata-missing", "this metadata file is not there", path=where)
    if files.size(relative) == 0:
        raise UnreadableDataset("metadata-empty", "this metadata file has no bytes; copy it again", path=where)
    try:
        with pq.ParquetFile(files.local(relative)) as file:
            size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
            if file.metadata.num_rows > MAX_EPISODES or size > columns.MAX_BYTES or len(file.schema) > 4 * MAX_COLUMNS:
                detail = f"{file.metadata.num_rows} rows, {size} bytes of metadata"
                raise UnreadableDataset("too-large", detail, path=where)
            names = [n for n in file.schema_arrow.names if wanted(n)]
            if len(set(names)) < len(names):
                raise metadata.invalid(where, "two columns have one name")
            return pl.DataFrame(pl.from_arrow(file.read(columns=names, use_threads=False)))
    except columns.READ_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise UnreadableDataset(
            "file-damaged", f"no readable Parquet file ({reason}); copy it again", path=where
        ) from error


def listed_episodes(files: Files, info: Mapping[str, Any], cameras: list[str]) -> list[Row]:
    """The episodes of `meta/episodes`, in order of their index."""
    found: dict[int, Row] = {}
    for relative in tables(files):
        frame = table(files, relative, lambda n: not n.startswith("stats/"))
        frame = frame.with_columns(_number(frame, files, relative, n, pl.Int64) for n in _COUNTS)
        shown = [name for name in cameras if f"videos/{name}/chunk_index" in frame.columns]
        for name in shown:
            for key, kind in (("chunk_index", pl.Int64), ("file_index", pl.Int64)):
                frame = frame.with_columns(_number(frame, files, relative, f"videos/{name}/{key}", kind, gaps=True))
            for key in ("from_timestamp", "to_timestamp"):
                column = f"videos/{name}/{key}"
                frame = frame.with_columns(_number(frame, files, relative, column, pl.Float64, gaps=True))
        for line in frame.iter_rows(named=True):
            if line["episode_index"] in found:
                raise metadata.invalid(files.where(relative), f"episode {line['episode_index']} is listed twice")
            found[line["episode_index"]] = _row(line, info, shown)
            if len(found) > MAX_EPISODES:
                detail = f"more than {MAX_EPISODES} episodes"
                raise UnreadableDataset("too-large", detail, path=files.where(relative))
    return [found[i] for i in sorted(found)]


def _number(
    frame: pl.DataFrame, files: Files, relative: str, name: str, kind: type[pl.DataType], *, gaps: bool = False
) -> pl.Series:
    """The column as counts (Int64, below 2^31) or seconds (Float64); refused where a value is another."""
    where = files.where(relative)
    if name not in frame.columns:
        raise metadata.invalid(where, f"column {name!r} is missing")
    series = frame[name]
    fits = series.dtype.is_integer() if kind == pl.Int64 else series.dtype.is_numeric()
    if not fits and series.null_count() < len(series):
        raise metadata.invalid(where, f"column {name!r} holds {series.dtype}")
    series = series.cast(kind, strict=False)
    limit = float(1 << 31) if kind == pl.Int64 else _FARTHEST_S
    if not (series.drop_nulls().is_between(0, limit, closed="left")).all() or (series.null_count() and not gaps):
        raise metadata.invalid(
            where,
            f"column {name!r} holds what is no count"
            if kind == pl.Int64
            else f"column {name!r} holds what is no time of a video (s)",
        )
    return series


def _row(line: Mapping[str, Any], info: Mapping[str, Any], cameras: list[str]) -> Row:
    clips = {}
    for name in cameras:
        place = [line[f"videos/{name}/{k}"] for k in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")]
        if "video_path" in info and None not in place:
            chunk, file, start, end = place
            clips[name] = Clip(path(info["video_path"], chunk, file, name), start, end)
    tasks = line.get("tasks")
    return Row(
        index=line["episode_index"],
        length=line["length"],
        first=line[FIRST],
        end=line[END],
        path=path(info["data_path"], line["data/chunk_index"], line["data/file_index"]),
        tasks=tuple(str(t) for t in tasks) if isinstance(tasks, list) else (),
        clips=clips,
    )


def listed_tasks(files: Files) -> dict[int, str]:
    """task_index → task; pandas keeps the text as the index of its table."""
    if not files.exists(TASKS):
        return {}
    frame = table(files, TASKS, lambda n: True)
    frame = frame.with_columns(_number(frame, files, TASKS, "task_index", pl.Int64))
    named = [n for n in frame.columns if frame[n].dtype == pl.String]
    if not named or frame["task_index"].is_duplicated().any():
        raise metadata.invalid(files.where(TASKS), "task_index occurs twice, or no column holds the text of the tasks")
    return dict(zip(frame["task_index"].to_list(), (str(t) for t in frame[named[0]]), strict=True))


def statistics(files: Files) -> Declared:
    return declared.of_rows(files, _statistics_rows(files))


def _statistics_rows(files: Files) -> Iterator[Mapping[str, Any]]:
    for relative in tables(files):
        yield from table(files, relative, lambda n: _STATISTIC.fullmatch(n) is not None).iter_rows(named=True)
