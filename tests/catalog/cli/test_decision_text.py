"""A decision as people read it: a requirement is never offered as the reason it was not met."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.cli.decision import show_decision
from catalog.domain.audit import AuditHead
from catalog.domain.decision import Decision, RuleVerdict, verdict_of
from catalog.domain.policy import Verdict

DIGEST = "sha256:" + "a" * 64
AT = datetime(2026, 1, 1, tzinfo=UTC)
REAL = "299 trials on a real robot; a simulation cannot give this."


def rule(name: str, verdict: Verdict, message: str, *, floor: bool = False, **read: object) -> RuleVerdict:
    return RuleVerdict(rule=name, verdict=verdict, message=message, clause="c", floor=floor, read=read)


def shown(capsys: pytest.CaptureFixture[str], *rules: RuleVerdict, brief: bool = True) -> str:
    decision = Decision(
        id="1",
        decides="promotion",
        subject=DIGEST,
        subject_name="reach",
        policy=DIGEST,
        policy_name="demo-arm",
        evidence=(),
        device_class="demo-arm",
        environment="demo",
        epoch=3,
        audit_head=AuditHead(size=9, root=DIGEST),
        at=AT,
        expires_at=AT + timedelta(hours=24),
        conditions=("simulated",),
        rules=rules,
        verdict=verdict_of(rules),
    )
    show_decision(decision, brief=brief)
    return capsys.readouterr().out


FAILED = rule("passed", "fail", "Every suite passed. Not so: check.passed = false.", **{"check.passed": False})
MISSING = rule("rate", "missing", "At least 95 %. Cannot be judged: success.lower is not there.")
NO_EVIDENCE = rule("evidence-enrolled", "missing", "No evidence.", floor=True)
ASSURED = rule("run-assurance", "fail", "The run is observed.", floor=True)
TAINTED = rule("no-quarantined-input", "fail", "Quarantined content.", floor=True)
PICKLE = rule("safe-format", "fail", "Not safe to load: weights.pkl.", floor=True)
UNRECORDED = rule("training-record", "missing", "No training record.", floor=True)
FROM_A_ROBOT = rule("real", "missing", f"{REAL} Cannot be judged: real_robot is not there.")


def test_a_requirement_that_failed_is_said_to_be_not_so_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, FAILED, brief=False)
    assert "because: not so: Every suite passed. [check.passed = false]" in said
    assert said.count("not so: Every suite passed.") == 2


def test_a_requirement_that_nothing_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert "because: not shown: At least 95 %.\n" in shown(capsys, MISSING)


def test_briefly_what_nothing_shows_is_only_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, TAINTED, NO_EVIDENCE, MISSING)
    assert "not shown either: floor evidence-enrolled, rate\n" in said
    assert "At least 95 %" not in said


def test_what_no_simulation_gives_is_a_headline_unless_the_data_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert f"because: not shown: {REAL}" in shown(capsys, ASSURED, FROM_A_ROBOT)
    assert f"because: not shown: {REAL}" not in shown(capsys, TAINTED, FROM_A_ROBOT)


@pytest.mark.parametrize(
    ("rules", "do"),
    [
        ((NO_EVIDENCE, MISSING), "assay plan reach --device-class demo-arm --line LINE"),
        ((UNRECORDED, NO_EVIDENCE), "train under training_run("),
        ((TAINTED, NO_EVIDENCE), "train on approved versions"),
        ((PICKLE, UNRECORDED), "export to npz, safetensors or ONNX"),
    ],
)
def test_what_to_do(capsys: pytest.CaptureFixture[str], rules: tuple[RuleVerdict, ...], do: str) -> None:
    assert f"do: {do}" in shown(capsys, *rules)


def test_what_evidence_cannot_mend_costs_no_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    assert "do:" not in shown(capsys, ASSURED, NO_EVIDENCE)


def test_conditions_are_notes(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, rule("r", "pass", "It is so."), brief=False)
    assert "note: simulated" in said
    assert "ELIGIBLE" in said
