"""A recall reaches all that was made from what is wrong and blocks it at once; what was shown is what is done."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from catalog.db import records, tables
from catalog.domain.recall import Reach, Recall
from catalog.domain.run import FolderInput
from catalog.services import recall
from catalog.services.audit import verify_audit
from catalog.services.plan import enrol_line, make_plan
from catalog.services.publish import publish
from catalog.settings import Settings
from lineage import urn
from tests.attack.attacker import CLASS, Attack, blocked_by, statement, verdict
from tests.support.house import Crash, Desk, House, crash_at, ended
from tests.support.postgresql import Cluster
from tests.support.recordings import recording

REASON = "its calibration was wrong"
BOUNDARIES = ["_revoke", "_revoke, unsaved", "_publish", "_publish, unsaved", "record", "done"]
NAMES = (f"r{number}" for number in itertools.count(1))
SEEDS = itertools.count(300)


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    house = House.begin(tmp_path_factory.mktemp("recall"))
    with house.open() as desk:
        yield Attack(house, desk)


@pytest.fixture
def name(attack: Attack, tmp_path: Path) -> str:
    """A dataset, a rig, a run and a released model of this name: `rig-NAME` recorded all of its data."""
    found = next(NAMES)
    made(attack, found, tmp_path)
    return found


def made(attack: Attack, name: str, folder: Path) -> str:
    """Recorded, approved, fitted, judged, signed and released; the release's id."""
    attack.desk.bring(name, "one", recording(folder / name / "one", seed=next(SEEDS), rig=f"rig-{name}"))
    eligible(attack, f"{name}-model", name, folder)
    return str(attack.desk.release(f"{name}-model")["release"])


def eligible(attack: Attack, model: str, dataset: str, folder: Path, **contract: Any) -> str:
    """An eligible model fitted on a dataset; its digest."""
    digest = attack.model(model, folder / model, attack.run(f"{model}-run", dataset), seed=next(SEEDS), **contract)
    enrol_line(attack.desk.context, "approver-1", model, CLASS)
    attack.bring(statement(attack, attack.plan(model, model)))
    assert attack.gate(model).verdict == "eligible", blocked_by(attack.gate(model))
    return digest


def shown(attack: Attack, what: str) -> Reach:
    return recall.show(attack.desk.context, what)


def begin(attack: Attack, found: Reach, reason: str = REASON, desk: Desk | None = None) -> str:
    return recall.start((desk or attack.desk).service.operations, "steward", found.what, reason, found.plan)


def recalled(attack: Attack, what: str) -> Recall:
    done = ended(attack.desk.wait(begin(attack, shown(attack, what))))
    return recall.view(attack.desk.context, done["recall"]).recall


def recalls(desk: Desk, what: str) -> list[Recall]:
    with desk.context.records.read() as c:
        return [r for r in records.many(c, tables.recall, Recall, order="id") if r.what == what]


def release_of(desk: Desk, name: str) -> str:
    model = desk.context.model(f"{name}-model").digest_
    with desk.context.records.read() as c:
        return str(c.execute(select(tables.release.c.id).where(tables.release.c.model == model)).scalar_one())


def withdrawn(desk: Desk, name: str) -> bool:
    """Whether devices are told that this release is denied, and no longer told to run it."""
    current, denied, _ = desk.context.releases.said()
    identity = release_of(desk, name)
    told = denied is not None and identity in {d.release for d in denied.releases}
    assert not (told and current[CLASS].release == identity)
    return told


def test_everything_is_reached_and_each_path_is_proven(attack: Attack, name: str) -> None:
    found = shown(attack, f"rig:rig-{name}")
    assert found.counts == {
        "episode": 3, "version": 1, "run": 1, "model": 1, "evidence": 1, "decision": 2, "release": 1
    }  # fmt: skip
    with attack.desk.context.records.read() as c:
        edges = {(r.src, r.dst, r.kind) for r in c.execute(select(tables.edge))}
    for reached in found.reached:
        nodes = [reached.path[0].src] if reached.path else [reached.urn]
        for hop in reached.path:
            assert (hop.src, hop.dst, hop.kind) in edges
            assert nodes[-1] == hop.src
            nodes.append(hop.dst)
        assert nodes[0] in found.start
        assert nodes[-1] == reached.urn
    labels = {r.group: r.label for r in found.reached}
    assert labels["model"] == f"model {name}-model"
    assert labels["run"] == f"run {name}-model-run"
    assert labels["version"] == f"{name} v1.0.0"
    assert labels["release"].endswith("of demo-arm")


