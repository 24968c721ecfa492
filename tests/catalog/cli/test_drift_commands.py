"""`assay profile --sessions` writes what `assay check --profile` judges drift against."""

import json

import numpy as np
import polars as pl
import typer
from typer.testing import CliRunner

from catalog.cli.check import check
from catalog.cli.profile import profile

APP = typer.Typer()
APP.command()(check)
APP.command()(profile)


def run(*arguments: object):
    return CliRunner().invoke(APP, [str(a) for a in arguments])


def folder(path, episodes, shift=0.0):
    path.mkdir()
    for i in range(episodes):
        state = np.random.default_rng(i).normal(size=(60, 2)) + np.array([0, shift])
        columns = {"timestamp": np.arange(60) / 10, "observation.state": pl.Series(state).arr.to_list()}
        pl.DataFrame(columns).write_parquet(path / f"{i:02d}.parquet")
    return path


def test_drift_from_the_command_line(tmp_path):
    approved, new = folder(tmp_path / "approved", 20), folder(tmp_path / "new", 2, shift=5.0)
    reference, suite = tmp_path / "sessions.json", tmp_path / "suite.json"
    done = run("profile", approved, "--name", "x@1", "--out", tmp_path / "x.json", "--sessions", reference)
    assert done.exit_code == 0, done.output
    suite.write_text(json.dumps({"name": "drift", "expectations": [{"type": "expect_no_drift"}]}))
    done = run("check", new, "--suite", suite, "--profile", reference, "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert {f["stream"] for f in document["findings"]} == {"observation.state[1]"}
    assert document["profile"].startswith("sha256:")
    assert document["judged_at"].endswith("+00:00")
    done = run("check", new, "--suite", suite, "--profile", tmp_path / "none.json")
    assert (done.exit_code, "profile-missing" in done.output) == (2, True)
