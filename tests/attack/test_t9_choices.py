"""T9, the choice of a class: acts that cross, or are asked for twice, never bring back what somebody went away from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.domain.release import CurrentRelease
from catalog.errors import Unavailable
from catalog.services import promote, recall, rollback, withdraw
from catalog.services.deny import deny_reached
from catalog.services.ingest_lineage import ingest_lineage
from catalog.services.intent import Operations
from catalog.services.publish import publish
from lineage import urn
from tests.attack.attacker import CLASS, Attack, blocked_by
from tests.attack.test_t7_reported import event
from tests.support.house import House, ended
from tests.support.recordings import recording


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    house = House.begin(tmp_path)
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        yield Attack(house, desk)


def released(attack: Attack, folder: Path, *names: str) -> list[str]:
    found = []
    for number, name in enumerate(names, start=1):
        attack.eligible(name, folder / name, number, line=name)
        found.append(str(attack.desk.release(name)["release"]))
    return found


def told(attack: Attack) -> CurrentRelease:
    """What devices of the class are told."""
    return attack.desk.context.releases.said()[0][CLASS]


@contextmanager
def asked_only() -> Iterator[None]:
    """Operations are asked for inside, and none begins yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operations, "_submit", lambda _self, _intent: None)
        yield


def begun(act: Callable[[], str]) -> str:
    with asked_only():
        return act()


def done(attack: Attack, operation: str) -> dict[str, Any]:
    attack.desk.service.operations.recover()
    return ended(attack.desk.wait(operation))


def test_going_back_twice_does_not_come_round(attack: Attack, tmp_path: Path) -> None:
    """From the only release to none; asked again, by who pressed twice, it stays none. By name it comes again."""
    (first,) = released(attack, tmp_path, "first")
    assert attack.desk.rollback(reason="it hits the table")["release"] is None
    assert attack.desk.rollback(reason="it hits the table")["release"] is None
    assert told(attack).release is None
    assert attack.desk.rollback(to=first)["release"] == first


