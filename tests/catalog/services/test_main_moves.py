"""Law 1: what was judged is what goes in. `main` moves between judgement and merge, and nothing is approved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.domain.dataset import repository_of
from catalog.services.watch import watch
from catalog.storage.lakefs import LakeFS
from tests.support.house import Desk, House
from tests.support.recordings import recording

ARM = repository_of("arm")


@pytest.fixture
def judged(desk: Desk, tmp_path: Path) -> Iterator[Desk]:
    """One approved version, and a second one ready for a signature."""
    desk.bring("arm", "one", recording(tmp_path / "one"))
    desk.register("arm", "two", recording(tmp_path / "two", seed=2))
    desk.check("arm", "two")
    return desk


def foreign_merge(store: LakeFS, path: str = "foreign/file") -> str:
    """Something else lands on main, behind the catalog's back."""
    store.ensure_branch(ARM, "foreign", "main")
    store.upload(ARM, "foreign", path, b"foreign")
    store.commit(ARM, "foreign", "foreign", {})
    return store.merge(ARM, "foreign", "main", "foreign merge", {}).id


def test_moved_before_the_signature_comes(judged: Desk) -> None:
    envelope = judged.sign(judged.judge("arm", "two"))
    foreign_merge(judged.store)
    error = judged.fails(lambda: judged.begin_approve(envelope))
    assert error.kind == "version-outdated"
    assert "rebase" in error.do
    assert len(judged.context.approvals("arm")) == 1


def test_moved_between_the_last_look_and_the_merge(judged: Desk) -> None:
    before = judged.approved("arm")
    merged: list[str] = []

    def move(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("approve", "before-merge") and not merged:
            merged.append(foreign_merge(judged.store))

    moved = judged.restarted(move)
    intent = moved.wait(moved.begin_approve(moved.sign(moved.judge("arm", "two"))))

    assert intent.state == "undecided"
    assert intent.problem is not None
    assert intent.problem.kind == "merge-undecided"
    head = judged.store.head(ARM, "main")
    assert head is not None
    assert head.parents[0] == merged[0]
    assert judged.store.tagged(ARM, "v1.1.0") is None
    assert len(judged.context.approvals("arm")) == 1
    assert judged.approved("arm") == before
    watch(judged.context)
    status = judged.status()
    assert [o.id for o in status.undecided_merges] == [intent.id]
    assert [u.commit for u in status.undecided] == [head.id]
    assert {"approve.undecided", "main.undecided"} <= {e.action for e in judged.audit()}
    judged.settle()
    assert judged.wait(intent.id).state == "undecided", "recovery must not guess"


def test_moved_so_that_the_merge_conflicts(judged: Desk) -> None:
    moves: list[str] = []

    def move(kind: str, boundary: str) -> None:
        if (kind, boundary) == ("approve", "before-merge") and not moves:
            moves.append(foreign_merge(judged.store, ".assay/manifest.json"))

    moved = judged.restarted(move)
    intent = moved.wait(moved.begin_approve(moved.sign(moved.judge("arm", "two"))))
    assert intent.state == "failed"
    assert intent.problem is not None
    assert intent.problem.kind == "merge-conflict"
    assert len(judged.context.approvals("arm")) == 1
    watch(judged.context)
    assert [u.commit for u in judged.status().undecided] == moves


def test_the_tag_was_taken(judged: Desk) -> None:
    judged.store.tag(ARM, "v1.1.0", "ingest-two")
    intent = judged.wait(judged.begin_approve(judged.sign(judged.judge("arm", "two"))))
    assert intent.state == "undecided"
    assert len(judged.context.approvals("arm")) == 1
    assert judged.approved("arm").tag == "v1.0.0"


def test_the_second_ingest_rebases(judged: Desk, tmp_path: Path) -> None:
    judged.register("arm", "three", recording(tmp_path / "three", seed=3))
    judged.approve("arm", "two")
    judged.check("arm", "three")
    decision = judged.judge("arm", "three")
    assert "on-main-head" in [r.rule for r in decision.blocking()]
    error = judged.fails(lambda: judged.begin_approve(judged.sign(decision)))
    assert error.kind == "decision-blocked"
    judged.rebase("arm", "three")
    judged.check("arm", "three")
    assert judged.approve("arm", "three")["tag"] == "v1.2.0"
    answer = judged.approved("arm")
    assert answer.roots == ("one", "three", "two")
    assert judged.approved("arm", "v1.0.*").roots == ("one",)


def test_a_head_that_nobody_decided_stops_every_door(judged: Desk, tmp_path: Path) -> None:
    commit = foreign_merge(judged.store)
    assert [u.commit for u in watch(judged.context)] == [commit]
    assert [u.commit for u in watch(judged.context)] == [commit]
    assert sum(e.action == "main.undecided" for e in judged.audit()) == 1, "noticed once, not at each poll"
    assert (
        judged.fails(lambda: judged.register("arm", "four", recording(tmp_path / "f", seed=4))).kind == "main-undecided"
    )
    assert judged.fails(lambda: judged.rebase("arm", "two")).kind == "main-undecided"
    assert judged.judge("arm", "two").verdict == "blocked"
    assert judged.approved("arm").tag == "v1.0.0"


def test_a_tag_made_again_elsewhere_is_noticed(judged: Desk) -> None:
    judged.store.call(judged.store._tags.delete_tag, ARM, "v1.0.0")
    (found,) = watch(judged.context)
    assert "v1.0.0" in found.why
    judged.store.tag(ARM, "v1.0.0", "ingest-two")
    assert watch(judged.context)[0].why != found.why
    assert judged.approved("arm").roots == ("one",)


def test_no_false_alarm_while_approvals_land(house: House, tmp_path: Path) -> None:
    """The watch looks at each boundary of an approval, and between its record and its end."""

    def look(kind: str, boundary: str) -> None:
        if kind == "approve":
            assert watch(desk.context) == []

    with house.open(look) as desk:
        desk.bring("arm", "one", recording(tmp_path / "one"))
        desk.bring("arm", "two", recording(tmp_path / "two", seed=2))
        assert "main.undecided" not in {e.action for e in desk.audit()}
