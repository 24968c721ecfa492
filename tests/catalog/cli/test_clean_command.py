import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from catalog.cli.check import check
from catalog.cli.clean import clean
from examples.reach import lerobot

APP = typer.Typer()
APP.command()(check)
APP.command()(clean)


def episode(seed: int, *, gap: bool) -> lerobot.Episode:
    rng = np.random.default_rng(seed)
    joints = np.cumsum(rng.normal(0, 0.02, (40, 3)), axis=0).astype(np.float32)
    clock = np.arange(40) / 20 + np.r_[0, rng.normal(0, 4e-4, 39)]
    clock[20:] += 0.3 * gap
    return lerobot.Episode(
        {"observation.state": joints, "action": joints + 0.001}, clock.astype(np.float32), {"seed": seed}
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    channel = lerobot.Channels(("a", "b", "c"), "rad")
    channels = {"observation.state": channel, "action": channel}
    episodes = (episode(i, gap=i in {1, 2}) for i in range(4))
    lerobot.write(root, robot_type="arm", task="t", fps=20, channels=channels, episodes=episodes)
    return root


def run(*arguments: object):
    return CliRunner().invoke(APP, [str(a) for a in arguments])


def test_dropping_what_fails_passes_afterwards(dataset, tmp_path):
    assert run("check", dataset).exit_code == 1
    done = run("clean", dataset, "--out", tmp_path / "out", "--drop", "failing")
    assert done.exit_code == 0, done.output
    assert "2 episodes, 80 rows; dropped 1-2" in done.stdout
    assert run("check", tmp_path / "out").exit_code == 0


def test_dropping_by_index_as_json(dataset, tmp_path):
    done = run("clean", dataset, "--out", tmp_path / "out", "--drop", "0, 3", "--json")
    document = json.loads(done.stdout)
    assert (document["kept"], document["dropped"]) == ({"0": 1, "1": 2}, [0, 3])


@pytest.mark.parametrize("drop", ["", "all", "1,,2", "-1", "1.5", "٣"])
def test_a_choice_that_is_none(dataset, tmp_path, drop):
    assert run("clean", dataset, "--out", tmp_path / "out", "--drop", drop).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_says_so(dataset, tmp_path):
    done = run("clean", dataset, "--out", dataset, "--drop", "1")
    assert (done.exit_code, done.stderr.split(":")[0]) == (2, "out-exists")
    done = run("clean", dataset, "--out", tmp_path / "out", "--drop", "7", "--json")
    assert json.loads(done.stdout)["error"]["kind"] == "episode-unknown"
