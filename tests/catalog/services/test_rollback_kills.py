"""A rollback killed with -9 at every boundary: afterwards the class is told the older release, once, and nothing waits."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.services.audit import verify_audit
from catalog.settings import Settings
from tests.attack.attacker import CLASS, Attack
from tests.support.house import House
from tests.support.recordings import recording

BOUNDARIES = [
    *(("rollback", boundary) for step in ("_choose", "_publish") for boundary in (step, f"{step}, unsaved")),
    ("publish", "before-leases"),
    ("publish", "before-files"),
    ("publish", "published"),
    ("rollback", "record"),
    ("rollback", "done"),
]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two releases, closed; each case works on a copy."""
    folder = tmp_path_factory.mktemp("released")
    house = House.begin(folder)
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "arm-one"))
        attack = Attack(house, desk)
        for number, name in enumerate(("first", "second"), start=1):
            attack.eligible(name, folder / name, number, line=name)
            desk.release(name)
    return folder


@pytest.mark.parametrize(("kind", "boundary"), BOUNDARIES, ids=lambda value: value.replace(", ", "-"))
def test_a_killed_rollback_is_finished(released: Path, tmp_path: Path, kind: str, boundary: str) -> None:
    for part in ("home", "home-keys"):
        shutil.copytree(released / part, tmp_path / part)
    house = House(Settings(home=tmp_path / "home", poll_seconds=3600.0))
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), kind, boundary, "rollback"]
    done = subprocess.run([*command, CLASS, ""], capture_output=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        told = desk.context.releases.said()[0][CLASS]
        assert told.release is not None
        assert desk.view(told.release).release.manifest.model_name == "first"
        chosen = [e for e in desk.audit() if e.action == "release.choose" and e.details["release"] == told.release]
        assert len(chosen) == 2, "once when it was promoted, once when the class went back to it"
        desk.context.releases.verify(desk.context.clock())
        assert verify_audit(desk.context).size > 0
