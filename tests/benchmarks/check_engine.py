"""The engine itself: a suite of core expectations that Great Expectations runs too, against Polars by hand and against it.

CPU of 10 M rows × 8 columns with 22 checks, a small table warm, memory from 10 M to 40 M rows, many episodes, import.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from tests.benchmarks.figure import Figure, compare
from validators.files import Files
from validators.recording import Episode, Facts, Recording
from validators.run import run
from validators.stream import Clock, Feature, Part, Stream, Table
from validators.suites import Suite, parse

ROWS, SMALL, LARGE, EPISODES = 10_000_000, 10_000, 40_000_000, 10_000
STEP = 1_000_000  # rows written at once
COLUMNS = ("timestamp", "index", "q0", "q1", "q2", "q3", "q4", "mode")
WHOLE = ("index", "mode")
_Q = tuple(f"q{i}" for i in range(5))
CHECKS = [
    *(("expect_column_values_to_not_be_null", {"column": c}) for c in ("timestamp", "index", "q0", "q1", "mode")),
    *(("expect_column_values_to_be_between", {"column": q, "min_value": -9, "max_value": 9}) for q in _Q),
    *(("expect_column_mean_to_be_between", {"column": q, "min_value": -1, "max_value": 1}) for q in _Q[:3]),
    *(("expect_column_stdev_to_be_between", {"column": q, "min_value": 0.5, "max_value": 2}) for q in _Q[:3]),
    ("expect_column_min_to_be_between", {"column": "q3", "min_value": -9}),
    ("expect_column_max_to_be_between", {"column": "q4", "max_value": 9}),
    ("expect_column_values_to_be_in_set", {"column": "mode", "value_set": [0, 1, 2, 3]}),
    ("expect_column_values_to_be_increasing", {"column": "timestamp", "strictly": True}),
    ("expect_column_values_to_be_unique", {"column": "index"}),
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
]


def figures(folder: Path) -> Iterator[Figure]:
    """Ratios of CPU, but for what is asked of the clock."""
    suite, table = suite_of(), written(folder, ROWS)
    whole, parted = recording(table, ROWS, 1), recording(table, ROWS, EPISODES)
    yield _cpu("22 checks on 10 M rows × 8, CPU", lambda: run(whole, suite), "Polars by hand", lambda: by_hand(table))
    yield _cpu("10,000 episodes one by one, CPU", lambda: run(parted, suite), "as one", lambda: run(whole, suite))
    yield _rival(table, suite, whole)
    small = written(folder, SMALL)
    one = recording(small, SMALL, 1)
    yield compare(
        "22 checks on 10 k rows, warm", lambda: run(one, suite), "Polars by hand", lambda: by_hand(small), runs=21
    )
    yield _memory(table, written(folder, LARGE))
    yield compare(
        "import of the engine",
        lambda: _python("import validators.run"),
        "python -c pass",
        lambda: _python("pass"),
        runs=5,
    )


def suite_of() -> Suite:
    """The 22 checks."""
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in CHECKS]
    return parse(json.dumps({"name": "engine", "expectations": entries}))


def written(folder: Path, rows: int) -> Path:
    """A clean table; the same seed, the same rows."""
    path = folder / f"engine-{rows}.parquet"
    if path.exists():
        return path
    rng, writer = np.random.default_rng(1), None
    for start in range(0, rows, STEP):
        n = min(STEP, rows - start)
        index = np.arange(start, start + n)
        signals = {q: rng.standard_normal(n) for q in _Q}
        table = pl.DataFrame(
            {"timestamp": index / 100, "index": index, **signals, "mode": rng.integers(0, 4, n)}
        ).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    return path


def recording(path: Path, rows: int, episodes: int) -> Recording:
    """The table as a recording of so many episodes of one length."""
    features = {c: Feature(c, "int64" if c in WHOLE else "float64") for c in COLUMNS}
    length = rows // episodes
    parts = tuple(Part(path, i, length, i * length) for i in range(episodes))
    tables = (Table(parts, {c: (f.dtype, "scalar") for c, f in features.items()}),)
    stream = Stream("frames", features, tables, Clock("timestamp"))
    listed = tuple(Episode(i, (path.name,), length) for i in range(episodes))
    files = Files(fsspec.filesystem("file"), str(path.parent))
    return Recording("table", files, Facts(), listed, {"frames": stream})


def by_hand(path: Path) -> pl.DataFrame:
    """What the 22 checks compute, as a user of Polars would write it; NaN counted as missing."""
    c = pl.col
    before = [c(name).shift().alias(f"{name} before") for name in COLUMNS[:2]]
    asked = [
        pl.len().alias("rows"),
        *(c(name).null_count().alias(f"{name} nulls") for name in ("timestamp", "index", "q0", "q1", "mode")),
        *(c(name).is_nan().sum().alias(f"{name} nan") for name in ("timestamp", "q0", "q1")),
        *(c(q).is_between(-9, 9).sum().alias(f"{q} within") for q in _Q),
        *(c(q).mean().alias(f"{q} mean") for q in _Q[:3]),
        *(c(q).std().alias(f"{q} deviation") for q in _Q[:3]),
        c("q3").min().alias("least"),
        c("q4").max().alias("greatest"),
        c("mode").is_in([0, 1, 2, 3]).sum().alias("known"),
        *((c(name) > c(f"{name} before")).sum().alias(f"{name} rises") for name in COLUMNS[:2]),
    ]
    return pl.scan_parquet(path).with_columns(before).select(asked).collect(engine="streaming")


def _cpu(name: str, work: Callable[[], object], baseline: str, other: Callable[[], object]) -> Figure:
    """CPU seconds of the process, in turn."""
    work(), other()
    taken, beside = [], []
    for _ in range(7):
        taken.append(_spent(work))
        beside.append(_spent(other))
    return Figure(name, statistics.median(taken), baseline, statistics.median(beside), 7, "CPU seconds of the process")


def _spent(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


RIVAL = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from validators import gx
import pandas as pd
from great_expectations.core.expectation_suite import ExpectationSuite
frame = pd.read_parquet(sys.argv[1])
suite = ExpectationSuite(name="s", expectations=[{"type": t, "kwargs": k} for t, k in json.loads(sys.argv[2])])
asset = gx.context().data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
started = time.process_time()
result = asset.get_batch({"dataframe": frame}).validate(suite, result_format="BOOLEAN_ONLY")
assert result.success
print(time.process_time() - started)
"""


