"""Whoever tries and is refused leaves a trace in the log: who, what, on what, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import DECISION, sign
from catalog.domain.audit import AuditEntry
from catalog.domain.base import canonical, sha256
from catalog.services.plan import enrol_line
from tests.attack.attacker import Attack, statement


def last(attack: Attack) -> AuditEntry:
    return attack.desk.audit()[-1]


def test_an_approval_with_a_key_that_nobody_enrolled(attack: Attack) -> None:
    envelope = sign(b"{}", DECISION, attack.stray_key("steward"))
    attack.refused("signer-not-enrolled", lambda: attack.desk.begin_approve(envelope, "steward"))
    entry = last(attack)
    assert (entry.actor, entry.action, entry.subject) == (
        "steward",
        "dataset.approve.refused",
        sha256(canonical(envelope)),
    )
    assert entry.details["kind"] == "signer-not-enrolled"


@pytest.mark.parametrize(("claim", "kind"), [({"success.successes": 399.0}, "evidence-aggregate")])
def test_evidence_with_an_edited_aggregate(attack: Attack, tmp_path: Path, claim: dict[str, Any], kind: str) -> None:
    enrol_line(attack.desk.context, "approver-1", "audited", "demo-arm")
    attack.model("audited", tmp_path / "m", attack.run("audited", "arm"), seed=5)
    planned = attack.plan("audited", line="audited")
    attack.refused(kind, lambda: attack.bring(statement(attack, planned, wins=300, claimed=claim)))
    entry = last(attack)
    assert (entry.actor, entry.action) == ("evaluator", "evidence.receive.refused")
    assert entry.details["kind"] == kind


def test_a_plan_for_a_model_without_a_record(attack: Attack, tmp_path: Path) -> None:
    model = attack.model("unrecorded", tmp_path / "m", None, seed=6)
    attack.refused("plan-refused", lambda: attack.plan("unrecorded"))
    entry = last(attack)
    assert (entry.action, entry.subject, entry.details["kind"]) == ("plan.make.refused", model, "plan-refused")
