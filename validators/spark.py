"""The same suites on Spark: each task reads some episodes with the same plan, the driver judges; the same verdicts.

Spark has no row order, so episodes are what is spread, never rows. The files must be readable on every worker by the
same path. Verdicts of this engine are advisory: the gate accepts those of `assay-polars` alone. Needs the extra `spark`
and a JRE; pass any session, classic or Spark Connect.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl
import pyarrow as pa

from validators import planner
from validators.expectations.expectation import Needs
from validators.stream import NO_EPISODE, Stream
from validators.values import Values

if TYPE_CHECKING:
    from validators.planner import Read

ENGINE = "assay-spark"
FAILED = -1
TASKS = 32
_Job: TypeAlias = tuple[Stream, Sequence[Needs], int]


@dataclass(frozen=True)
class SparkRead:
    """How `run` reads on a session. `tasks`: into how many parts the episodes are cut."""

    session: Any
    tasks: int
    engine: str = ENGINE

    def __call__(
        self, streams: Mapping[str, Stream], episodes: int, needs: Mapping[str, Sequence[Needs]]
    ) -> dict[str, Values]:
        """As `planner.read_all`."""
        found: dict[str, Values] = {}
        for name, stream in streams.items():
            here = replace(stream, source=stream.tables)
            job = (here, needs[name], planner.sampling(here))
            found[name] = planner.gathered(stream, episodes, _spread(self.session, job, self.tasks))
        return found


def reader(session: Any, tasks: int = TASKS) -> Read:
    """How `run` reads on that session: `run(recording, suite, read=reader(session))`.

    `tasks` is into how many parts the episodes are cut: a few times the cores, so that no slow episode keeps one busy.
    """
    return SparkRead(session, tasks)


def _spread(session: Any, job: _Job, tasks: int) -> list[pl.DataFrame]:
    """The tables of `planner.plan`, read in parts by the workers and put together."""
    positions = [p for p in job[0].lengths if p != NO_EPISODE]
    if not positions:
        return pl.collect_all(planner.plan(*job, positions=()), engine="streaming")
    parts = [positions[i::tasks] for i in range(min(tasks, len(positions)))]
    cut = session.createDataFrame([(part,) for part in parts], "positions array<int>").repartition(len(parts))
    rows = cut.mapInArrow(_worker(job), "table int, frame binary").toArrow()
    failed = [f for n, f in zip(rows["table"].to_pylist(), rows["frame"].to_pylist(), strict=True) if n == FAILED]
    if failed:
        raise pl.exceptions.ComputeError(failed[0].decode())
    tables: dict[int, list[pl.DataFrame]] = {}
    for table, frame in zip(rows.column("table").to_pylist(), rows.column("frame").to_pylist(), strict=True):
        tables.setdefault(table, []).append(pl.read_ipc(io.BytesIO(frame)))
    return [pl.concat(tables[number], how="vertical_relaxed") for number in sorted(tables)]


def _worker(job: _Job) -> Any:
    """What a task runs: one row a table, as Arrow bytes."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for positions in batch.column(0).to_pylist():
                for number, content in _tables(job, positions):
                    columns = [pa.array([number], pa.int32()), pa.array([content], pa.binary())]
                    yield pa.RecordBatch.from_arrays(columns, names=["table", "frame"])

    return work


def _tables(job: _Job, positions: list[int]) -> Iterator[tuple[int, bytes]]:
    """Number and Arrow bytes of each table, or `FAILED` and why the rows cannot be read."""
    try:
        frames = pl.collect_all(planner.plan(*job, positions=positions), engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        yield FAILED, str(error).encode()
        return
    for number, frame in enumerate(frames):
        buffer = io.BytesIO()
        frame.write_ipc(buffer)
        yield number, buffer.getvalue()