def _rival(table: Path, suite: Suite, whole: Recording) -> Figure:
    """Great Expectations on pandas, its table already in memory; once, because it takes its time."""
    done = _python(RIVAL, str(table), json.dumps(CHECKS))
    theirs = float(done.splitlines()[-1])
    ours = statistics.median(_spent(lambda: run(whole, suite)) for _ in range(5))
    note = "CPU; theirs without reading the file, ours with it"
    return Figure("GX on pandas, the same 22 checks", theirs, "our engine", ours, 1, note)


PEAK = """
import resource, sys
from pathlib import Path
from tests.benchmarks import check_engine as e
path, rows = Path(sys.argv[1]), int(sys.argv[2])
assert e.run(e.recording(path, rows, 1), e.suite_of()).passed
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _memory(table: Path, larger: Path) -> Figure:
    """Peak resident memory of a process that judges four times the rows, in GB in place of seconds."""
    small, large = (
        int(_python(PEAK, str(path), str(rows)).splitlines()[-1]) / 1e6
        for path, rows in ((table, ROWS), (larger, LARGE))
    )
    note = f"peak resident memory: {large:.2f} GB beside {small:.2f} GB; no seconds"
    return Figure("memory of 40 M rows", large, "of 10 M rows", small, 1, note)


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return done.stdout