@pytest.mark.parametrize(
    "what",
    ["rig:rig-{}", "{}", "{}@v1.0.0", "dataset:{}", "{}-model-run", "{}-model", "model:{}-model", "episode:{}/one/1"],
)
def test_all_is_blocked_at_once_and_devices_are_told(attack: Attack, name: str, what: str) -> None:
    desk, what = attack.desk, what.format(name)
    epoch = desk.status().epoch
    assert attack.gate(f"{name}-model").verdict == "eligible"
    done = recalled(attack, what)
    assert done.denied == (release_of(desk, name),)
    assert desk.status().epoch > epoch
    assert desk.view(done.denied[0]).state == "denied"
    assert withdrawn(desk, name)
    assert recall.view(desk.context, done.id).withdrawal.published_at is not None
    found, said = verdict(attack.gate(f"{name}-model"), "not-recalled")
    assert found == "fail"
    assert REASON in said
    assert done.id in said
    data = desk.fails(lambda: desk.approved(name)).kind if "model" not in what else None
    assert data in ("no-approved-version", None)
    assert attack.audited("recall", what)
    assert attack.audited("recall.published", what)
    attack.refused(
        "plan-refused", lambda: make_plan(desk.context, "evaluator", f"{name}-model", CLASS, f"{name}-model")
    )
    assert verify_audit(desk.context).size > 0


def test_the_time_of_a_withdrawal_is_that_of_its_first_publication(attack: Attack, name: str) -> None:
    context = attack.desk.context
    done = recalled(attack, f"rig:rig-{name}")
    first = recall.view(context, done.id).withdrawal.published_at
    assert first is not None
    assert publish(context, renew=True)
    denied = context.releases.said()[1]
    assert denied is not None
    assert denied.issued_at > first, "the list itself is newer"
    assert recall.view(context, done.id).withdrawal.published_at == first
    assert [e.subject for e in attack.desk.audit() if e.action == "denial.published"].count(done.denied[0]) == 1


def test_the_neighbours_stay(attack: Attack, name: str, tmp_path: Path) -> None:
    other = next(NAMES)
    release = made(attack, other, tmp_path)
    recalled(attack, f"rig:rig-{name}")
    assert attack.desk.view(release).state == "published"
    assert attack.desk.approved(other).tag == "v1.0.0"
    assert attack.gate(f"{other}-model").verdict == "eligible"


def test_what_is_done_is_what_was_shown(attack: Attack, name: str, tmp_path: Path) -> None:
    before = shown(attack, f"rig:rig-{name}")
    attack.desk.register(name, "two", recording(tmp_path / "two", seed=next(SEEDS), rig=f"rig-{name}"))
    assert attack.refused("recall-outdated", lambda: begin(attack, before)).do
    assert attack.audited("recall.refused", before.what)
    assert not withdrawn(attack.desk, name)

    def register(here: str, boundary: str) -> None:
        if (here, boundary) == ("recall", "_revoke"):
            attack.desk.register(name, "three", recording(tmp_path / "three", seed=next(SEEDS), rig=f"rig-{name}"))

    moving = attack.desk.restarted(register)
    found = shown(attack, before.what)
    error = attack.desk.fails(lambda: ended(moving.wait(begin(attack, found, desk=moving))))
    assert error.kind == "recall-outdated", "the plan is computed again inside the transaction"
    assert recalls(attack.desk, before.what) == []
    counts = recalled(attack, before.what).counts
    assert (counts["episode"], counts["version"]) == (3 + 3 + 3, 3), "once, in however many versions it lies"


def test_nobody_can_hold_up_a_recall_by_judging(attack: Attack, name: str) -> None:
    """A decision changes nothing of what is blocked, and anybody may ask for one."""
    before = shown(attack, f"rig:rig-{name}")
    attack.gate(f"{name}-model")
    assert shown(attack, before.what).plan == before.plan
    assert ended(attack.desk.wait(begin(attack, before)))["denied"]


def test_a_rig_that_was_mended_records_on(attack: Attack, name: str, tmp_path: Path) -> None:
    recalled(attack, f"rig:rig-{name}")
    again = next(NAMES)
    attack.desk.bring(again, "one", recording(tmp_path / "again", seed=next(SEEDS), rig=f"rig-{name}"))
    eligible(attack, f"{again}-model", again, tmp_path)


