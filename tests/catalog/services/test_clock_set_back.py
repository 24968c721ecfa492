"""A clock set back a little changes no order; set back much, it approves nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from catalog.domain.clock import uuid7, wall_clock
from tests.support.house import House
from tests.support.recordings import recording


def test_newest_stays_newest(house: House, tmp_path: Path) -> None:
    back = [timedelta(0)]

    def clock() -> datetime:
        return wall_clock() - back[0]

    def ids() -> str:
        milliseconds = int(clock().timestamp() * 1000)
        return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}{uuid7()[13:]}"

    with house.open(clock=clock, ids=ids) as desk:
        desk.bring("arm", "one", recording(tmp_path / "one"))
        back[0] = timedelta(minutes=3)
        desk.bring("arm", "two", recording(tmp_path / "two", seed=2))
        desk.check("arm", "two")
        back[0] = timedelta(minutes=4)
        desk.check("arm", "two")
        assert desk.approved("arm").tag == "v1.1.0"
        assert [a.tag for a in desk.context.approvals("arm")] == ["v1.1.0", "v1.0.0"]
        assert [v.ingest for v in desk.dataset("arm").versions] == ["two", "one"]
        desk.bring("arm", "three", recording(tmp_path / "three", seed=3))
        assert desk.approved("arm").tag == "v1.2.0"


def test_far_back_nothing_is_approved(house: House, tmp_path: Path) -> None:
    back = [timedelta(0)]
    with house.open(clock=lambda: wall_clock() - back[0]) as desk:
        desk.register("arm", "one", recording(tmp_path / "one"))
        desk.check("arm", "one")
        envelope = desk.sign(desk.judge("arm", "one"))
        back[0] = timedelta(minutes=6)
        assert desk.status().clock_back
        assert desk.fails(lambda: desk.begin_approve(envelope)).kind == "clock-back"
        assert desk.judge("arm", "one").verdict == "blocked"
        back[0] = timedelta(0)
        assert desk.approve("arm", "one")["tag"] == "v1.0.0"
