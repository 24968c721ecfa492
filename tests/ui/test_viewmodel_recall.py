"""A recall is shown whole before it is done: every node in one group, each with its path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from catalog.domain.recall import Group, Hop, Reach, Reached
from catalog.domain.release import Denial, DeviceState, Withdrawal
from tests.ui.conftest import HOSTILE
from ui.viewmodels import recall
from ui.viewmodels.text import plain

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = f"sha256:{'d' * 64}"
groups = st.lists(st.sampled_from(get_args(Group)), min_size=1, max_size=30)


def reached(of: list[Group]) -> Reach:
    """A chain: each node was made from the one before."""
    nodes = [
        Reached(
            urn=f"urn:assay:{g}:{i}",
            group=g,
            label=f"{g} {i}",
            path=tuple(Hop(src=f"urn:{j}", dst=f"urn:assay:{of[j]}:{j}", kind="made-from") for j in range(i)),
        )
        for i, g in enumerate(of)
    ]
    counts = {g: of.count(g) for g in of if g != "other"}
    return Reach(what="rig:left", start=("urn:assay:rig:left",), reached=tuple(nodes), counts=counts, plan=DIGEST)


@given(groups)
def test_every_node_that_is_counted_is_shown_once_in_its_group(of: list[Group]) -> None:
    reach = reached(of)
    shown = [r for card in recall.cards(reach) for r in card.members]
    assert sorted(r.urn for r in shown) == sorted(r.urn for r in reach.reached if r.group != "other")
    for card in recall.cards(reach):
        assert card.title.startswith(f"{len(card.members):,} ")
        assert all(r.group == card.group for r in card.members)
        assert card.title in recall.headline(reach)


def test_an_episode_in_two_versions_is_one_episode() -> None:
    reach = reached(["version", "version", "episode", "episode"])
    reach = reach.model_copy(update={"counts": {"version": 2, "episode": 1}})
    assert [card.title for card in recall.cards(reach)] == ["2 dataset versions", "1 episode, in 2 places"]
    assert "1 episode" in recall.headline(reach)


@given(groups)
def test_a_proof_has_one_line_for_each_step_and_ends_at_the_node(of: list[Group]) -> None:
    reach = reached(of)
    for node in reach.reached:
        lines = recall.proof(reach, node)
        assert len(lines) == len(node.path) + 1
        if node.path:
            assert plain(next(r.label for r in reach.reached if r.urn == node.path[-1].dst)) in lines[-1]


def test_what_is_confirmed_names_the_field() -> None:
    assert recall.sure(reached(["episode", "episode", "run", "model", "release", "device", "device"])) == (
        "Recall rig:left: 2 episodes, 1 model, 1 release, 2 devices. It cannot be undone."
    )
    assert recall.headline(reached(["other"])) == "Nothing was made with it."


def test_hostile_names_stay_names() -> None:
    node = Reached(urn="urn:x", group="model", label=f"a\u202e{HOSTILE}\nb", path=(), denied=True)
    said = recall.member(node)
    assert "\n" not in said
    assert "\u202e" not in said
    assert said.endswith("(withdrawn already)")


def test_a_withdrawal_is_never_said_to_be_heard_before_it_was() -> None:
    denial = Denial(id="1", release="r", model=DIGEST, reason="bad", by="steward", at=AT, audit_seq=1)
    device = DeviceState(
        device="b", release="r", last_seen=AT, acknowledged=False, exposure_until=AT + timedelta(hours=1)
    )
    devices = (
        device,
        device.model_copy(update={"device": "a", "acknowledged": True, "exposure_until": None}),
        device.model_copy(update={"device": "c", "last_seen": None, "release": None}),
    )
    withdrawal = Withdrawal(denials=(denial,), published_at=None, devices=devices)
    assert recall.withdrawal_headline(withdrawal) == "Not published yet; 1 of 3 devices acknowledged it."
    published = withdrawal.model_copy(update={"published_at": AT})
    assert recall.withdrawal_headline(published).startswith("Withdrawal published 2026-03-01 12:00:00 UTC; 1 of 3")
    rows = recall.withdrawal_rows(published, {"r": "release 1"})
    assert [(r["device"], r["heard"], r["has"]) for r in rows] == [
        ("b", ["pending"], "release 1"),
        ("c", ["never heard"], ""),
        ("a", ["acknowledged"], "release 1"),
    ]
    assert "no device has anything to hear" in recall.withdrawal_headline(
        Withdrawal(denials=(), published_at=None, devices=())
    )
