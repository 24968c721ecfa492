"""A temporary folder without room: said as that, wherever it is met, and never as damage of the data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.validators.readers.test_hdf5 import robomimic

ROOT = Path(__file__).parents[3]
READ = """
import resource, sys
import fsspec
from pathlib import Path
from validators import readers, suites
from validators.errors import UnreadableDataset
from validators.run import run
path, elsewhere, limit = sys.argv[1], sys.argv[2] == "elsewhere", int(sys.argv[3])
list(readers.readers())
files = None
if elsewhere:
    files = fsspec.filesystem("memory")
    for file in Path(path).iterdir():
        files.pipe(f"/set/{file.name}", file.read_bytes())
    path = "memory://set"
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    print(run(readers.open(path, files), suites.load("recording@1")).recording.rows)
except UnreadableDataset as error:
    print(error.kind, "TMPDIR" in str(error))
"""


def hdf5(folder):
    robomimic(folder / "demos.hdf5")


def parquet(folder):
    noise = np.random.default_rng(0).normal(size=20_000)
    pl.DataFrame({"timestamp": np.arange(20_000) / 100, "x": noise}).write_parquet(folder / "a.parquet")


def read(folder, where, limit):
    command = [sys.executable, "-c", READ, str(folder), where, str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("make", "where"), [(hdf5, "here"), (hdf5, "elsewhere"), (parquet, "elsewhere")])
def test_a_full_temporary_folder_is_named(tmp_path, make, where):
    make(tmp_path)
    assert int(read(tmp_path, where, 2**30)) > 0
    assert read(tmp_path, where, 300) == "too-large True"
