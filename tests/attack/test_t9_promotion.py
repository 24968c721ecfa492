"""T9: a revocation, a compromised key or an expiry at every step of promote, and a service that dies there.

Whatever comes when: afterwards the release was never allowed, or it is denied and every device is told so.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.attest.envelope import REVOCATION, sign
from catalog.db import records, tables
from catalog.domain.clock import wall_clock
from catalog.domain.enrolment import Revocation, RevokeKey
from catalog.domain.intent import Intent
from catalog.domain.release import Release
from catalog.services import release_records
from catalog.services.audit import verify_audit
from catalog.services.publish import publish
from catalog.services.revoke_key import revoke_key
from catalog.settings import Settings
from tests.attack.attacker import CLASS, Attack
from tests.support.house import Crash, Desk, House, crash_at
from tests.support.recordings import recording

MODEL = "first"
STEPS = ("_stage", "_allow", "_publish")
BOUNDARIES = [
    *(("promote", b) for s in STEPS for b in (s, f"{s}, unsaved")),
    ("promote", "before-allow"),
    ("publish", "before-leases"),
    ("publish", "before-files"),
    ("publish", "published"),
    ("promote", "record"),
    ("promote", "done"),
]


@dataclass(frozen=True)
class Event:
    """Something that must stop a release. Before `allowed` it must be refused, afterwards denied or suspended."""

    name: str
    act: Callable[[Desk], object]
    denies: bool = True


def _quarantine(desk: Desk) -> object:
    return desk.quarantine("arm", "one", [0], reason="the table was moved")


def _compromise(desk: Desk) -> object:
    keys = desk.context.keys()
    keyid = next(k.keyid for k in keys if k.principal == "approver-1")
    revocation = Revocation(
        keyid=keyid,
        principal="approver-1",
        compromised=True,
        reason="a stolen laptop",
        by="approver-2",
    )
    envelope = sign(revocation.canonical(), REVOCATION, desk.key("approver-2"))
    return revoke_key(desk.context, "approver-2", RevokeKey(revocation=revocation, envelope=envelope))


EVENTS = (Event("quarantine", _quarantine), Event("compromised-key", _compromise))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model that two approvers signed, closed; each case works on a copy."""
    folder = tmp_path_factory.mktemp("signed")
    house = House.begin(folder)
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "arm-one"))
        Attack(house, desk).eligible(MODEL, folder / "m1", 1)
        for by in ("approver-1", "approver-2"):
            desk.sign_release(MODEL, by)
    return folder


@pytest.fixture
def house(signed: Path, tmp_path: Path) -> House:
    """A copy of that home."""
    for part in ("home", "home-keys"):
        shutil.copytree(signed / part, tmp_path / part)
    return House(Settings(home=tmp_path / "home", poll_seconds=3600.0))


@contextmanager
def crashed(house: House, kind: str, boundary: str) -> Iterator[tuple[Desk, str]]:
    """A service that ended at the boundary of a promotion, and the next one on its home, before it recovers."""
    with house.open(boundary=crash_at(kind, boundary)) as desk:
        operation = desk.begin_promote(MODEL)
        with pytest.raises(Crash):
            desk.wait(operation)
        yield desk.restarted(), operation


def release(desk: Desk) -> Release:
    with desk.context.records.read() as c:
        return records.many(c, tables.release, Release, order="id")[-1]


def told(desk: Desk) -> tuple[str | None, set[str]]:
    """What devices find: the choice of the class, and everything denied."""
    choices, denied, _ = desk.context.releases.said()
    return choices[CLASS].release if CLASS in choices else None, {
        d.release for d in denied.releases
    } if denied else set()


def never_live_without_a_denial(desk: Desk) -> None:
    """Whatever happened, no device is told to run it, and if it was ever allowed, every device is told not to."""
    publish(desk.context)
    found = release(desk)
    choice, denied = told(desk)
    assert choice is None
    if found.allowed_at is None:
        assert told(desk) == (None, set())
    else:
        assert denied == {found.manifest.id}
        with desk.context.records.read() as c:
            assert release_records.denials(c, found.manifest.id)
    desk.context.releases.verify(desk.context.clock())
    assert verify_audit(desk.context).size > 0


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.name)
@pytest.mark.parametrize(("kind", "boundary"), BOUNDARIES, ids=lambda v: v.replace(", ", "-"))
def test_what_revokes_at_any_step_leaves_nothing_live(house: House, kind: str, boundary: str, event: Event) -> None:
    with crashed(house, kind, boundary) as (desk, operation):
        event.act(desk)
        desk.settle()
        intent = desk.wait(operation)
        assert intent.state in ("done", "failed")
        never_live_without_a_denial(desk)
        if intent.state == "failed":
            assert intent.problem is not None
            assert intent.problem.kind in ("decision-blocked", "approvals-missing", "release-denied")
            assert any(e.action == "release.promote.refused" for e in desk.audit())
        assert desk.fails(lambda: desk.promote(MODEL)).kind in ("approvals-missing", "decision-blocked")


@pytest.mark.parametrize(("kind", "boundary"), BOUNDARIES, ids=lambda v: v.replace(", ", "-"))
def test_a_decision_that_expires_meanwhile_allows_nothing(house: House, kind: str, boundary: str) -> None:
    with house.open(boundary=crash_at(kind, boundary)) as desk:
        operation = desk.begin_promote(MODEL)
        with pytest.raises(Crash):
            desk.wait(operation)
    with house.open(clock=lambda: wall_clock() + timedelta(hours=25)) as desk:
        desk.settle()
        found = release(desk)
        intent = desk.wait(operation)
        assert intent.state == ("done" if found.allowed_at else "failed")
        assert told(desk)[0] == (found.manifest.id if found.allowed_at else None)
        if found.allowed_at is None:
            assert intent.problem is not None
            assert intent.problem.kind == "decision-expired"


KILLS = [
    ("promote", "before-allow"),
    ("promote", "_allow, unsaved"),
    ("publish", "before-files"),
    ("publish", "published"),
]


@pytest.mark.parametrize(("kind", "boundary"), KILLS, ids=lambda v: v.replace(", ", "-"))
def test_a_kill_at_the_worst_moments_is_recovered(house: House, kind: str, boundary: str) -> None:
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), kind, boundary, "promote"]
    done = subprocess.run([*command, MODEL, ""], capture_output=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        _quarantine(desk)
        desk.settle()
        never_live_without_a_denial(desk)


@pytest.mark.parametrize(("kind", "boundary"), KILLS, ids=lambda v: v.replace(", ", "-"))
def test_without_any_revocation_a_killed_promotion_goes_live_once(house: House, kind: str, boundary: str) -> None:
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), kind, boundary, "promote"]
    done = subprocess.run([*command, MODEL, ""], capture_output=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        desk.settle()
        found = release(desk)
        assert told(desk) == (found.manifest.id, set())
        assert found.published_at is not None
        assert [e.action for e in desk.audit()].count("release.allow") == 1
        with desk.context.records.read() as c:
            assert records.many(c, tables.intent, Intent, order="id", state="running") == []
