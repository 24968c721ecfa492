"""T5 over release cycles: a published release opens a new budget, once, and only for the line it rests on.

So the claim is "≤ α per release cycle"; an attacker gains nothing by releasing the same evidence again, by a release
that never reached a device, or by another name for the model.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.db import records, tables
from catalog.domain.release import Release
from catalog.policy.statistics import attempt_alpha
from catalog.services.plan import attempts, enrol_line
from tests.attack.attacker import CLASS, Attack, blocked_by, statement
from tests.attack.test_t5_attempts import ALPHA, false_pass
from tests.support.house import House
from tests.support.recordings import recording

SEEDS = itertools.count(7000)


@pytest.fixture
def attack(tmp_path: Path) -> Iterator[Attack]:
    house = House.begin(tmp_path)
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        for line in ("reach", "aside"):
            enrol_line(desk.context, "approver-1", line, CLASS)
        yield Attack(house, desk)


def fitted(attack: Attack, name: str, folder: Path, seed: int | None = None) -> None:
    attack.model(name, folder / name, attack.run(name, "arm"), seed=next(SEEDS) if seed is None else seed)


def k(attack: Attack, name: str, line: str = "reach") -> int:
    """The attempt that a plan of this model would be now, which spends nothing."""
    return 1 + attempts(attack.desk.context, attack.desk.context.model(name), CLASS, line)


def test_a_cycle_ends_when_a_release_that_rests_on_it_is_published(attack: Attack, tmp_path: Path) -> None:
    spent = [attack.plan(name, "reach").plan.k for name in _failures(attack, tmp_path, "before", 3)]
    assert spent == [1, 2, 3]
    fitted(attack, "good", tmp_path)
    attack.bring(statement(attack, attack.plan("good", "reach")))
    assert attack.gate("good").verdict == "eligible"
    fitted(attack, "next", tmp_path)
    assert k(attack, "next") == 5, "eligible is not released"
    attack.desk.release("good")
    assert k(attack, "next") == 1
    assert k(attack, "next", "aside") == 1
    after = [attack.plan(name, "reach").plan.k for name in _failures(attack, tmp_path, "after", 2)]
    assert after == [1, 2]


def test_a_release_of_another_line_ends_no_cycle_of_this_one(attack: Attack, tmp_path: Path) -> None:
    """Weights that failed on one line are tried on another after a release there: their count comes along."""
    fitted(attack, "bad", tmp_path, seed=77)
    assert attack.plan("bad", "reach").plan.k == 1
    attack.eligible("aside-1", tmp_path / "m", next(SEEDS), line="aside")
    attack.desk.release("aside-1")
    fitted(attack, "bad-renamed", tmp_path, seed=77)
    assert k(attack, "bad-renamed", "aside") == 2
    fitted(attack, "fresh", tmp_path)
    assert k(attack, "fresh", "aside") == 1
    assert k(attack, "fresh", "reach") == 2


def test_the_same_evidence_ends_one_cycle_only(attack: Attack, tmp_path: Path) -> None:
    """The operator copies the release, as though it had been published again after the next attempts."""
    attack.eligible("good", tmp_path / "m", next(SEEDS))
    attack.desk.release("good")
    fitted(attack, "bad", tmp_path)
    assert attack.plan("bad", "reach").plan.k == 1
    for number, published in enumerate((True, False), start=1):
        with attack.desk.context.records.write("releaser") as write:
            (old, *_) = records.many(write.connection, tables.release, Release, order="proposed_at")
            manifest = old.manifest.model_copy(update={"id": attack.desk.context.ids(), "number": 1 + number})
            again = old.model_copy(
                update={
                    "manifest": manifest,
                    "published_at": write.now if published else None,
                    "proposed_at": write.now,
                }
            )
            write.insert(
                tables.release,
                again,
                id=manifest.id,
                device_class=CLASS,
                model=manifest.model,
                decision=manifest.decision,
                state="published" if published else "allowed",
                proposed_at=again.document()["proposed_at"],
            )
            write.audit("test.releases-again", manifest.id)
        assert k(attack, "bad") == 2


def test_a_plan_made_before_the_release_belongs_to_the_cycle_that_ended(attack: Attack, tmp_path: Path) -> None:
    """Its own alpha stays what was planned: waiting for somebody's release makes no plan cheaper."""
    attack.eligible("good", tmp_path / "m", next(SEEDS))
    fitted(attack, "waiting", tmp_path)
    waiting = attack.plan("waiting", "reach")
    attack.desk.release("good")
    attack.bring(statement(attack, waiting, wins=374))
    assert waiting.plan.alpha == pytest.approx(attempt_alpha(2))
    assert blocked_by(attack.gate("waiting")) == {"success-rate"}, "374 would do for a first attempt, not for a second"
    assert k(attack, "waiting") == 1


def test_false_passes_stay_within_alpha_in_every_cycle() -> None:
    """Exact: whatever number of attempts each cycle has, and however many cycles follow each other."""
    for most in range(1, 21):
        cycle = 1 - math.prod(1 - false_pass(attempt) for attempt in range(1, most + 1))
        assert cycle <= ALPHA
    assert sum(attempt_alpha(attempt, ALPHA) for attempt in range(1, 200)) <= ALPHA
    cycle = 1 - math.prod(1 - false_pass(attempt) for attempt in range(1, 21))
    ten = 10 * cycle
    assert ten == pytest.approx(0.42, abs=5e-3), (
        "over ten cycles the expected number of false passes adds up, as worded"
    )


def _failures(attack: Attack, folder: Path, word: str, count: int) -> list[str]:
    names = [f"{word}-{number}" for number in range(count)]
    for name in names:
        fitted(attack, name, folder)
    return names
