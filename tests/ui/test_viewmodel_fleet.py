"""The fleet is said as it is: never better than devices reported, and going back says what it brings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.domain.audit import AuditHead
from catalog.domain.device import ChangeTimes, Device, DeviceReport, DeviceView
from catalog.domain.fleet import ClassView
from catalog.domain.model import ModelFile
from catalog.domain.release import (
    Choice,
    CurrentRelease,
    Denial,
    Release,
    ReleaseManifest,
    ReleaseView,
    State,
    Withdrawal,
)
from tests.ui.conftest import HOSTILE
from ui.viewmodels import fleet
from ui.viewmodels.text import plain

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = f"sha256:{'d' * 64}"
HEAD = AuditHead(size=9, root=DIGEST)


def identity(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def release(number: int, model: str = DIGEST, device_class: str = "demo-arm") -> Release:
    manifest = ReleaseManifest(
        id=identity(number),
        number=number,
        device_class=device_class,
        environment="demo",
        hardware="any",
        model=model,
        model_name=f"reach-{number}",
        files=(ModelFile(path="weights.npz", size=3, sha256=DIGEST),),
        decision=DIGEST,
        policy=DIGEST,
        epoch=1,
        audit_head=HEAD,
        issued_at=AT,
        lease_hours=24,
    )
    return Release(
        manifest=manifest, role="{}", role_version=number + 1, proposed_by="releaser", proposed_at=AT, allowed_at=AT
    )


def view(number: int, state: State = "published", *, chosen: bool = False, model: str = DIGEST) -> ReleaseView:
    denials = (
        (Denial(id="1", release=identity(number), model=model, reason=HOSTILE, by="steward", at=AT, audit_seq=1),)
        if state == "denied"
        else ()
    )
    return ReleaseView(
        release=release(number, model), state=state, chosen=chosen, signatures=(), denials=denials, devices=()
    )


def device(name: str, has: int | None = None, *, heard: bool = True, **more: Any) -> DeviceView:
    said = {k: more.pop(k) for k in ("event", "what", "times") if k in more}
    report = DeviceReport(
        **{
            "device": name,
            "seq": 1,
            "at": AT,
            "time_floor": AT,
            "event": "installed",
            "release": identity(has) if has else None,
            **said,
        }
    )
    return DeviceView(
        device=Device(
            name=name,
            device_class="demo-arm",
            environment="demo",
            hardware="any",
            keyid="a" * 64,
            enrolled_by="approver-1",
            enrolled_at=AT,
        ),
        newest=report if heard else None,
        last_seen=AT if heard else None,
        chosen=None,
        **{"acknowledged": False, "pending": (), "exposure_until": None, **more},
    )


def one_class(chosen: int | None, told: int | None, back: int | None = None, **more: Any) -> ClassView:
    return ClassView(
        device_class="demo-arm",
        choice=Choice(
            device_class="demo-arm",
            release=identity(chosen) if chosen else None,
            reason="promoted",
            by="releaser",
            requested_at=AT,
        ),
        published=CurrentRelease(
            device_class="demo-arm",
            environment="demo",
            release=identity(told) if told else None,
            reason=more.pop("reason", "promoted"),
            requested_at=AT,
            issued_at=AT,
            lease_until=more.pop("lease_until", AT + timedelta(hours=24)),
            epoch=1,
            audit_head=HEAD,
        ),
        back=release(back) if back else None,
        passed_over=more.pop("passed_over", ()),
    )


def card(of: ClassView, *devices: DeviceView, now: datetime = AT) -> fleet.ClassCard:
    (found,), _ = fleet.cards([of], [view(1), view(2)], list(devices), now)
    return found


def test_a_class_says_what_runs_who_has_heard_and_what_going_back_brings() -> None:
    found = card(one_class(2, 2, back=1), device("a", 2, acknowledged=True), device("b", 1), device("c", heard=False))
    assert (found.headline, found.colour) == ("Release 2 · reach-2", "green")
    assert (found.heard, found.heard_colour) == ("1 of 3 devices acknowledged", "orange")
    assert found.waits_for == ("not yet: b", "never heard: c")
    assert (found.back_label, found.back_brings, found.back_good) == ("Go back to release 1", "brings reach-1", True)
    assert found.back_reach[0] == "Instead of release 2 · reach-2, class demo-arm gets release 1 · reach-1."
    assert found.back_reach[-1] == "It reaches a, b, c."
    assert found.bad == ()


def test_all_acknowledged_is_said_only_when_all_said_so() -> None:
    assert card(one_class(2, 2), device("a", 2, acknowledged=True)).heard == "its one device acknowledged"
    every = card(one_class(2, 2), device("a", 2, acknowledged=True), device("b", 2, acknowledged=True))
    assert (every.heard, every.heard_colour, every.waits_for) == ("all 2 devices acknowledged", "green", ())
    nobody = card(one_class(2, 2))
    assert (nobody.heard, nobody.heard_colour) == ("no device enrolled", "orange")


def test_going_back_to_nothing_says_so_and_why_each_release_is_passed_over() -> None:
    found = card(one_class(2, 2, passed_over=(f"not release 1: {HOSTILE}",)), device("a", 2))
    assert (found.back_label, found.back_good, found.can_go_back) == ("Go back to no release", False, True)
    assert "Devices are told: no release allowed." in found.back_reach[0]
    assert f"Passed over: not release 1: {plain(HOSTILE)}" in found.back_reach


def test_what_a_press_means_is_in_its_key() -> None:
    keys = {
        card(c).back_key for c in (one_class(2, 2, back=1), one_class(1, 1), one_class(2, 2), one_class(None, None))
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("of", "now", "said"),
    [
        (one_class(2, None, reason="release 2 is suspended: evidence expired"), AT, "devices are told no release"),
        (one_class(2, 1), AT, "Chosen is release 2 · reach-2; devices are told release 1 · reach-1"),
        (one_class(2, 2), AT + timedelta(hours=25), "was not renewed"),
        (one_class(2, 2).model_copy(update={"published": None}), AT, "not published yet"),
    ],
)
def test_what_devices_are_told_otherwise_is_said_first(of: ClassView, now: datetime, said: str) -> None:
    found = card(of, now=now)
    assert said in found.bad[0]
    assert found.colour == ("green" if of.published and of.published.release == identity(2) else "red")


def test_who_has_not_heard_of_a_withdrawal_is_named_with_the_end_of_exposure() -> None:
    until = AT + timedelta(hours=3)
    pending = {"pending": (identity(1),), "exposure_until": until}
    found = card(one_class(2, 2), device("a", 1, **pending), device("b", 1, **pending))
    assert found.bad == ("Not yet heard of a withdrawal: a, b. Exposure ends 2026-03-01 15:00:00 UTC at the latest.",)
    open_ended = card(one_class(2, 2), device("a", 1, pending=(identity(1),)), device("b", 1, **pending))
    assert open_ended.bad == ("Not yet heard of a withdrawal: a, b.",)


def test_a_device_that_refused_is_shown_with_what_it_said() -> None:
    found = card(one_class(2, 2), device("a", event="refused", what=HOSTILE))
    assert found.bad == (f"a reported refused: {plain(HOSTILE)}",)


def test_classes_that_need_attention_come_first_and_unused_ones_are_only_named() -> None:
    calm = one_class(2, 2).model_copy(update={"device_class": "a-calm"})
    idle = ClassView(device_class="idle", choice=None, published=None, back=None, passed_over=())
    used, unused = fleet.cards([calm, idle, one_class(2, 1)], [], [], AT)
    assert [c.device_class for c in used] == ["demo-arm", "a-calm"]
    assert unused == ["idle"]


def test_a_release_that_the_catalog_does_not_know_is_not_given_a_name() -> None:
    (row,) = fleet.device_rows([device("a", 7)], fleet.names([view(1)]))
    assert row["has"] == f"unknown release {identity(7)}"


def test_times_of_a_change_are_shown_as_reached_and_no_further() -> None:
    times = ChangeTimes(requested=AT, swapped=AT + timedelta(milliseconds=120), healthy=AT + timedelta(seconds=2))
    assert fleet.change(times) == "requested 12:00:00 UTC → swapped +0.12 s → healthy +2.00 s"
    assert fleet.change(ChangeTimes()) == ""


def test_a_withdrawal_says_all_it_reaches_before_it_is_done() -> None:
    all_ = [view(1, chosen=True), view(2), view(3, model=f"sha256:{'e' * 64}"), view(4, "denied")]
    said = fleet.withdrawal_reach(all_[0], [device("a", 1), device("b", 2)], all_)
    assert "2 devices of the class are told; it is installed on a." in said
    assert "Denied with it, being the same model: release 2 · reach-2 of demo-arm." in said
    assert not any("reach-3" in line or "reach-4" in line for line in said)
    assert any("no release is allowed there until you go back" in line for line in said)


def test_only_what_is_allowed_can_be_withdrawn_and_the_chosen_comes_first() -> None:
    found = [view(1), view(2, chosen=True), view(3), view(4, "denied"), view(5, "proposed")]
    assert [v.release.manifest.number for v in fleet.withdrawable(found)] == [2, 3, 1]
    assert [r["state"] for r in fleet.release_rows(found)] == [
        ["proposed"], ["denied"], ["published"], ["chosen"], ["published"],
    ]  # fmt: skip


def test_published_is_not_heard() -> None:
    withdrawal = Withdrawal(denials=(), published_at=None, devices=())
    assert fleet.withdrawn("release 1", withdrawal)[0] is False
    good, said = fleet.withdrawn("release 1", withdrawal.model_copy(update={"published_at": AT}))
    assert good
    assert "0 of 0 devices acknowledged" in said


def test_no_release_left_is_no_success() -> None:
    done = {"device_class": "demo-arm", "release": None, "number": None, "name": None, "reason": "why", "left": "y"}
    good, said = fleet.gone_back(done)
    assert good is False
    assert said.endswith("now: why. To come back: assay rollback --device-class demo-arm --to y")
    good, said = fleet.gone_back(done | {"release": "x", "number": 1, "name": "reach", "left": None})
    assert good is True
    assert "come back" not in said


def test_where_no_release_is_allowed_nothing_is_said_of_its_lease() -> None:
    assert card(one_class(None, None)).lease == ""
    assert "2026-03-02 12:00:00" in card(one_class(2, 2)).lease


def test_where_nothing_can_be_gone_back_to_that_is_said() -> None:
    lost = card(one_class(None, None, passed_over=("not release 1: recalled",)))
    assert (lost.can_go_back, lost.headline) == (False, "No release allowed")
    assert lost.back_brings == "Today's floor allows no release to go back to."
    assert lost.passed_over == ("Passed over: not release 1: recalled",)
    unused = ClassView(device_class="demo-arm", choice=None, published=None, back=None, passed_over=())
    new = card(unused, device("a", heard=False))
    assert (new.headline, new.can_go_back) == ("Nothing was promoted yet", False)
    assert new.back_brings.startswith("Nothing was promoted yet")


def test_what_questions_a_release_that_goes_on_is_said_first() -> None:
    asked = one_class(2, 2).model_copy(update={"question": f"release 2 of demo-arm is questioned: {HOSTILE}"})
    found = card(asked, device("a", 2, acknowledged=True))
    assert found.bad == (f"release 2 of demo-arm is questioned: {plain(HOSTILE)} Recall or withdraw it, or leave it.",)
    assert found.colour == "green", "it goes on until somebody acts"
