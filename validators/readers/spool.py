"""Decoded once, batch by batch, into Arrow files of the scratch folder: after that every format is the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.columns import columns_of
from validators.recording import Problem
from validators.stream import Part, Table


class Spool:
    """Writes the rows of streams, one Arrow file a stream and episode; `tables` are what a `Stream` is made of.

    Memory is that of a batch. The schema of a stream is its first batch's, or given; later batches are cast to it.
    """

    def __init__(self, scratch: Path) -> None:
        self._folder = scratch / "spool"
        self._folder.mkdir(exist_ok=True)
        self._open: dict[tuple[str, int], tuple[Path, Any, pa.Schema]] = {}
        self._rows: dict[tuple[str, int], int] = {}
        self._done: dict[str, list[tuple[Part, pa.Schema]]] = {}

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._open):
            with suppress(UnreadableDataset) if error is not None else nullcontext():
                self.close(*key)

    def write(self, stream: str, position: int, batch: pa.RecordBatch) -> None:
        """Appends rows of the episode at `position`. Raises `UnreadableDataset` when the disk is full."""
        key = (stream, position)
        with _room(stream):
            if key not in self._open:
                path = self._folder / f"{len(self._rows)}.arrow"
                self._open[key] = (path, pa.ipc.new_file(path, batch.schema), batch.schema)
                self._rows[key] = 0
            _, writer, schema = self._open[key]
            writer.write_batch(batch.cast(schema) if batch.schema != schema else batch)
        self._rows[key] += batch.num_rows

    def close(self, stream: str, position: int) -> None:
        """Ends one file. Raises `UnreadableDataset` when the disk is full."""
        path, writer, schema = self._open.pop((stream, position))
        with _room(stream):
            writer.close()
        part = Part(path, position, self._rows[stream, position])
        self._done.setdefault(stream, []).append((part, schema))

    def tables(self, stream: str) -> tuple[Table, ...]:
        """The files of one stream that are closed, those of one schema together; empty when nothing was written."""
        groups: dict[str, tuple[list[Part], pa.Schema]] = {}
        for part, schema in sorted(self._done.get(stream, []), key=lambda d: d[0].position):
            groups.setdefault(str(schema), ([], schema))[0].append(part)
        return tuple(Table(tuple(parts), columns_of(schema), "arrow") for parts, schema in groups.values())


@contextmanager
def _room(stream: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        detail = f"no room to decode it in the temporary folder: {error}; set TMPDIR to a larger one"
        raise UnreadableDataset("too-large", detail, path=stream) from error


class Decoded(ABC):
    """The rows of a recording, decoded when they are first wanted and once; what was found damaged is told then."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._problems: list[Problem] = []

    @abstractmethod
    def decode(self, spool: Spool) -> None:
        """Writes the rows of all streams, and keeps what cannot be read as a problem."""

    def tables(self, stream: str) -> tuple[Table, ...]:
        """Where the rows of one stream lie."""
        return self._spool.tables(stream)

    def problems(self) -> tuple[Problem, ...]:
        """What was found damaged on the way."""
        _ = self._spool
        return tuple(self._problems)

    @cached_property
    def _spool(self) -> Spool:
        with Spool(self._files.scratch) as spool:
            self.decode(spool)
        return spool
