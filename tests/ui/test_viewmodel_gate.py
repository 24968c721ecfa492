"""A decision in the order a release engineer needs: floor first, what blocks first, every value, what no longer holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.domain.audit import AuditHead
from catalog.domain.decision import Decision, RuleVerdict, verdict_of
from catalog.domain.policy import Verdict
from catalog.domain.views import Status
from ui.viewmodels import gate

AT = datetime(2026, 3, 1, tzinfo=UTC)
DIGEST = f"sha256:{'d' * 64}"
HEAD = AuditHead(size=9, root=DIGEST)


def rule(name: str, verdict: Verdict, *, floor: bool = False, **read: Any) -> RuleVerdict:
    return RuleVerdict(rule=name, verdict=verdict, message=f"{name}!", clause="c", floor=floor, read=read)


def decided(*rules: RuleVerdict) -> Decision:
    return Decision(
        id="1",
        decides="promotion",
        subject=DIGEST,
        subject_name="reach",
        policy=DIGEST,
        policy_name="demo-arm",
        evidence=(DIGEST,),
        data=(DIGEST,),
        device_class="demo-arm",
        hardware="any",
        environment="demo",
        epoch=3,
        audit_head=HEAD,
        at=AT,
        expires_at=AT + timedelta(hours=24),
        rules=rules,
        verdict=verdict_of(rules),
    )


def standing(epoch: int = 3, *, clock_back: bool = False) -> Status:
    counts = dict.fromkeys(("audit_size", "datasets", "versions", "approved", "models", "decisions"), 0)
    return Status(
        version="1",
        environment="demo",
        home="/h",
        epoch=epoch,
        audit_root=DIGEST,
        clock_back=clock_back,
        running=(),
        undecided=(),
        undecided_merges=(),
        **counts,
    )


verdicts = st.sampled_from(["pass", "fail", "missing"])


@given(st.lists(st.tuples(verdicts, st.booleans()), min_size=1, max_size=12))
def test_every_rule_is_shown_once_in_the_order_of_what_stops_a_release(given_: list[tuple[Verdict, bool]]) -> None:
    decision = decided(*(rule(f"r{i}", v, floor=f) for i, (v, f) in enumerate(given_)))
    blocking, passing = gate.cards(decision)
    assert sorted(c.rule for c in blocking + passing) == sorted(r.rule for r in decision.rules)
    assert {c.verdict for c in passing} <= {"pass"}
    assert "pass" not in {c.verdict for c in blocking}
    assert [c.floor for c in blocking] == sorted((c.floor for c in blocking), reverse=True)
    assert [c.floor for c in passing] == sorted((c.floor for c in passing), reverse=True)
    assert bool(blocking) == (decision.verdict == "blocked")


def test_the_headline_counts_and_the_reasons_begin_with_what_failed() -> None:
    decision = decided(
        rule("p", "fail"), rule("f", "missing", floor=True), rule("g", "fail", floor=True), rule("ok", "pass")
    )
    said = gate.headline(decision)
    assert said.startswith("3 of 4 rules do not pass: 2 failed and 1 without evidence.")
    assert "2 of them in the floor" in said
    assert gate.reasons(decision) == ["g!", "Not so: p!"]
    assert gate.reasons(decided(rule("p", "missing"), rule("f", "missing", floor=True))) == ["f!"]
    assert gate.reasons(decided(rule("ok", "pass"))) == []
    assert gate.headline(decided(rule("ok", "pass"))) == "All 1 rules pass, the floor among them."


FOUND = [
    {
        "dataset": "arm",
        "root": "week-1",
        "index": index,
        "found_by": "fingerprint",
        "found_in": f"folder {'/long' * 60}",
        "reason": "gap in the clock",
    }
    for index in (7, 8, 9)
]


def test_the_reason_stands_before_the_long_name() -> None:
    path = "/long" * 60
    search = rule("no-quarantined-input", "fail", floor=True, episodes=12, found=FOUND)
    inputs = rule(
        "inputs-approved",
        "fail",
        floor=True,
        inputs=[{"name": path, "approved": False}, {"name": "x", "approved": True}],
    )
    decision = decided(search, inputs)
    first, second = gate.reasons(decision)
    assert first.startswith("no-quarantined-input!: gap in the clock: arm/week-1 episodes 7–9 in folder")
    assert second.startswith("inputs-approved!: not approved: ")
    assert max(len(first), len(second)) <= gate.REASON


def test_documents_that_a_rule_read_are_a_table() -> None:
    ((card,), _) = gate.cards(decided(rule("no-quarantined-input", "fail", floor=True, episodes=12, found=FOUND)))
    assert card.read == (("episodes", "12"),)
    (table,) = card.documents
    assert [row["episode"] for row in table] == ["7", "8", "9"]
    assert list(table[0]) == ["episode", "recording", "found by", "found in", "reason"]
    assert table[0]["recording"] == "arm/week-1"
    inputs = [{"digest": DIGEST, "name": "arm v1", "why_not": "revoked"}]
    ((card,), _) = gate.cards(decided(rule("inputs-approved", "fail", floor=True, inputs=inputs)))
    assert [list(row) for row in card.documents[0]] == [["name", "why not", "digest"]]


@pytest.mark.parametrize(
    ("verdict", "floor", "message", "said"),
    [
        ("fail", False, "It stops. Not so: stop.s = 2.", "Not so: It stops. Read: stop.s = 2."),
        ("missing", False, "It stops. Cannot be judged: no stop.", "Not shown: It stops. Cannot be judged: no stop."),
        ("pass", False, "It stops.", "It stops."),
        ("fail", True, "The run failed.", "The run failed."),
    ],
)
def test_a_requirement_that_is_not_met_does_not_read_as_met(
    verdict: Verdict, floor: bool, message: str, said: str
) -> None:
    judged = RuleVerdict(rule="r", verdict=verdict, message=message, clause="c", floor=floor, read={})
    assert gate.message(judged) == said


def test_numbers_stand_beside_their_thresholds() -> None:
    decision = decided(
        rule("rate", "fail", **{"success.lower": 0.85, "policy.success_lower_ratio": 0.9}),
        rule("floor", "pass", floor=True, **{"a": 1, "policy.b": 2}),
        rule("origin", "pass", **{"success.origin": "simulated"}),
    )
    assert gate.figures(decision) == [
        {"verdict": ["fail"], "rule": "rate", "measured": "success.lower", "value": "0.85", "threshold": "0.9"}
    ]


@pytest.mark.parametrize(
    ("now", "status", "said"),
    [
        (AT, standing(), []),
        (AT + timedelta(hours=24), standing(), ["expired"]),
        (AT, standing(epoch=4), ["governance epoch 4"]),
        (AT, standing(clock_back=True), ["clock"]),
        (AT + timedelta(days=2), standing(epoch=9, clock_back=True), ["expired", "governance epoch 9", "clock"]),
    ],
)
def test_what_no_longer_holds_is_said(now: datetime, status: Status, said: list[str]) -> None:
    found = gate.caveats(decided(rule("ok", "pass")), status, now)
    assert len(found) == len(said)
    assert all(word in caveat for word, caveat in zip(said, found, strict=True))


def test_the_digests_are_whole() -> None:
    decision = decided(rule("ok", "pass"))
    lines = gate.digest_lines(decision)
    assert ("decision", decision.digest()) in lines
    assert ("model manifest", DIGEST) in lines
    assert ("data manifest", DIGEST) in lines
    assert ("training run", "none recorded") in lines


def test_the_scope_names_class_environment_hardware_and_times() -> None:
    said = gate.scope(decided(rule("ok", "pass")))
    for word in ("demo-arm", "environment demo", "hardware any", "2026-03-01 00:00:00 UTC", "2026-03-02"):
        assert word in said
