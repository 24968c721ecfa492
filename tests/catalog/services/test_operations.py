"""Operations as a user meets them: cancelled, waited for, continued after a restart, never run twice at once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.bootstrap import KINDS
from catalog.db import records, tables
from catalog.domain.dataset import repository_of
from catalog.domain.intent import Intent
from catalog.services.intent import Operations
from catalog.services.watch import watch
from catalog.services.worker import Worker, poll
from catalog.storage.lakefs import LakeFS
from tests.support.house import Boundary, Desk
from tests.support.postgresql import BOTH
from tests.support.recordings import recording

DATABASES = BOTH

PATIENCE = 30


def gate(kind: str, boundary: str) -> tuple[Boundary, threading.Event, threading.Event]:
    """A boundary that stops an intent until it is let go; says when it is there."""
    there, go = threading.Event(), threading.Event()

    def callback(here: str, now: str) -> None:
        if (here, now) == (kind, boundary):
            there.set()
            assert go.wait(PATIENCE)

    return callback, there, go


@pytest.mark.parametrize("boundary", ["_branch", "_upload", "_commit", "fetch"])
def test_cancel_in_the_middle_of_an_ingest(shared_desk: Desk, tmp_path: Path, boundary: str) -> None:
    name = f"cancel-{boundary.strip('_')}"
    stop, there, go = gate("register", boundary)
    desk = shared_desk.restarted(stop)
    operation = desk.begin_register(name, "one", recording(tmp_path / "one"))
    assert there.wait(PATIENCE)
    desk.service.operations.cancel(operation)
    go.set()
    intent = desk.wait(operation)
    if boundary == "fetch":  # nothing asks between the last step and the record: it is done, whole
        assert intent.state == "done"
        return
    assert intent.state == "cancelled"
    assert intent.problem is not None
    assert intent.problem.kind == "operation-cancelled"
    assert desk.store.head(repository_of(name), "ingest-one") is None
    assert desk.audit()[-1].action == "register.cancelled"
    assert desk.register(name, "one", tmp_path / "one")["ingest"] == "one"


def test_cancel_after_a_merge_landed_still_records_it(desk: Desk, tmp_path: Path) -> None:
    desk.register("arm", "one", recording(tmp_path / "one"))
    desk.check("arm", "one")
    stop, there, go = gate("approve", "_merge, unsaved")
    stopped = desk.restarted(stop)
    operation = stopped.begin_approve(stopped.sign(stopped.judge("arm", "one")))
    assert there.wait(PATIENCE)
    stopped.service.operations.cancel(operation)
    go.set()
    waiting = stopped.wait(operation)
    assert waiting.state == "running"
    assert waiting.problem is not None, "who waits for it is told"
    desk.settle()
    assert desk.wait(operation).state == "done"
    assert desk.approved("arm").tag == "v1.0.0"


def test_a_second_begin_while_one_runs(shared_desk: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")
    stop, there, go = gate("register", "_upload")
    desk = shared_desk.restarted(stop)
    operation = desk.begin_register("busy", "one", folder)
    assert there.wait(PATIENCE)
    error = desk.fails(lambda: desk.begin_register("busy", "one", folder))
    assert error.kind == "operation-running"
    assert desk.status().running[0].id == operation
    go.set()
    assert desk.wait(operation).state == "done"


def test_recovery_leaves_alone_what_is_at_work_and_what_was_finished_meanwhile(
    shared_desk: Desk, tmp_path: Path
) -> None:
    stop, there, go = gate("register", "_upload")
    desk = shared_desk.restarted(stop)
    operations = desk.service.operations
    operation = desk.begin_register("racing", "one", recording(tmp_path / "one"))
    assert there.wait(PATIENCE)
    stale = operations.running()
    assert operations.recover() == 0
    go.set()
    assert desk.wait(operation).state == "done"

    (found,) = [i for i in stale if i.id == operation]
    operations._submit(found)  # what recovery does when its list is older than the end of the intent
    assert desk.wait(operation).state == "done"
    assert desk.store.head(repository_of("racing"), "ingest-one") is not None
    assert len(desk.dataset("racing").versions) == 1


def test_two_services_worth_of_recovery_at_once(desk: Desk, tmp_path: Path) -> None:
    """Start and recovery race for the same intent; it is run once."""
    folder = recording(tmp_path / "one")
    with desk.context.records.write("engineer") as write:
        document = {
            "dataset": "arm",
            "ingest": "one",
            "path": str(folder),
            "provenance": json.loads((folder / "meta/provenance.json").read_text()),
        }
        intent = Intent(
            id=desk.context.ids(),
            kind="register",
            by="engineer",
            started_at=write.now,
            state="running",
            step=0,
            arguments=document,
        )
        write.insert(tables.intent, intent, id=intent.id, kind=intent.kind, state=intent.state)
    threads = [threading.Thread(target=desk.service.operations.recover) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.settle()
    assert desk.wait(intent.id).state == "done"
    assert sum(e.action == "dataset.register" for e in desk.audit()) == 1


def test_a_closing_service_does_not_wait_for_an_ingest_and_the_next_finishes_it(desk: Desk, tmp_path: Path) -> None:
    stop, there, go = gate("register", "_upload")
    closing = desk.restarted(stop)
    operation = closing.begin_register("arm", "one", recording(tmp_path / "one", episodes=12))
    assert there.wait(PATIENCE)
    ender = threading.Thread(target=closing.service.operations.close)
    ender.start()
    go.set()
    ender.join(PATIENCE)
    assert not ender.is_alive()
    assert desk.service.operations.look(operation)[0].state == "running"
    desk.settle()
    assert desk.wait(operation).state == "done"


def dead_store(desk: Desk) -> Desk:
    """The same records over a store that is not there."""
    context = replace(desk.context, store=LakeFS("http://127.0.0.1:9", "k", "s", name=desk.store.name))
    return Desk(replace(desk.service, context=context, operations=Operations(context, KINDS)))


def test_a_store_that_does_not_answer(desk: Desk, tmp_path: Path) -> None:
    desk.bring("arm", "one", recording(tmp_path / "one"))
    desk.register("arm", "two", recording(tmp_path / "two", seed=2))
    desk.check("arm", "two")
    alone = dead_store(desk)

    (found,) = watch(alone.context)
    assert "does not answer" in found.why
    assert desk.status().undecided == ()
    decision = alone.judge("arm", "two")
    assert decision.verdict == "blocked"
    assert desk.approved("arm").tag == "v1.0.0"
    assert alone.approved("arm").tag == "v1.0.0", "the snapshot is here"

    operation = alone.begin_register("arm", "three", recording(tmp_path / "three", seed=3))
    waiting = alone.wait(operation)
    assert waiting.state == "failed", "nothing was begun in the store, so nothing waits for it"
    assert waiting.problem is not None
    assert waiting.problem.kind == "store-unreachable"


def test_a_store_that_goes_away_after_the_branch_is_waited_for(desk: Desk, tmp_path: Path) -> None:
    stop, there, go = gate("register", "_upload")
    context = replace(desk.context, boundary=stop, store=LakeFS(*_keys(desk), name="embedded"))
    waiting = Desk(replace(desk.service, context=context, operations=Operations(context, KINDS)))
    operation = waiting.begin_register("arm", "one", recording(tmp_path / "one"))
    assert there.wait(PATIENCE)
    context.store.client.configuration.host = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    go.set()
    intent = waiting.wait(operation)
    assert intent.state == "running"
    assert intent.problem is not None
    assert intent.problem.kind == "store-unreachable"
    with desk.context.records.read() as c:
        kept = records.one(c, tables.intent, Intent, id=operation)
    assert kept is not None
    assert kept.problem is None, "why it waits is no part of the record"
    desk.settle()
    assert desk.wait(operation).state == "done"


def _keys(desk: Desk) -> tuple[str, str, str]:
    embedded = desk.service.embedded
    assert embedded is not None
    return embedded.url, embedded.key, embedded.secret


def test_the_worker_outlives_a_bug_and_a_dead_store(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []

    def broken(_context: object) -> None:
        rounds.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr("catalog.services.worker.watch", broken)
    worker = Worker(desk.context, desk.service.operations, 0.01)
    worker.start()
    while len(rounds) < 3:
        pass
    worker.stop()
    assert not worker._thread.is_alive()
    monkeypatch.undo()
    poll(dead_store(desk).context, desk.service.operations)


def test_lineage_events_leave_in_order_and_only_after_their_commit(desk: Desk, tmp_path: Path) -> None:
    log = desk.context.lineage_log
    desk.register("arm", "one", recording(tmp_path / "one"))
    assert not log.exists() or "arm" not in log.read_text()
    poll(desk.context, desk.service.operations)
    lines = log.read_text().splitlines()
    poll(desk.context, desk.service.operations)
    assert log.read_text().splitlines() == lines != []