def test_a_promotion_that_comes_in_between_does_not_turn_going_back_into_staying(
    attack: Attack, tmp_path: Path
) -> None:
    """Asked to leave release 2; release 3 is promoted first. One older than 3 would be 2."""
    first, second = released(attack, tmp_path, "first", "second")
    attack.eligible("third", tmp_path / "third", 3, line="third")
    for by in ("approver-1", "approver-2"):
        attack.desk.sign_release("third", by)
    operations = attack.desk.service.operations
    promotion = begun(lambda: promote.start(operations, "releaser", "third", CLASS))
    back = begun(lambda: rollback.start(operations, "steward", CLASS, None, "it drops things"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "running", lambda: [operations.look(promotion)[0]])
        assert done(attack, promotion)["number"] == 3
    assert done(attack, back)["release"] == first
    assert told(attack).release == first
    assert second not in told(attack).fallbacks


def test_a_promotion_asked_for_before_a_withdrawal_does_not_overrule_it(attack: Attack, tmp_path: Path) -> None:
    """Who withdrew said that nothing runs. Asked for again, what is promoted is what devices are told."""
    (first,) = released(attack, tmp_path, "first")
    attack.eligible("second", tmp_path / "second", 2, line="second")
    for by in ("approver-1", "approver-2"):
        attack.desk.sign_release("second", by)
    operations = attack.desk.service.operations
    promotion = begun(lambda: promote.start(operations, "releaser", "second", CLASS))
    denied = begun(lambda: withdraw.start(operations, "steward", first, "bad welds"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "running", lambda: [operations.look(denied)[0]])
        done(attack, denied)
    assert told(attack).release is None
    error = attack.desk.fails(lambda: done(attack, promotion))
    assert error.kind == "release-outdated"
    assert attack.audited("promote.failed", promotion)
    assert told(attack).release is None
    release = attack.desk.promote("second")["release"]
    assert attack.desk.view(release).chosen
    assert told(attack).release == release
    assert told(attack).fallbacks == ()


@pytest.mark.parametrize("safe", ["withdraw", "rollback"])
def test_going_safe_waits_for_no_promotion(tmp_path: Path, safe: str) -> None:
    """Whoever promotes a large model holds nobody up by what its files take to be staged, and overrules nobody."""
    house, staging, go_on = House.begin(tmp_path), threading.Event(), threading.Event()
    hold = threading.Event()

    def boundary(kind: str, now: str) -> None:
        if hold.is_set() and (kind, now) == ("promote", "_stage"):
            staging.set()
            assert go_on.wait(60)

    with house.open(boundary=boundary) as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        attack = Attack(house, desk)
        (first,) = released(attack, tmp_path, "first")
        attack.eligible("second", tmp_path / "second", 2, line="second")
        for by in ("approver-1", "approver-2"):
            desk.sign_release("second", by)
        hold.set()
        promotion = desk.begin_promote("second")
        try:
            assert staging.wait(60)
            if safe == "withdraw":
                operation = withdraw.start(desk.service.operations, "steward", first, "bad welds")
            else:
                operation = rollback.start(desk.service.operations, "steward", CLASS, None, "bad welds")
            ended(desk.service.operations.wait(operation, 30))
            assert told(attack).release is None
        finally:
            go_on.set()
        assert desk.fails(lambda: ended(desk.wait(promotion))).kind == "release-outdated"
        assert told(attack).release is None
        assert attack.audited("promote.failed", promotion)
        assert desk.promote("second")["number"] == 2


def test_a_model_that_was_released_twice_is_denied_twice(attack: Attack, tmp_path: Path) -> None:
    """Withdrawing one release leaves none of the same model without a denial of its own."""
    attack.eligible("first", tmp_path / "first", 1)
    releases = [str(attack.desk.release("first")["release"])]
    attack.gate("first")
    releases.append(str(attack.desk.release("first")["release"]))
    assert len(set(releases)) == 2
    attack.desk.withdraw(releases[0], "bad welds")
    for release in releases:
        assert attack.desk.view(release).state == "denied"
        assert {d.release for d in attack.desk.view(release).denials} == set(releases)
        assert attack.audited("release.deny", release)
    published = attack.desk.context.releases.said()[1]
    assert published is not None
    assert {d.release for d in published.releases} == set(releases)
    assert told(attack).release is None


def test_a_store_that_is_silent_holds_no_denial_back(attack: Attack, tmp_path: Path) -> None:
    """What cannot be looked at keeps what was said, less what is denied: else it could not be published at all."""
    first, second = released(attack, tmp_path, "first", "second")
    assert told(attack).fallbacks == (first,)
    silent = replace(attack.desk.context, store=_Silent(), standings={})
    before = told(attack)
    with silent.records.write("steward") as write:
        deny_reached(silent, write, [first], "bad welds")
        write.audit("release.withdraw", first)
    publish(silent)
    published = silent.releases.said()[1]
    assert published is not None
    assert {d.release for d in published.releases} == {first}
    assert (told(attack).release, told(attack).fallbacks) == (second, ())
    assert told(attack).lease_until == before.lease_until


def test_a_report_that_what_is_live_came_from_something_recalled_questions_it_until_somebody_acts(
    attack: Attack, tmp_path: Path
) -> None:
    """One token reports it, so it is shown and nothing new goes live; who may recall looks at it, and ends it."""
    (first,) = released(attack, tmp_path, "first")
    context = attack.desk.context
    ingest_lineage(context, "engineer", event(1, "raw", "clean"))
    bad = str(urn.external("lake", "raw"))
    recalled(attack, bad)
    publish(context)
    assert told(attack).release == first
    version = str(urn.version("arm", context.candidate("arm", None).manifest_digest))
    ingest_lineage(context, "engineer", event(2, "clean", version))
    publish(context)
    assert told(attack).release == first
    (question,) = attack.desk.status().questions
    assert "not-recalled" in question
    assert attack.audited("release.questioned", first)
    assert "not-recalled" in blocked_by(attack.gate("first"))
    recalled(attack, bad)
    assert told(attack).release is None
    assert attack.audited("release.deny", first)
    assert attack.desk.status().questions == ()


def recalled(attack: Attack, what: str) -> None:
    """A steward recalls it, as it reaches now."""
    shown = recall.show(attack.desk.context, what)
    operation = recall.start(attack.desk.service.operations, "steward", what, "wrong units", shown.plan)
    ended(attack.desk.wait(operation))


def test_a_new_lease_rests_on_a_new_look(attack: Attack, tmp_path: Path) -> None:
    """The model's file is changed in the store; the next lease is not issued on what was seen before."""
    (first,) = released(attack, tmp_path, "first")
    silent = replace(attack.desk.context, store=_Silent())
    publish(attack.desk.context)
    before = told(attack)
    assert (before.release, first in silent.standings) == (first, True)
    publish(silent, renew=True)
    assert told(attack) == before


class _Silent:
    """A store that does not answer, whatever it is asked."""

    name = "embedded"

    def __getattr__(self, name: str) -> Any:
        raise Unavailable("store-unreachable", f"the store does not answer to {name}")
