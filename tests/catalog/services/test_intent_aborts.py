"""Each act that crosses stores, ended at each boundary and recovered: the old state or the new, and nothing between.

A crash is a `BaseException` that no handler of the service answers: what was in memory is gone, as after a kill.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.db import tables
from catalog.domain.dataset import repository_of
from catalog.services.audit import verify_audit
from tests.support.house import Crash, Desk, crash_at, model_folder
from tests.support.recordings import recording

INGEST = "one"


@dataclass(frozen=True)
class Act:
    """One act: what comes before it, how it begins, and whether it happened (which must agree in both stores)."""

    kind: str
    steps: tuple[str, ...]
    prepare: Callable[[Desk, str, Path], None]
    begin: Callable[[Desk, str, Path], str]
    happened: Callable[[Desk, str], bool]

    def boundaries(self) -> list[str]:
        return [b for s in self.steps for b in (s, f"{s}, unsaved")] + ["record", "done"]


def _seed(name: str, number: int = 0) -> int:
    """Episodes of one case are like those of no other, so that a quarantine stays where it is."""
    return zlib.crc32(f"{name}/{number}".encode()) % 10**6


def _nothing(desk: Desk, name: str, folder: Path) -> None:
    recording(folder / INGEST, seed=_seed(name))


def _checked(desk: Desk, name: str, folder: Path) -> None:
    desk.register(name, INGEST, recording(folder / INGEST, seed=_seed(name)))
    desk.check(name, INGEST)


def _outdated(desk: Desk, name: str, folder: Path) -> None:
    desk.register(name, INGEST, recording(folder / INGEST, seed=_seed(name)))
    desk.bring(name, "first", recording(folder / "first", seed=_seed(name, 1)))


def _registered(desk: Desk, name: str) -> bool:
    known = [v for v in desk.dataset(name).versions if v.ingest == INGEST] if _known(desk, name) else []
    branch = desk.store.head(repository_of(name), f"ingest-{INGEST}")
    assert bool(known) == (branch is not None), "branch and record disagree"
    if not known or branch is None:
        return False
    assert [v.commit for v in known] == [branch.id]
    assert len(desk.context.version(known[0].manifest_digest).manifest.roots) == 1
    return True


def _known(desk: Desk, name: str) -> bool:
    with desk.context.records.read() as c:
        return c.execute(tables.dataset.select().where(tables.dataset.c.slug == name)).first() is not None


def _rebased(desk: Desk, name: str) -> bool:
    versions = [v for v in desk.dataset(name).versions if v.ingest == INGEST]
    branch = desk.store.head(repository_of(name), f"ingest-{INGEST}")
    assert branch is not None
    assert branch.id == versions[0].commit, "the branch is not where the newest record says"
    assert len(versions) in (1, 2)
    return len(versions) == 2


def _approved(desk: Desk, name: str) -> bool:
    approvals = desk.context.approvals(name)
    head = desk.store.head(repository_of(name), "main")
    assert head is not None
    assert bool(head.parents) == bool(approvals), "main was merged without a record, or the other way round"
    tag = desk.store.tagged(repository_of(name), "v1.0.0")
    assert tag == (approvals[0].merge_commit if approvals else None)
    if approvals:
        assert approvals[0].merge_commit == head.id
    return bool(approvals)


def _quarantined(desk: Desk, name: str) -> bool:
    recorded = bool(desk.context.quarantines(name))
    assert recorded == (desk.store.head(repository_of(name), f"quarantine-{INGEST}") is not None)
    return recorded


def _model(desk: Desk, name: str) -> bool:
    with desk.context.records.read() as c:
        recorded = c.execute(tables.model.select().where(tables.model.c.name == name)).first()
    if recorded is not None:
        model = desk.context.model(name)
        for file in model.manifest.files:
            key = f"{model.digest_.removeprefix('sha256:')}/{file.path}"
            assert len(b"".join(desk.store.read(model.repository, model.commit, key))) == file.size
    return recorded is not None


def _sign(desk: Desk, name: str, _: Path) -> str:
    return desk.begin_approve(desk.sign(desk.judge(name, INGEST)))


ACTS = (
    Act(
        "register",
        ("_read", "_base", "_branch", "_upload", "_commit", "fetch"),
        _nothing,
        lambda d, n, f: d.begin_register(n, INGEST, f / INGEST),
        _registered,
    ),
    Act(
        "rebase",
        ("_look", "_merge", "_commit", "fetch"),
        _outdated,
        lambda d, n, _: d.begin_rebase(n, INGEST),
        _rebased,
    ),
    Act("approve", ("_merge", "_confirm", "_tag"), _checked, _sign, _approved),
    Act(
        "quarantine",
        ("_mark", "_publish", "_project"),
        _checked,
        lambda d, n, _: d.begin_quarantine(n, INGEST, [1]),
        _quarantined,
    ),
    Act(
        "register-model",
        ("_upload", "_confirm"),
        lambda d, n, f: None,
        lambda d, n, f: d.begin_model(n, model_folder(f / "model")),
        _model,
    ),
)
CASES = [(act, boundary) for act in ACTS for boundary in act.boundaries()]
CASES.append((ACTS[2], "before-merge"))
BUGS = [(act, boundary) for act, boundary in CASES if boundary != "done"]


@pytest.mark.parametrize(("act", "boundary"), CASES, ids=lambda v: v.kind if isinstance(v, Act) else v.replace(" ", ""))
def test_a_crash_at_any_boundary_is_finished_or_undone(
    shared_desk: Desk, tmp_path: Path, act: Act, boundary: str
) -> None:
    name = f"{act.kind}-{CASES.index((act, boundary))}"
    act.prepare(shared_desk, name, tmp_path)
    before = shared_desk.restarted(crash_at(act.kind, boundary))
    operation = act.begin(before, name, tmp_path)
    with pytest.raises(Crash):
        before.wait(operation)

    after = shared_desk.restarted()
    after.settle()

    intent = after.wait(operation)
    assert intent.state in ("done", "failed"), intent
    assert act.happened(after, name) == (intent.state == "done")
    assert intent.problem is None or intent.problem.kind != "internal-error", intent.problem
    assert verify_audit(after.context).size > 0
    if intent.state != "done":
        again = after.wait(act.begin(after, name, tmp_path))
        assert again.state == "done", again.problem
    assert act.happened(after, name)


@pytest.mark.parametrize(("act", "boundary"), BUGS, ids=lambda v: v.kind if isinstance(v, Act) else v.replace(" ", ""))
def test_a_bug_at_any_boundary_leaves_the_old_state_or_the_new(
    shared_desk: Desk, tmp_path: Path, act: Act, boundary: str
) -> None:
    name = f"{act.kind}-bug-{BUGS.index((act, boundary))}"
    act.prepare(shared_desk, name, tmp_path)
    before = shared_desk.restarted(crash_at(act.kind, boundary, ZeroDivisionError))
    operation = act.begin(before, name, tmp_path)
    intent = before.wait(operation)
    if intent.state == "running":
        after = shared_desk.restarted()
        after.settle()
        intent = after.wait(operation)
    assert intent.state in ("done", "failed")
    assert act.happened(shared_desk, name) == (intent.state == "done")
    if intent.state == "failed":
        assert intent.problem is not None
        assert intent.problem.kind == "internal-error"
        assert shared_desk.audit()[-1].action == f"{act.kind}.failed"
