"""A policy comes into force by two signatures over one text, and takes the releases along that its rules block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import POLICY, sign
from catalog.domain.clock import wall_clock
from catalog.domain.policy import PolicyView
from catalog.policy.shipped import shipped_policies
from catalog.services.activate_policy import activate_policy, propose_policy
from catalog.services.decide import active_policy
from catalog.services.policy_diff import policy_diff, read_policy, try_policy
from tests.attack.attacker import CLASS, Attack
from tests.catalog.services.test_revoke_key import released, revoke
from tests.support.house import Desk, House
from tests.support.postgresql import Fresh, on_both_databases
from tests.support.recordings import recording

SHIPPED = dict(shipped_policies())
VERSION = read_policy(SHIPPED["demo-arm"]).version


def text(name: str = "demo-arm", *pairs: tuple[str, str], step: int = 1) -> str:
    """A shipped policy, one version on, with parts replaced."""
    found = SHIPPED[name]
    version = read_policy(found).version
    for old, new in (*pairs, (f"version: {version}\n", f"version: {version + step}\n")):
        assert old in found, old
        found = found.replace(old, new)
    return found


STRICT = (("success_lower_ratio: 0.90", "success_lower_ratio: 0.995"), ("lower: 0.90}", "lower: 0.995}"))
EASY = (
    ("latency_p99_ms: 20", "latency_p99_ms: 25"),
    ("p99_ms: 20}", "p99_ms: 25}"),
    ("p99_ms: 20.001", "p99_ms: 25.1"),
)


def activate(desk: Desk, policy: str, *signers: str) -> PolicyView:
    view = None
    for by in signers:
        proposal = propose_policy(desk.context, by, policy).proposal
        view = activate_policy(desk.context, by, sign(proposal.canonical(), POLICY, desk.key(by)))
    assert view is not None
    return view


def in_force(desk: Desk, device_class: str | None = CLASS) -> int:
    decides = "promotion" if device_class else "dataset-approval"
    found = active_policy(desk.context, decides, device_class)
    assert found is not None
    return found.policy.version


def _released(folder: Path, fresh: Fresh = dict) -> Iterator[Attack]:
    """A catalog with one release that has 400 of 400 successes."""
    house = House.begin(folder, **fresh())
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "arm-one"))
        found = Attack(house, desk)
        found.eligible("first", folder / "m1", 1)
        desk.release("first")
        yield found


@pytest.fixture
def attack(tmp_path: Path, fresh_database: Fresh) -> Iterator[Attack]:
    yield from _released(tmp_path, fresh_database)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """One for the tests that put nothing in force."""
    yield from _released(tmp_path_factory.mktemp("still"))


def test_two_approvers_put_an_easier_policy_in_force_and_nothing_is_denied(attack: Attack) -> None:
    desk = attack.desk
    live = released(desk)
    first = activate(desk, text("demo-arm", *EASY), "approver-1")
    assert first.done_at is None
    assert in_force(desk) == VERSION
    _, epoch = desk.context.records.head()
    done = activate(desk, text("demo-arm", *EASY), "approver-2")
    assert done.done_at is not None
    assert done.denied == ()
    assert in_force(desk) == VERSION + 1
    found = active_policy(desk.context, "promotion", CLASS)
    assert found is not None
    assert found.activated_by == ("approver-1", "approver-2")
    assert released(desk) == live
    assert desk.context.records.head()[1] == epoch + 1
    assert {"policy.propose", "policy.endorse", "policy.activate"} <= {e.action for e in desk.audit()}


@on_both_databases
def test_what_a_stricter_policy_blocks_is_denied_as_the_difference_showed(attack: Attack) -> None:
    desk = attack.desk
    live = released(desk)
    strict = text("demo-arm", *STRICT)
    shown = policy_diff(desk.context, read_policy(strict))
    assert [(c.what, c.kind) for c in shown.changes] == [
        ("success_lower_ratio", "stronger"),
        ("success-rate", "worded"),
    ]
    (blocked,) = shown.blocks
    assert (blocked.release, blocked.chosen) == (live, True)
    assert [r.rule for r in blocked.rules] == ["success-rate"]
    assert blocked.rules[0].read["success.lower"] < 0.995
    assert released(desk) == live, "looking changes nothing"
    done = activate(desk, strict, "approver-1", "approver-2")
    assert done.denied == (live,)
    assert released(desk) is None
    entries = {e.action: e for e in desk.audit()}
    assert entries["policy.activate"].at == entries["release.deny"].at, "one transaction"
    assert "rule success-rate" in entries["release.deny"].details["reason"]
    assert entries["policy.activate"].details["blocks"] == [live]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("run_assurance: observed", "run_assurance: attested"), "run-assurance"),
        (("confidence: 0.95\n", "confidence: 0.99\n"), "confidence"),
    ],
)
def test_the_frame_of_a_policy_blocks_live_releases_too(still: Attack, change: tuple[str, str], rule: str) -> None:
    shown = policy_diff(still.desk.context, read_policy(text("demo-arm", change)))
    assert [r.rule for r in shown.blocks[0].rules] == [rule]


class _Clock:
    ahead = timedelta(0)

    def __call__(self) -> datetime:
        return wall_clock() + self.ahead


def test_evidence_that_is_older_than_the_new_policy_takes(tmp_path: Path) -> None:
    clock, house = _Clock(), House.begin(tmp_path)
    with house.open(clock=clock) as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        Attack(house, desk).eligible("first", tmp_path / "m1", 1)
        desk.release("first")
        clock.ahead = timedelta(days=8)
        shown = policy_diff(desk.context, read_policy(text("demo-arm", ("evidence_days: 30", "evidence_days: 7"))))
        assert [(r.rule, r.read) for r in shown.blocks[0].rules] == [("evidence-days", {"age_days": 8})]
        shown = policy_diff(desk.context, read_policy(text("demo-arm", ("evidence_days: 30", "evidence_days: 9"))))
        assert shown.blocks == ()


def test_a_policy_is_tried_on_what_is_recorded(still: Attack) -> None:
    desk = still.desk
    trial = try_policy(desk.context, read_policy(text("demo-arm", *STRICT)))
    (tried,) = trial.tried
    verdicts = {r.rule: r for r in tried.rules}
    assert (tried.subject, verdicts["success-rate"].verdict) == ("first", "fail")
    assert verdicts["success-rate"].read["success.lower"] > 0.98
    assert tried.evidence is not None
    other = try_policy(desk.context, read_policy(SHIPPED["collaborative-arm"]))
    assert other.tried == ()
    named = try_policy(desk.context, read_policy(SHIPPED["collaborative-arm"]), (tried.evidence,))
    assert {r.verdict for r in named.tried[0].rules if r.rule.startswith("real-")} == {"missing"}
    data = try_policy(desk.context, read_policy(SHIPPED["dataset-approval"]))
    assert [(t.subject, {r.verdict for r in t.rules}) for t in data.tried] == [("arm/one", {"pass"})]
    absent = desk.fails(lambda: try_policy(desk.context, trial.policy, ("sha256:" + "0" * 64,)))
    assert absent.kind == "evidence-unknown"


def test_a_policy_for_data_is_signed_with_the_suites_of_today(attack: Attack) -> None:
    done = activate(attack.desk, text("dataset-approval"), "approver-1", "approver-2")
    assert done.done_at is not None
    assert done.proposal.policy.suites
    assert in_force(attack.desk, None) == 2
    assert attack.desk.judge("arm", "one").policy == done.proposal.policy_digest


def test_a_new_class_says_what_is_next(attack: Attack) -> None:
    bench = text("demo-arm", ("device_class: demo-arm", "device_class: bench"), ("name: demo-arm", "name: bench"))
    done = activate(attack.desk, bench, "approver-1", "approver-2")
    assert in_force(attack.desk, "bench") == VERSION + 1
    assert "assay key rotate" in done.notes[0]


REFUSED: dict[str, tuple[str, str]] = {
    "the same version": (SHIPPED["demo-arm"], "already-exists"),
    "the same version, another text": (text("demo-arm", *EASY, step=0), "already-exists"),
    "an easier class under another name": (text("demo-arm", ("name: demo-arm", "name: easy-arm")), "policy-invalid"),
    "the name for another class": (
        text("demo-arm", ("device_class: demo-arm", "device_class: other-arm")),
        "policy-invalid",
    ),
    "below the floor": (text("demo-arm", ("confidence: 0.95\n", "confidence: 0.6\n")), "policy-too-weak"),
    "a duplicate key": (
        text("demo-arm", ("confidence: 0.95\n", "confidence: 0.95\nconfidence: 0.6\n")),
        "policy-invalid",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_even_proposed(still: Attack, name: str) -> None:
    policy, kind = REFUSED[name]
    still.refused(kind, lambda: propose_policy(still.desk.context, "approver-1", policy))
    assert any(e.action == "policy.propose.refused" for e in still.desk.audit())


def test_versions_never_go_down(attack: Attack) -> None:
    desk = attack.desk
    activate(desk, text("demo-arm", step=5), "approver-1", "approver-2")
    attack.refused(
        "already-exists", lambda: propose_policy(desk.context, "approver-1", text("demo-arm", *EASY, step=4))
    )
    assert in_force(desk) == VERSION + 5


def test_two_open_proposals_and_only_one_comes_into_force(attack: Attack) -> None:
    """Both are signed once; the second signature on one makes the other void."""
    desk = attack.desk
    activate(desk, text("demo-arm", *EASY), "approver-1")
    other = activate(desk, text("demo-arm", *STRICT), "approver-1")
    assert "another text" in other.rivals[0]
    shown = propose_policy(desk.context, "approver-2", text("demo-arm", *EASY)).proposal
    activate(desk, text("demo-arm", *STRICT), "approver-2")
    envelope = sign(shown.canonical(), POLICY, desk.key("approver-2"))
    late = attack.refused("already-exists", lambda: activate_policy(desk.context, "approver-2", envelope))
    assert "never used again" in late.what


def test_a_proposal_that_would_replace_another_policy_than_it_says(attack: Attack) -> None:
    desk = attack.desk
    far = text("demo-arm", *EASY, step=9)
    activate(desk, far, "approver-1")
    shown = propose_policy(desk.context, "approver-2", far).proposal
    activate(desk, text("demo-arm", *STRICT), "approver-1", "approver-2")
    envelope = sign(shown.canonical(), POLICY, desk.key("approver-2"))
    attack.refused("decision-mismatch", lambda: activate_policy(desk.context, "approver-2", envelope))
    assert activate(desk, far, "approver-2").done_at is None, "it is another proposal, with nobody's signature"


def test_one_signature_and_one_that_no_longer_counts(attack: Attack) -> None:
    desk = attack.desk
    activate(desk, text("demo-arm", *EASY), "approver-1")
    revoke(desk, "approver-1", compromised=False)
    assert activate(desk, text("demo-arm", *EASY), "approver-2").done_at is None
    assert in_force(desk) == VERSION


def test_a_release_that_came_while_it_was_evaluated_is_evaluated_too(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog moves between evaluation and write: it is looked at again, and the new release is denied."""
    desk = attack.desk
    attack.eligible("second", tmp_path / "m2", 2)
    for by in ("approver-1", "approver-2"):
        desk.sign_release("second", by)
    strict = text("demo-arm", *STRICT)
    activate(desk, strict, "approver-1")
    from catalog.services import activate_policy as module

    evaluate: Callable[..., Any] = module.blocked_releases
    moved: list[dict[str, Any]] = []

    def meanwhile(*arguments: Any) -> Any:
        found = evaluate(*arguments)
        if not moved:
            moved.append(desk.promote("second"))
        return found

    monkeypatch.setattr(module, "blocked_releases", meanwhile)
    done = activate(desk, strict, "approver-2")
    assert len(done.denied) == 2
    assert moved[0]["release"] in done.denied
    assert released(desk) is None
