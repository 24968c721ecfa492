"""T8, the way into force: a weaker policy by one person, by a text changed after a signature, or by an older version."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import DECISION, POLICY, cosign, sign
from catalog.domain.base import canonical
from catalog.domain.policy import PolicyProposal
from catalog.policy.shipped import shipped_policies
from catalog.services.activate_policy import activate_policy, propose_policy
from catalog.services.decide import active_policy
from catalog.services.policy_diff import read_policy
from tests.attack.attacker import CLASS, Attack

SHIPPED = dict(shipped_policies())["demo-arm"]
VERSION = read_policy(SHIPPED).version


def text(version: int, *pairs: tuple[str, str]) -> str:
    """The arm's policy with another version and other parts."""
    found = SHIPPED
    for old, new in (*pairs, (f"version: {VERSION}\n", f"version: {version}\n")):
        assert old in found, old
        found = found.replace(old, new)
    return found


def slow(p99: int) -> tuple[tuple[str, str], ...]:
    """A latency limit that lets slower models through."""
    return (
        ("latency_p99_ms: 20", f"latency_p99_ms: {p99}"),
        ("p99_ms: 20}", f"p99_ms: {p99}}}"),
        ("p99_ms: 20.001", f"p99_ms: {p99}.1"),
    )


def proposed(attack: Attack, policy: str, by: str = "approver-1") -> PolicyProposal:
    return propose_policy(attack.desk.context, by, policy).proposal


def bring(attack: Attack, envelope: dict[str, Any], by: str) -> Any:
    return activate_policy(attack.desk.context, by, envelope)


def refused(attack: Attack, kind: str, act: Callable[[], Any], audited: str = "policy.activate.refused") -> str:
    """Refused, audited, and the policy in force is the one before."""
    before = active_policy(attack.desk.context, "promotion", CLASS)
    error = attack.refused(kind, act)
    assert active_policy(attack.desk.context, "promotion", CLASS) == before
    assert any(e.action == audited for e in attack.desk.audit()[-3:])
    return error.what


def test_one_signature_changes_nothing(attack: Attack) -> None:
    proposal = proposed(attack, text(VERSION + 1, *slow(21)))
    with attack.unchanged():
        view = bring(attack, sign(proposal.canonical(), POLICY, attack.key("approver-1")), "approver-1")
    assert view.done_at is None


def test_one_person_signs_twice(attack: Attack) -> None:
    proposal = proposed(attack, text(VERSION + 1, *slow(22)))
    envelope = sign(proposal.canonical(), POLICY, attack.key("approver-1"))
    bring(attack, envelope, "approver-1")
    refused(attack, "already-exists", lambda: bring(attack, envelope, "approver-1"))
    refused(attack, "separation-of-duties", lambda: bring(attack, envelope, "approver-2"))
    both = cosign(envelope, POLICY, attack.key("approver-2"))
    refused(attack, "separation-of-duties", lambda: bring(attack, both, "approver-1"))


@pytest.mark.parametrize("signer", ["steward", "evaluator", "root-1", "release"])
def test_a_key_that_activates_nothing(attack: Attack, signer: str) -> None:
    proposal = proposed(attack, text(VERSION + 1, *slow(23)))
    envelope = sign(proposal.canonical(), POLICY, attack.key(signer))
    refused(attack, "signer-not-enrolled", lambda: bring(attack, envelope, signer))


def test_a_proposal_changed_after_the_first_signature(attack: Attack) -> None:
    """The second approver's text is weaker than the first one's: they have signed two proposals, once each."""
    first = proposed(attack, text(VERSION + 1, *slow(24)))
    bring(attack, sign(first.canonical(), POLICY, attack.key("approver-1")), "approver-1")
    second = proposed(attack, text(VERSION + 1, *slow(90)), "approver-2")
    with attack.unchanged():
        view = bring(attack, sign(second.canonical(), POLICY, attack.key("approver-2")), "approver-2")
    assert view.done_at is None
    assert any("another text of version" in rival for rival in view.rivals)
    bent = canonical(first.document() | {"policy": second.policy.document()})
    forged = sign(bent, POLICY, attack.key("approver-2"))
    refused(attack, "decision-mismatch", lambda: bring(attack, forged, "approver-2"))
    swapped = sign(first.canonical(), POLICY, attack.key("approver-2"))
    swapped["payload"] = base64.b64encode(second.canonical()).decode()
    refused(attack, "signature-invalid", lambda: bring(attack, swapped, "approver-2"))


@pytest.mark.parametrize(
    "change",
    [{"id": "0" * 36}, {"replaces": None}, {"environment": "factory"}, {"open_until": "2999-01-01T00:00:00Z"}],
    ids=lambda c: next(iter(c)),
)
def test_a_proposal_that_this_catalog_did_not_make(attack: Attack, change: dict[str, Any]) -> None:
    document = proposed(attack, text(VERSION + 1, *slow(25))).document() | change
    envelope = sign(PolicyProposal.of(document).canonical(), POLICY, attack.key("approver-1"))
    refused(attack, "decision-mismatch", lambda: bring(attack, envelope, "approver-1"))


