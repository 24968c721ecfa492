"""A contributor whose data says something that would make its own check weaker: said, and blocked at the gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from catalog.domain.check import CheckResult
from catalog.services.register_robot import register_robot
from tests.attack.attacker import Attack, blocked_by, newest_version, verdict
from tests.support.house import ROBOT
from tests.support.recordings import JOINTS, provenance, recording

RECORD: dict[str, Any] = ROBOT | {
    "robot_type": "bench_arm",
    "rate_hz": 20,
    "channels": {name: {"joint": name, "unit": "rad"} for name in JOINTS},
}


def _info(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "meta/info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def _robot(folder: Path, name: str) -> Path:
    (folder / "meta/provenance.json").write_text(json.dumps(provenance(robot=name)))
    lines = (folder / "meta/assay_episodes.jsonl").read_text().replace("bench-arm", name)
    (folder / "meta/assay_episodes.jsonl").write_text(lines)
    return folder


def _result(attack: Attack, dataset: str) -> CheckResult:
    context = attack.desk.context
    found = context.newest_check(newest_version(attack, dataset))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def limited(attack: Attack) -> str:
    """A robot whose record says type, rate and channels."""
    register_robot(attack.desk.context, "steward", "limited-arm", "arm@2", RECORD | {"name": "limited-arm"})
    return "limited-arm"


def test_what_agrees_with_its_record_passes(attack: Attack, limited: str, tmp_path: Path) -> None:
    attack.desk.register("agrees", "one", _robot(recording(tmp_path / "r", seed=90), limited))
    attack.desk.check("agrees", "one")
    assert not [f for f in _result(attack, "agrees").findings if f.check == "robot_record"]


@pytest.mark.parametrize(
    ("name", "said", "change"),
    [
        ("renamed", "no channel shoulder", lambda i: i["features"]["observation.state"]["names"].__setitem__(1, "s")),
        ("typed", "robot type 'bench_arm'", lambda i: i.__setitem__("robot_type", "camera")),
        ("slowed", "the data declares 10 Hz", lambda i: i.__setitem__("fps", 10)),
    ],
)
def test_data_that_hides_from_its_record_is_found(
    attack: Attack, limited: str, tmp_path: Path, name: str, said: str, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = _robot(recording(tmp_path / "r", seed=91), limited)
    _info(folder, change)
    attack.desk.register(name, "one", folder)
    attack.desk.check(name, "one")
    (found,) = [f for f in _result(attack, name).findings if f.check == "robot_record"]
    assert said in found.message
    assert found.severity == "blocking"
    assert "check-passed" in {r.rule for r in attack.desk.judge(name, "one").rules if r.verdict == "fail"}


def test_a_declared_kind_chooses_no_suite_that_counts(attack: Attack, tmp_path: Path) -> None:
    folder = _robot(recording(tmp_path / "r", seed=92), "unrecorded")
    (folder / "assay.yaml").write_text("schema: declaration@1\nkind: images\n")
    attack.desk.register("kind", "one", folder)
    attack.desk.check("kind", "one")
    decision = attack.desk.judge("kind", "one")
    assert verdict(decision, "suites-known")[0] == "fail"
    assert decision.verdict == "blocked", blocked_by(decision)


def test_the_result_names_engine_format_and_reader(attack: Attack, limited: str, tmp_path: Path) -> None:
    attack.desk.register("named", "one", _robot(recording(tmp_path / "r", seed=93), limited))
    attack.desk.check("named", "one")
    (run,) = _result(attack, "named").suites
    assert (run.engine["engine"], run.engine["format"], run.engine["reader"]) == (
        "assay-polars",
        "lerobot-v2.1",
        "assay",
    )


def test_limits_are_found_in_other_units(attack: Attack, limited: str, tmp_path: Path) -> None:
    folder = _robot(recording(tmp_path / "r", seed=94), limited)
    for file in folder.glob("data/**/*.parquet"):
        state = pl.col("observation.state")
        pl.read_parquet(file).with_columns(state.list.eval(pl.element() * 57.3)).write_parquet(file)
    _info(folder, lambda i: i["features"]["observation.state"].__setitem__("units", ["ticks"] * 3))
    attack.desk.register("units", "one", folder)
    attack.desk.check("units", "one")
    assert attack.desk.judge("units", "one").verdict == "blocked"