def test_what_continues_a_recalled_model_is_blocked(attack: Attack, name: str, tmp_path: Path) -> None:
    clean = next(NAMES)
    attack.desk.bring(clean, "one", recording(tmp_path / "clean", seed=next(SEEDS)))
    base = attack.desk.context.model(f"{name}-model").digest_
    recalled(attack, f"run:{name}-model-run")
    assert attack.desk.approved(name).tag == "v1.0.0", "the data was not recalled"
    reference = {"name": "anything", "digest": base, "licence": "CC0-1.0"}
    run = attack.run(f"{clean}-run", clean)
    attack.model(f"{clean}-on", tmp_path / "on", run, seed=next(SEEDS), base_model=reference)
    assert "which it continues" in verdict(attack.gate(f"{clean}-on"), "not-recalled")[1]
    # the same numbers, described otherwise, under another name and from another run
    weights = tmp_path / f"{name}-model/weights.npz"
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "on", copy)
    (copy / "contract.json").write_text(
        (tmp_path / f"{name}-model/contract.json").read_text().replace('"none"', '"no"')
    )
    shutil.copy(weights, copy / "weights.npz")
    attack.desk.register_model(f"{clean}-copy", copy, attack.run(f"{clean}-copy-run", clean).id)
    assert f"model {name}-model, with the same weights" in verdict(attack.gate(f"{clean}-copy"), "not-recalled")[1]


def test_a_recalled_folder_blocks_its_recordings_wherever_they_come_from(attack: Attack, tmp_path: Path) -> None:
    name = next(NAMES)
    folder = recording(tmp_path / "mine", seed=next(SEEDS))
    run = attack.run(f"{name}-run", folders=(folder,))
    attack.model(f"{name}-model", tmp_path / "m", run, seed=next(SEEDS))
    (item,) = run.inputs
    assert isinstance(item, FolderInput)
    done = recalled(attack, str(urn.folder(item.digest_)))
    assert done.counts == {"folder": 1, "run": 1, "model": 1}
    attack.desk.register(name, "one", folder)
    attack.desk.check(name, "one")
    decision = attack.desk.judge(name, "one")
    assert blocked_by(decision) == {"not-recalled"}
    assert "the recording of one/0" in verdict(decision, "not-recalled")[1]


def test_as_of_a_past_time(attack: Attack, name: str, tmp_path: Path) -> None:
    what, context = f"rig:rig-{name}", attack.desk.context
    at = context.records.now()[0]
    attack.desk.register(name, "later", recording(tmp_path / "later", seed=next(SEEDS), rig=f"rig-{name}"))
    assert recall.show(context, what, at).counts["episode"] == 3
    found = recall.show(context, what)
    assert (found.counts["episode"], found.counts["version"]) == (3 + 3, 2)
    labels = sorted(r.label for r in found.reached if r.group == "episode")
    assert [label for label in labels if label.startswith("episode one/0")] == [
        f"episode one/0 of {name} ingest later", f"episode one/0 of {name} v1.0.0"
    ]  # fmt: skip
    assert recall.show(context, what, at - timedelta(days=9)).counts == {}
    assert recall.show(context, what, at).plan != recall.show(context, what).plan


def test_a_quarantine_denies_what_was_released(attack: Attack, name: str) -> None:
    attack.desk.quarantine(name, "one", [1], "the gripper slipped")
    view = attack.desk.view(release_of(attack.desk, name))
    assert view.state == "denied"
    assert "the gripper slipped" in view.denials[0].reason
    assert withdrawn(attack.desk, name)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("rig:nobody-has-it", "node-unknown"),
        ("nothing", "node-unknown"),
        ("arm@v9.9.9", "node-unknown"),
        ("model:nothing", "node-unknown"),
        ("episode:arm", "input-invalid"),
        ("episode:arm/one/999", "node-unknown"),
        ("urn:assay:model:xyz", "input-invalid"),
        ("rig:", "input-invalid"),
        (str(urn.model("sha256:" + "0" * 64)), "node-unknown"),
    ],
)
def test_what_cannot_be_recalled(attack: Attack, what: str, kind: str) -> None:
    error = attack.desk.fails(lambda: shown(attack, what))
    assert error.kind == kind
    assert error.do


