"""The suite on the story's simulated dataset, against Polars alone computing the same metrics, written by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from tests.benchmarks.figure import Figure, compare
from validators import readers, suites
from validators import robot as robots
from validators.result import SuiteResult
from validators.run import run

DATASET, SUITE, FPS = "arm-reach-sim", "arm@1", 20
ROBOT = Path(__file__).resolve().parents[2] / "examples" / "reach" / "robot.yaml"
VECTORS = ("observation.state", "observation.environment_state", "action")
SCALARS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
ROWS = 5  # of a frozen run


def record(folder: Path) -> Path:
    """The dataset, recorded as the story records it: the same seed, the same bytes."""
    command = [sys.executable, "-m", "examples.reach.record", "--seed", "1", "--out", str(folder)]
    if not (folder / DATASET).exists():
        subprocess.run([*command, "--dataset", DATASET], check=True)
    return folder / DATASET


def figures(folder: Path) -> Iterator[Figure]:
    """The whole check, opening the folder included."""
    data = record(folder)
    robot = robots.load(ROBOT)
    suite = suites.load(SUITE)

    def check() -> SuiteResult:
        return run(readers.open(data), suite, robot)

    result, by_hand = check(), metrics(data)
    if result.recording.rows != by_hand["rows"].sum() or not result.passed:
        raise RuntimeError("the check and the metrics by hand do not read the same clean data")
    note = f"{len(result.recording.episodes)} episodes in as many files, {result.recording.rows} rows, {len(suite.entries)} expectations"
    opened = readers.open(data)
    alone = "Polars by hand"
    yield compare(
        f"suite {SUITE}, folder opened before", lambda: run(opened, suite, robot), alone, lambda: metrics(data), runs=7
    )
    yield compare(f"suite {SUITE} on {DATASET}", check, alone, lambda: metrics(data), runs=7, note=note)


def metrics(data: Path) -> pl.DataFrame:
    """One row an episode: what the suite reads of this dataset, in one streaming pass over all files."""
    channels = [pl.col(v).arr.get(i).cast(pl.Float64).alias(f"{v}.{i}") for v in VECTORS for i in range(3)]
    names = [*(f"{v}.{i}" for v in VECTORS for i in range(3)), *SCALARS]
    actions = [f"action.{i}" for i in range(3)]
    first = pl.col("frame_index") == 0
    states = [pl.col(f"{VECTORS[0]}.{i}") for i in range(3)]
    same = pl.all_horizontal(state.eq_missing(state.shift()) for state in states)
    frame = (
        pl.scan_parquet(data / "data" / "**" / "*.parquet", include_file_paths="file")
        .select("file", *channels, pl.col("timestamp").cast(pl.Float64), *SCALARS[1:])
        .with_columns(
            pl.when(~first).then(pl.col("timestamp").diff()).alias("dt"),
            pl.when(~first).then(pl.col("frame_index").diff()).alias("step"),
            pl.when(~first).then(pl.col("index").diff()).alias("jump"),
            pl.when(~first).then(same).otherwise(pl.lit(False)).alias("same"),
        )
        .with_columns(
            pl.all_horizontal(pl.col("same").shift(j).fill_null(value=False) for j in range(ROWS - 1)).alias("frozen")
        )
        .with_columns(
            pl.when(pl.col("frozen")).then((pl.col(a) - pl.col(a).shift(ROWS - 1)).abs()).alias(f"{a} moved")
            for a in actions
        )
    )
    dt = pl.col("dt")
    return (
        frame.group_by("file")
        .agg(
            pl.len().alias("rows"),
            *(pl.col(n).null_count().alias(f"{n} nulls") for n in names),
            *((~pl.col(n).is_finite()).sum().alias(f"{n} not finite") for n in names),
            *(pl.col(n).min().alias(f"{n} least") for n in names),
            *(pl.col(n).max().alias(f"{n} greatest") for n in names),
            (dt <= 0).sum().alias("backwards"),
            (dt > 1.5 / FPS).sum().alias("gaps"),
            dt.max().alias("widest"),
            dt.sum().alias("span"),
            dt.is_finite().sum().alias("steps"),
            (dt - 1 / FPS).abs().max().alias("error"),
            dt.filter((dt > 0) & (dt <= 1.5 / FPS)).std().alias("jitter"),
            (pl.col("step") != 1).sum().alias("out of step"),
            (pl.col("jump") != 1).sum().alias("jumps"),
            *(pl.col(f"{a} moved").max() for a in actions),
        )
        .collect(engine="streaming")
    )
