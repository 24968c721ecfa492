"""Acts killed with -9 at every boundary: a rollback, a withdrawal, a replay. Afterwards each is whole, once, and nothing waits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.services.audit import verify_audit
from catalog.services.release_records import denials
from catalog.services.replay import find_replay
from catalog.services.withdraw import withdrawal
from catalog.settings import Settings
from tests.attack.attacker import CLASS, Attack, one_evidence, statement
from tests.support.house import Desk, House
from tests.support.recordings import recording

EVIDENCE = "evidence.json"  # of the third model, signed and not yet brought
PUBLISH = [("publish", boundary) for boundary in ("before-leases", "before-files", "published")]


def boundaries(kind: str, *steps: str) -> list[tuple[str, str]]:
    """Before and after each step and before and after the record."""
    around = [(kind, boundary) for step in steps for boundary in (step, f"{step}, unsaved")]
    return [*around, (kind, "record"), (kind, "done")]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two releases and a third model's plan, closed; each case works on a copy."""
    folder = tmp_path_factory.mktemp("released")
    house = House.begin(folder)
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "arm-one"))
        attack = Attack(house, desk)
        for number, name in enumerate(("first", "second"), start=1):
            attack.eligible(name, folder / name, number, line=name)
            (folder / f"{name}.release").write_text(desk.release(name)["release"])
        attack.model("third", folder / "third", attack.run("third-run", "arm"), 3)
        brought = attack.envelope(statement(attack, attack.plan("third", "first")))
        (folder / EVIDENCE).write_text(json.dumps(brought))
    return folder


@contextmanager
def killed(released: Path, here: Path, kind: str, boundary: str, *act: str) -> Iterator[Attack]:
    """Begin the act on a copy in a child that dies at the boundary; then the next service, everything settled."""
    for part in ("home", "home-keys"):
        shutil.copytree(released / part, here / part)
    house = House(Settings(home=here / "home", poll_seconds=3600.0))
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), kind, boundary, *act]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        yield Attack(house, desk)
        desk.context.releases.verify(desk.context.clock())
        assert verify_audit(desk.context).size > 0


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [*boundaries("rollback", "_choose", "_publish"), *PUBLISH],
    ids=lambda value: value.replace(", ", "-"),
)
def test_a_killed_rollback_is_finished(released: Path, tmp_path: Path, kind: str, boundary: str) -> None:
    with killed(released, tmp_path, kind, boundary, "rollback", CLASS, "") as attack:
        desk = attack.desk
        told = desk.context.releases.said()[0][CLASS]
        assert told.release is not None
        assert desk.view(told.release).release.manifest.model_name == "first"
        chosen = [e for e in desk.audit() if e.action == "release.choose" and e.details["release"] == told.release]
        assert len(chosen) == 2, "once when it was promoted, once when the class went back to it"


@pytest.mark.parametrize(("kind", "boundary"), boundaries("withdraw", "_deny", "_publish"), ids=lambda v: v)
def test_a_killed_withdrawal_is_finished(released: Path, tmp_path: Path, kind: str, boundary: str) -> None:
    second = (released / "second.release").read_text()
    with killed(released, tmp_path, kind, boundary, "withdraw", second, "") as attack:
        desk = attack.desk
        current, denied, _ = desk.context.releases.said()
        assert denied is not None
        assert [line.release for line in denied.releases] == [second]
        assert current[CLASS].release is None
        with desk.context.records.read() as c:
            (denial,) = denials(c)
        assert withdrawal(desk.context, [denial]).published_at == denied.issued_at
        for action in ("release.deny", "release.withdraw", "release.withdrawn", "denial.published"):
            assert _count(desk, action, second) == 1, action


@pytest.mark.parametrize(("kind", "boundary"), boundaries("replay", "_run"), ids=lambda v: v)
def test_a_killed_replay_is_finished_on_its_one_draw(released: Path, tmp_path: Path, kind: str, boundary: str) -> None:
    with killed(released, tmp_path, kind, boundary, "replay", "", str(released / EVIDENCE)) as attack:
        desk = attack.desk
        (evidence,) = one_evidence(attack, desk.context.model("third").digest_)
        replay = find_replay(desk.context, evidence.digest_)
        assert (replay.state, replay.replayed, replay.differing) == ("done", 400, 0)
        (drawn,) = [e for e in desk.audit() if e.action == "replay.draw" and e.subject == evidence.digest_]
        assert replay.draw == drawn.details["draw"]
        assert _count(desk, "evidence.replay", evidence.digest_) == 1
        assert attack.gate("third").verdict == "eligible"


def _count(desk: Desk, action: str, subject: str) -> int:
    return sum(e.action == action and e.subject == subject for e in desk.audit())
