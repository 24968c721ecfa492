"""The bar: each planted fault is found and named, and nothing else; what is good, or too small to resolve, passes."""

from pathlib import Path

import pytest

from validators import readers, suites
from validators.robot import load
from validators.run import run

pytest.importorskip("mujoco", reason="needs the extra `sim`")


def judged(name: str, folder: Path):
    from examples.reach import record

    record.record(record.RECIPES[name], folder / name, seed=11)
    recording = readers.open(folder / name)
    suite, _ = suites.for_recording(recording)
    return run(recording, suite, load(Path(record.__file__).parent / "robot.yaml"))


def test_every_planted_fault_and_nothing_else(tmp_path):
    result = judged("arm-reach-standin", tmp_path)
    assert result.suite.name == "arm@2"
    assert {f.affected for f in result.warnings} <= {(31,)}  # what frozen rows look like to other checks
    assert [(f.check, f.affected) for f in result.blocking] == [
        ("gap", (7,)),
        ("jitter", (19,)),
        ("frozen_rows", (31,)),
        ("joint_zero", tuple(range(48, 60))),
    ]
    zero = result.blocking[-1]
    assert zero.stream == "observation.state.shoulder"
    assert zero.value == pytest.approx(5.0, abs=0.1)
    assert result.failing_episodes == (7, 19, 31, *range(48, 60))


def test_a_third_of_a_degree_is_below_what_is_resolved(tmp_path):
    result = judged("arm-reach-standin-rig-x", tmp_path)
    assert result.passed
    assert not result.findings
    (zero,) = (o for o in result.outcomes if o.check == "joint_zero")
    assert zero.status == "clean"
    assert zero.observed["largest_deg"] == pytest.approx(0.3, abs=0.1)
    assert "resolves 1.0" in zero.note
