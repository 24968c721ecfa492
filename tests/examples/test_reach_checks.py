"""The shipped suite on the story's datasets: each fault gives its own finding and nothing else, whatever the seed."""

from pathlib import Path

import pytest

pytest.importorskip("mujoco", reason="the physics of the demo comes with the extra `sim`")

from examples.reach.arm import MODEL
from examples.reach.record import RECIPES, record
from validators import readers, suites
from validators.clean import clean
from validators.result import SuiteResult
from validators.robot import load
from validators.run import run

FAULTS = [("gap", (7,)), ("jitter", (19,)), ("frozen_rows", (31,)), ("joint_zero", tuple(range(48, 60)))]
FAILING = (7, 19, 31, *range(48, 60))


def check(root: Path) -> SuiteResult:
    recording = readers.open(root)
    suite, _ = suites.for_recording(recording)
    assert suite.name == "arm@2"
    return run(recording, suite, load(MODEL.with_name("robot.yaml")))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_stand_in_fails_on_its_four_faults_alone_and_passes_without_them(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "arm-reach-standin"
    record(RECIPES["arm-reach-standin"], root, seed)
    found = check(root)
    assert sorted((f.check, f.affected) for f in found.blocking) == sorted(FAULTS)
    assert {f.affected for f in found.warnings} <= {(31,)}  # what frozen rows look like to other checks
    assert found.failing_episodes == FAILING
    clean(readers.open(root), tmp_path / "clean", set(FAILING))
    kept = check(tmp_path / "clean")
    assert kept.passed
    assert kept.findings == ()


@pytest.mark.parametrize("name", ["arm-reach-sim", "arm-reach-standin-rig-x"])
def test_the_other_sets_pass_without_a_finding(tmp_path: Path, name: str) -> None:
    record(RECIPES[name], tmp_path / name, 0)
    result = check(tmp_path / name)
    assert result.passed
    assert result.findings == ()
