"""Rows of labels written as they are read, batch by batch, into Arrow files of the scratch folder, then scanned."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl
import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.labels import ANNOTATIONS, IMAGES, OBJECTS

MAX_ROWS = 50_000_000  # of one table
BATCH = 20_000
MAX_ATTRIBUTES = 1 << 16  # characters


class LabelTable:
    """One table on disk; `add` takes a row as a mapping, columns that it does not name are null."""

    def __init__(self, scratch: Path, name: str, shape: Mapping[str, type[pl.DataType]]) -> None:
        folder = scratch / "labels"
        folder.mkdir(exist_ok=True)
        self._path = folder / f"{len(list(folder.iterdir()))}-{name}.arrow"
        self._schema = pl.DataFrame(schema=dict(shape)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._rows: list[dict[str, Any]] = []
        self.height = 0
        self._writer: Any = pa.ipc.new_file(self._path, self._schema)

    def add(self, row: dict[str, Any]) -> None:
        """Appends a row. Raises `too-large`."""
        self._rows.append(row)
        if len(self._rows) == BATCH:
            self._flush()

    def _flush(self) -> None:
        self.height += len(self._rows)
        if self.height > MAX_ROWS:
            raise UnreadableDataset("too-large", f"more than {MAX_ROWS} labels", path=self._path.name)
        try:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
        except OSError as error:
            detail = f"no room for the labels in the temporary folder: {error}; set TMPDIR to a larger one"
            raise UnreadableDataset("too-large", detail, path=self._path.name) from error
        self._rows = []

    def close(self) -> pl.LazyFrame:
        """The rows, to be read when wanted."""
        self._flush()
        self._writer.close()
        return pl.scan_ipc(self._path, glob=False)

    def abandon(self) -> None:
        """Ends the file, whatever is in it."""
        self._writer.close()


class LabelTables:
    """The three tables of one source."""

    def __init__(self, scratch: Path) -> None:
        self.annotations = LabelTable(scratch, "annotations", ANNOTATIONS)
        self.images = LabelTable(scratch, "images", IMAGES)
        self.objects = LabelTable(scratch, "objects", OBJECTS)

    def __enter__(self) -> LabelTables:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for table in (self.annotations, self.images, self.objects):
                table.abandon()

    def close(self) -> tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]:
        """Annotations, images, objects."""
        return self.annotations.close(), self.images.close(), self.objects.close()


def attributes(values: Mapping[str, Any]) -> str | None:
    """The plain ones (text, numbers, booleans) as a JSON object; None where there is none or too much."""
    kept = {k: v for k, v in values.items() if isinstance(v, str | int) or (isinstance(v, float) and math.isfinite(v))}
    text = json.dumps(kept, ensure_ascii=True) if kept else ""
    return text if 0 < len(text) <= MAX_ATTRIBUTES else None


def hull(points: list[float], width: int = 2) -> dict[str, float]:
    """x, y, w, h of the vertices [x, y, x, y, …], px."""
    xs, ys = points[0::width], points[1::width]
    if not xs or not ys:
        return {}
    return {"x": min(xs), "y": min(ys), "w": max(xs) - min(xs), "h": max(ys) - min(ys)}
