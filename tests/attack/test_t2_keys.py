"""T2, keys: one person who would have two identities, and enrolments that mean something else. Nobody comes in."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import DECISION, ENROLMENT, cosign, sign
from catalog.attest.keys import generate
from catalog.domain.base import canonical, sha256
from catalog.domain.enrolment import KeyRequest
from catalog.domain.principal import KeyRole
from catalog.services.enrol import enrol, list_keys, propose_enrolment
from tests.attack.attacker import Attack


def request(folder: Path, name: str, role: KeyRole = "approver", **changes: Any) -> KeyRequest:
    public = generate(folder / f"{name}.pem")
    token = sha256(f"token of {name}".encode())
    return KeyRequest(name=name, key_role=role, public=public, token_digest=token).model_copy(update=changes)


def shown(attack: Attack, asked: KeyRequest, by: str = "approver-1") -> bytes:
    return propose_enrolment(attack.desk.context, by, asked).enrolment.canonical()


def signed(attack: Attack, document: bytes, by: str = "approver-1", key: Path | None = None) -> dict[str, Any]:
    return sign(document, ENROLMENT, key or attack.key(by))


def refused(attack: Attack, kind: str, envelope: dict[str, Any], by: str) -> str:
    """Refused, audited under who tried, nobody enrolled."""
    error = attack.refused(kind, lambda: enrol(attack.desk.context, by, envelope))
    assert attack.audited("key.enrol.refused", by)
    return error.what


def mine(attack: Attack, name: str) -> str:
    return next(v.key.public for v in list_keys(attack.desk.context) if v.key.principal == name)


@pytest.mark.parametrize("role", ["approver", "evaluator", "steward"])
def test_the_same_raw_key_for_a_second_name_or_role(attack: Attack, tmp_path: Path, role: KeyRole) -> None:
    asked = request(tmp_path, f"twin-{role}", role, public=mine(attack, "approver-1"))
    error = attack.refused("already-exists", lambda: shown(attack, asked, "approver-2"))
    assert "one key has one owner" in error.what
    assert attack.audited("key.propose.refused", asked.name)


def test_the_same_token_for_a_second_name(attack: Attack, tmp_path: Path) -> None:
    token = sha256(attack.house.token("approver-1").encode())
    asked = request(tmp_path, "same-token", token_digest=token)
    attack.refused("already-exists", lambda: shown(attack, asked, "approver-2"))


@pytest.mark.parametrize("name", ["catalog", "bootstrap"])
def test_the_name_under_which_the_catalog_itself_acts(attack: Attack, tmp_path: Path, name: str) -> None:
    """Else the log would say that the catalog did what a newcomer did."""
    error = attack.refused("already-exists", lambda: shown(attack, request(tmp_path, name, "steward")))
    assert "the catalog itself" in error.what
    assert attack.audited("key.propose.refused", name)


def test_one_approver_lets_a_second_identity_of_their_own_in(attack: Attack, tmp_path: Path) -> None:
    """With their own signature twice, and with the newcomer's own beside it."""
    asked = request(tmp_path, "approver-1b")
    document = shown(attack, asked)
    first = signed(attack, document)
    enrol(attack.desk.context, "approver-1", first)
    refused(attack, "already-exists", first, "approver-1")
    refused(attack, "already-exists", signed(attack, document), "approver-1")
    own = tmp_path / "approver-1b.pem"
    refused(attack, "signer-not-enrolled", signed(attack, document, key=own), "approver-1b")
    refused(attack, "signer-not-enrolled", cosign(first, ENROLMENT, own), "approver-1")
    assert "approver-1b" not in {v.key.principal for v in list_keys(attack.desk.context)}


def test_somebody_elses_signature(attack: Attack, tmp_path: Path) -> None:
    document = shown(attack, request(tmp_path, "borrowed"))
    envelope = signed(attack, document, "approver-2")
    assert "approver-1 brought" in refused(attack, "separation-of-duties", envelope, "approver-1")
    both = cosign(envelope, ENROLMENT, attack.key("approver-1"))
    refused(attack, "separation-of-duties", both, "approver-1")


@pytest.mark.parametrize("signer", ["steward", "evaluator", "release", "report"])
def test_a_key_that_may_enrol_nobody(attack: Attack, tmp_path: Path, signer: str) -> None:
    document = shown(attack, request(tmp_path, f"by-{signer}", "evaluator"))
    refused(attack, "signer-not-enrolled", signed(attack, document, signer), signer)


def test_a_root_key_and_an_approver_are_not_two_of_either(attack: Attack, tmp_path: Path) -> None:
    """One person often holds both; two approvers or two root keys are two people by the rules of each."""
    document = shown(attack, request(tmp_path, "mixed"))
    for by in ("approver-1", "root-1"):
        with attack.unchanged():
            assert enrol(attack.desk.context, by, signed(attack, document, by)).done_at is None


@pytest.mark.parametrize("role", ["evaluator", "steward"])
def test_one_approver_lets_in_nobody_whose_word_they_would_approve(attack: Attack, tmp_path: Path, role: str) -> None:
    """With a key of an evaluator or a steward in their own hands, evidence or data would be their own."""
    document = shown(attack, request(tmp_path, f"own-{role}", role))
    envelope = signed(attack, document)
    with attack.unchanged():
        assert enrol(attack.desk.context, "approver-1", envelope).done_at is None
    refused(attack, "already-exists", envelope, "approver-1")
    assert all(key.principal != f"own-{role}" for key in attack.desk.context.keys())  # noqa: SIM118 - no dict


def test_a_signed_enrolment_brought_again(attack: Attack, tmp_path: Path) -> None:
    document = shown(attack, request(tmp_path, "once", "evaluator"))
    envelope = signed(attack, document)
    enrol(attack.desk.context, "approver-1", envelope)
    refused(attack, "already-exists", envelope, "approver-1")


def test_an_enrolment_of_another_catalog(attack: Attack, tmp_path: Path) -> None:
    """Well signed, and proposed nowhere here: another id, another audit head."""
    asked = request(tmp_path, "foreign", "evaluator")
    document = propose_enrolment(attack.desk.context, "approver-1", asked).enrolment.document()
    for change in ({"id": "0" * 36}, {"audit_head": {"size": 1, "root": sha256(b"theirs")}}, {"epoch": 10**6}):
        envelope = signed(attack, canonical(document | change))
        refused(attack, "decision-mismatch", envelope, "approver-1")


@pytest.mark.parametrize(
    "change",
    [{"roles": ["approver"]}, {"key_role": "approver"}, {"name": "viewer"}, {"signatures": 1}],
    ids=lambda c: next(iter(c)),
)
def test_a_document_changed_after_it_was_shown(attack: Attack, tmp_path: Path, change: dict[str, Any]) -> None:
    asked = request(tmp_path, f"shown-{next(iter(change)).replace('_', '-')}", "evaluator")
    document = propose_enrolment(attack.desk.context, "approver-1", asked).enrolment
    bent = canonical(document.document() | change)
    refused(attack, "decision-mismatch", signed(attack, bent), "approver-1")
    envelope = signed(attack, document.canonical())
    refused(attack, "signature-invalid", envelope | {"payload": base64.b64encode(bent).decode()}, "approver-1")


def test_a_signature_made_for_something_else(attack: Attack, tmp_path: Path) -> None:
    document = shown(attack, request(tmp_path, "typed", "evaluator"))
    other = sign(document, DECISION, attack.key("approver-1"))
    refused(attack, "envelope-invalid", other, "approver-1")
    refused(attack, "signature-invalid", other | {"payloadType": ENROLMENT}, "approver-1")