def test_a_recall_needs_a_reason(attack: Attack, name: str) -> None:
    found = shown(attack, f"rig:rig-{name}")
    assert attack.refused("input-invalid", lambda: begin(attack, found, "  ")).kind == "input-invalid"


@pytest.mark.parametrize("error", [Crash, ZeroDivisionError])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_crash_at_any_boundary_leaves_all_or_nothing(
    attack: Attack, name: str, boundary: str, error: type[BaseException]
) -> None:
    before = attack.desk.restarted(crash_at("recall", boundary, error))
    what = f"rig:rig-{name}"
    operation = begin(attack, shown(attack, what), desk=before)
    if error is Crash:
        with pytest.raises(Crash):
            before.wait(operation)
    else:
        before.wait(operation)
    blocked = attack.gate(f"{name}-model").verdict == "blocked"
    assert len(recalls(before, what)) == blocked == (attack.desk.view(release_of(before, name)).state == "denied")
    after = attack.desk.restarted()
    after.settle()
    intent = after.wait(operation)
    if error is Crash or boundary != "_revoke":
        assert intent.state == "done"
        assert len(recalls(after, what)) == 1
        assert withdrawn(after, name)
    else:
        assert intent.state == "failed"
        assert recalls(after, what) == []
    assert verify_audit(after.context).size > 0


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the release of what `rig-k` recorded, closed; each case works on a copy."""
    folder = tmp_path_factory.mktemp("closed")
    house = House.begin(folder)
    with house.open() as desk:
        made(Attack(house, desk), "k", folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [("recall", "_revoke"), ("recall", "_revoke, unsaved"), ("publish", "before-files"), ("publish", "published")],
)
def test_killed_with_9(closed: Path, tmp_path: Path, kind: str, boundary: str) -> None:
    for part in ("home", "home-keys"):
        shutil.copytree(closed / part, tmp_path / part)
    house = House(Settings(home=tmp_path / "home", poll_seconds=3600.0))
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), kind, boundary]
    done = subprocess.run([*command, "recall", "rig:rig-k", "-"], capture_output=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        (found,) = recalls(desk, "rig:rig-k")
        assert found.denied == (release_of(desk, "k"),)
        assert withdrawn(desk, "k")
        assert recall.view(desk.context, found.id).withdrawal.published_at is not None
        desk.context.releases.verify(desk.context.clock())
        assert verify_audit(desk.context).size > 0


def test_a_recall_waits_behind_no_upload(attack: Attack, name: str, tmp_path: Path) -> None:
    """As many registrations as there are threads stand still; going safe goes on."""
    still, standing = threading.Event(), threading.Semaphore(0)

    def stand(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("register", "_upload"):
            standing.release()
            assert still.wait(60)

    desk = attack.desk.restarted(stand)
    begun = [
        desk.begin_register(f"{name}-{n}", "one", recording(tmp_path / f"slow-{n}", seed=next(SEEDS))) for n in range(5)
    ]
    try:
        for _ in range(4):
            assert standing.acquire(timeout=30)
        assert ended(desk.wait(begin(attack, shown(attack, f"rig:rig-{name}"), desk=desk)))["denied"]
    finally:
        still.set()
    for operation in begun:
        ended(desk.wait(operation))


@pytest.mark.needs("postgresql")
def test_records_in_postgresql(tmp_path: Path, postgresql: Cluster) -> None:
    """The same reach, in the same order, the same denial; killed in the middle, the same recovery."""
    house = House.begin(tmp_path, database_url=postgresql.database())
    with house.open() as desk:
        attack = Attack(house, desk)
        made(attack, "pg", tmp_path)
        found = shown(attack, "rig:rig-pg")
        assert found.counts["release"] == 1
        at = desk.context.records.now()[0]
        assert recall.show(desk.context, "pg", at).reached == recall.show(desk.context, "pg").reached
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), "recall", "_revoke, unsaved"]
    command += ["recall", "rig:rig-pg", "-"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=house.environment)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        assert recalls(desk, "rig:rig-pg")[0].denied == (release_of(desk, "pg"),)
        assert withdrawn(desk, "pg")
        assert "rig:rig-pg" in verdict(Attack(house, desk).gate("pg-model"), "not-recalled")[1]
        assert verify_audit(desk.context).size > 0