def test_a_signature_made_for_a_decision(attack: Attack) -> None:
    proposal = proposed(attack, text(VERSION + 1, *slow(26)))
    envelope = sign(proposal.canonical(), DECISION, attack.key("approver-1"))
    refused(attack, "envelope-invalid", lambda: bring(attack, envelope, "approver-1"))


BOUND = "success.lower >= policy.success_lower_ratio"
HOSTILE: dict[str, tuple[str, str]] = {
    "an older version": (text(1), "already-exists"),
    "the same version, another text": (text(VERSION, *slow(99)), "already-exists"),
    "the bench's policy for the arm": (text(VERSION + 1, ("name: demo-arm", "name: bench")), "policy-invalid"),
    "the arm's name for the bench": (
        text(VERSION + 1, ("device_class: demo-arm", "device_class: bench")),
        "policy-invalid",
    ),
    "a duplicate key": (
        text(VERSION + 1, ("  success_lower_ratio: 0.90", "  success_lower_ratio: 0.90\n  success_lower_ratio: 0.01")),
        "policy-invalid",
    ),
    "a true rule": (
        text(VERSION + 1, ("expr: success.lower >= policy.success_lower_ratio", "expr: 'true'")),
        "policy-invalid",
    ),
    "a declared run": (text(VERSION + 1, ("run_assurance: observed", "run_assurance: declared")), "policy-too-weak"),
    "a factory": (
        text(VERSION + 1, ("environments: [demo, dev]", "environments: [demo, dev, factory]")),
        "policy-too-weak",
    ),
    "a coin's confidence": (text(VERSION + 1, ("confidence: 0.95\n", "confidence: 0.51\n")), "policy-too-weak"),
    "evidence of years": (text(VERSION + 1, ("evidence_days: 30", "evidence_days: 3650")), "policy-too-weak"),
    "a decision for a year": (text(VERSION + 1, ("decision_hours: 24", "decision_hours: 8760")), "policy-too-weak"),
    "half of the trials": (
        text(
            VERSION + 1,
            ("success_lower_ratio: 0.90", "success_lower_ratio: 0.5"),
            ("{success: {lower: 0.90}}", "{success: {lower: 0.5}}"),
            ("{success: {lower: 0.8999}}", "{success: {lower: 0.4999}}"),
        ),
        "policy-too-weak",
    ),
    "anything but exactly a half": (
        text(
            VERSION + 1,
            ("expr: success.lower >= policy.success_lower_ratio", "expr: success.lower != policy.success_lower_ratio"),
            ("success_lower_ratio: 0.90", "success_lower_ratio: 0.5"),
            ("{success: {lower: 0.90}}", "{success: {lower: 0.01}}"),
            ("{success: {lower: 0.8999}}", "{success: {lower: 0.5}}"),
        ),
        "policy-invalid",
    ),
    "anything but about a half": (
        text(
            VERSION + 1,
            (
                "expr: success.lower >= policy.success_lower_ratio",
                "expr: success.lower < policy.low_ratio || success.lower > policy.success_lower_ratio",
            ),
            ("  success_lower_ratio: 0.90", "  low_ratio: 0.45\n  success_lower_ratio: 0.55"),
            ("{success: {lower: 0.90}}", "{success: {lower: 0.01}}"),
            ("{success: {lower: 0.8999}}", "{success: {lower: 0.5}}"),
        ),
        "policy-too-weak",
    ),
    "a hole that one model fits": (
        text(
            VERSION + 1,
            (
                BOUND,
                f"{BOUND} || (success.lower > policy.low_ratio && success.lower < policy.high_ratio)",
            ),
            ("  success_lower_ratio: 0.90", "  low_ratio: 0.31\n  high_ratio: 0.32\n  success_lower_ratio: 0.90"),
        ),
        "policy-too-weak",
    ),
    "a rule that nothing can fail": (
        text(
            VERSION + 1,
            ("success_lower_ratio: 0.90", "success_lower_ratio: 0.0"),
            ("{success: {lower: 0.90}}", "{success: {lower: 0.0}}"),
            ("{success: {lower: 0.8999}}", "{success: {lower: -0.1}}"),
        ),
        "policy-too-weak",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_never_even_proposed(attack: Attack, name: str) -> None:
    policy, kind = HOSTILE[name]
    act = lambda: propose_policy(attack.desk.context, "approver-1", policy)  # noqa: E731
    refused(attack, kind, act, "policy.propose.refused")


def test_two_sign_what_the_service_would_not_propose(attack: Attack, tmp_path: Path) -> None:
    """Both approvers sign a weak policy around the proposal's door: it is looked at again when signed."""
    good = proposed(attack, text(VERSION + 1, *slow(27)))
    weak = good.policy.model_copy(update={"confidence": 0.51})
    document = good.model_copy(update={"policy": weak, "policy_digest": weak.digest()})
    for by in ("approver-1", "approver-2"):
        envelope = sign(document.canonical(), POLICY, attack.key(by))
        refused(attack, "policy-too-weak", lambda envelope=envelope, by=by: bring(attack, envelope, by))
