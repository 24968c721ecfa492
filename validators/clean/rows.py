"""Rows as they are written again: numbered anew, everything else untouched, and the statistics of what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from validators.clean.plan import TASK
from validators.errors import UncleanableDataset
from validators.recording import Recording
from validators.statistics.channels import Channels, of
from validators.stream import Feature


def renumbered(table: pa.Table, episode: int, first: int, tasks: Mapping[int, int]) -> pa.Table:
    """The rows of one episode with its new index, the number of their first row, and new task indices."""
    table = _set(table, "episode_index", np.full(len(table), episode))
    table = _set(table, "index", np.arange(first, first + len(table)))
    if any(old != new for old, new in tasks.items()) and TASK in table.schema.names:
        old = table.column(TASK).combine_chunks()
        flat = old.flatten() if pa.types.is_nested(old.type) else old
        table = _set(table, TASK, np.array([tasks[int(n)] for n in flat.to_pylist()]))
    return table


def _set(table: pa.Table, name: str, values: NDArray[np.int64]) -> pa.Table:
    """The table with that column's values replaced, its type kept; a table without it stays so."""
    position = table.schema.get_field_index(name)
    if position < 0:
        return table
    field = table.schema.field(position)
    made: pa.Array = pa.array(values)
    if pa.types.is_fixed_size_list(field.type):
        made = pa.FixedSizeListArray.from_arrays(made.cast(field.type.value_type), field.type.list_size)
    elif pa.types.is_nested(field.type):
        made = pa.array([[v] for v in values.tolist()])
    return table.set_column(position, field, made.cast(field.type))


def matrix(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.floating]:
    """float [rows, channels] of a column; ValueError where a value is null, not finite, or a row of another width."""
    flat = column.combine_chunks()
    if pa.types.is_nested(flat.type):
        if flat.null_count:
            raise ValueError("null")
        flat = flat.flatten()
    if flat.null_count or len(flat) != len(column) * feature.width:
        raise ValueError("null, or rows that are not as wide as declared")
    values: NDArray[np.floating] = flat.to_numpy(zero_copy_only=False).reshape(-1, feature.width)
    if not np.isfinite(values).all():
        raise ValueError("NaN or infinity")
    return values if values.dtype == np.float32 else values.astype(np.float64)


def of_episode(
    recording: Recording, index: int, path: str, rows: Sequence[pa.Table], *, quantiles: bool
) -> dict[str, dict[str, Channels]]:
    """The statistics of one episode's rows, for each vector of numbers."""
    table = pa.concat_tables(rows)
    found = {}
    for feature in (f for f in recording.features.values() if f.width and f.name in table.schema.names):
        try:
            found[feature.name] = of(matrix(table.column(feature.name), feature), quantiles)
        except ValueError as error:
            detail = f"{feature.name} of episode {index} holds {error}; drop it too"
            raise UncleanableDataset("not-finite", detail, path=recording.files.where(path)) from error
    return found


def of_files(recording: Recording, paths: Sequence[Path]) -> dict[str, dict[str, Channels]]:
    """The statistics of all rows that were written, a feature at a time."""
    found = {}
    for feature in (f for f in recording.features.values() if f.width):
        columns = []
        for path in paths:
            with pq.ParquetFile(path) as file:
                if feature.name in file.schema_arrow.names:
                    columns.append(matrix(file.read(columns=[feature.name]).column(0), feature))
        if columns:
            found[feature.name] = of(np.concatenate(columns))
    return found


def pooled(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Statistics of several episodes from theirs: exact but for quantiles, of which LeRobot takes the weighted mean."""
    weights = np.array([np.ravel(p["count"])[0] for p in parts], dtype=np.float64)
    arrays = {k: np.array([np.asarray(p[k], dtype=np.float64) for p in parts]) for k in parts[0] if k != "count"}

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        summed: NDArray[np.float64] = np.tensordot(weights, values, axes=1)
        averaged: NDArray[np.float64] = summed / weights.sum()
        return averaged

    found = {k: mean(v) for k, v in arrays.items() if k not in ("min", "max", "std")}
    found |= {"min": arrays["min"].min(axis=0), "max": arrays["max"].max(axis=0)}
    found["std"] = np.sqrt(mean(arrays["std"] ** 2 + (arrays["mean"] - found["mean"]) ** 2))
    return listed(found) | {"count": [int(weights.sum())]}


def listed(stats: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-able; counts as integers."""
    return {k: [int(v[0])] if k == "count" else np.asarray(v).tolist() for k, v in stats.items()}
