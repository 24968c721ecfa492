"""T2, releases: one person who would be two approvers, and a signature that means another release. Nothing is allowed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import DECISION, cosign, sign
from catalog.attest.keys import generate, keyid
from catalog.attest.roles import sign_role
from catalog.db import tables
from catalog.domain.approved import Wanted
from catalog.domain.base import canonical
from catalog.domain.principal import Key
from catalog.domain.release import Proposal, RoleSignature
from catalog.domain.run import RunEnd
from catalog.errors import AssayError
from catalog.services import plan, train
from catalog.services.approve_release import approve_release
from catalog.services.propose_release import propose_release
from tests.attack.attacker import CLASS, Attack, edit_bootstrap, statement
from tests.support.house import House, model_folder
from tests.support.recordings import recording


@pytest.fixture(scope="module")
def signed(attack: Attack, tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    """A release that approver-1 has signed; no second signature ever comes here."""
    attack.eligible("once", tmp_path_factory.mktemp("once") / "m", 31)
    return attack.desk.sign_release("once", "approver-1")


def bring(attack: Attack, proposal: Proposal, by: str, key: Path, **changes: Any) -> Proposal:
    """Both signatures of one act, or what an attacker puts in their place."""
    made = {
        "release": proposal.release.manifest.id,
        "envelope": sign(proposal.decision.canonical(), DECISION, key),
        "role": sign_role(proposal.release.role.encode(), key),
        **changes,
    }
    return approve_release(attack.desk.context, by, made["release"], made["envelope"], made["role"])


def refused(attack: Attack, kind: str, proposal: Proposal, by: str, key: Path, **changes: Any) -> AssayError:
    """The act is refused, audited, and the release is signed by nobody more."""
    identity = changes.get("release", proposal.release.manifest.id)
    before = attack.desk.view(identity).signatures
    error = attack.refused(kind, lambda: bring(attack, proposal, by, key, **changes))
    assert attack.desk.view(identity).signatures == before
    assert attack.audited("release.approve.refused", identity)
    assert attack.desk.view(identity).state == "proposed"
    return error


def test_one_person_signs_twice(attack: Attack, signed: Proposal) -> None:
    assert refused(attack, "already-exists", signed, "approver-1", attack.key("approver-1")).do
    assert attack.desk.fails(lambda: attack.desk.promote("once")).kind == "approvals-missing"


def test_one_persons_key_under_another_name(attack: Attack, signed: Proposal) -> None:
    """approver-2's token with approver-1's key: who brings a signature is who made it."""
    refused(attack, "separation-of-duties", signed, "approver-2", attack.key("approver-1"))


def test_both_signatures_in_one_envelope(attack: Attack, signed: Proposal) -> None:
    envelope = sign(signed.decision.canonical(), DECISION, attack.key("approver-1"))
    both = cosign(envelope, DECISION, attack.key("approver-2"))
    refused(attack, "separation-of-duties", signed, "approver-2", attack.key("approver-2"), envelope=both)


def test_the_decision_by_one_key_and_the_role_by_another(attack: Attack, signed: Proposal) -> None:
    role = sign_role(signed.release.role.encode(), attack.key("approver-1"))
    refused(attack, "separation-of-duties", signed, "approver-2", attack.key("approver-2"), role=role)


def test_one_key_under_a_second_id(attack: Attack, signed: Proposal) -> None:
    """approver-1's signature under approver-2's key id, and under an id of its own making."""
    mine = sign_role(signed.release.role.encode(), attack.key("approver-1"))
    theirs = sign_role(signed.release.role.encode(), attack.key("approver-2"))
    bent = RoleSignature(keyid=theirs.keyid, sig=mine.sig)
    refused(attack, "signature-invalid", signed, "approver-2", attack.key("approver-2"), role=bent)
    envelope = sign(signed.decision.canonical(), DECISION, attack.key("approver-1"))
    (entry,) = envelope["signatures"]
    other = hashlib.sha256(b"another id").hexdigest()
    envelope["signatures"] = [entry | {"keyid": other}]
    refused(
        attack,
        "signer-not-enrolled",
        signed,
        "approver-1",
        attack.key("approver-1"),
        envelope=envelope,
        role=RoleSignature(keyid=other, sig=mine.sig),
    )


@pytest.mark.parametrize("name", ["steward", "evaluator", "root-1", "release"])
def test_a_key_of_another_role(attack: Attack, signed: Proposal, name: str) -> None:
    refused(attack, "signer-not-enrolled", signed, name, attack.key(name))


def test_a_key_enrolled_nowhere(attack: Attack, signed: Proposal) -> None:
    refused(attack, "signer-not-enrolled", signed, "approver-2", attack.stray_key("approver-2"))


def test_an_approval_replayed_on_another_release(attack: Attack, signed: Proposal, tmp_path: Path) -> None:
    """approver-2 approves one model; the very same signatures are brought for the other."""
    attack.eligible("other", tmp_path / "m", 32)
    other = propose_release(attack.desk.context, "approver-2", "other", CLASS)
    key = attack.key("approver-2")
    made = sign(other.decision.canonical(), DECISION, key)
    refused(attack, "decision-mismatch", signed, "approver-2", key, envelope=made)
    role = sign_role(other.release.role.encode(), key)
    refused(attack, "signature-invalid", signed, "approver-2", key, role=role)
    refused(attack, "decision-mismatch", other, "approver-2", key, release=signed.release.manifest.id)


@pytest.mark.parametrize("change", [{"verdict": "eligible"}, {"epoch": 0}, {"subject_name": "reach"}], ids=str)
def test_a_bent_decision(attack: Attack, signed: Proposal, change: dict[str, Any]) -> None:
    document = signed.decision.document() | change
    if document == signed.decision.document():
        document["rules"] = document["rules"][:1]
    key = attack.key("approver-2")
    refused(attack, "decision-mismatch", signed, "approver-2", key, envelope=sign(canonical(document), DECISION, key))
    envelope = sign(signed.decision.canonical(), DECISION, key)
    envelope["payload"] = base64.b64encode(canonical(document)).decode()
    refused(attack, "signature-invalid", signed, "approver-2", key, envelope=envelope)


# a home of its own: its principals are part of the attack


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Attack]:
    """approver-1 trains and evaluates, too."""
    house = House.begin(tmp_path)

    def change(newcomers: list[dict[str, Any]]) -> None:
        approver = next(n for n in newcomers if n["name"] == "approver-1")
        approver["roles"] = ["approver", "trainer", "contributor", "evaluator"]

    edit_bootstrap(house, change)
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        yield Attack(house, desk)


def test_the_author_approves_nothing_of_their_own(many: Attack, tmp_path: Path) -> None:
    context, author = many.desk.context, "approver-1"
    run = many.desk.start_run("own-run", by=author)
    train.give_version(context, author, run.id, Wanted(dataset="arm"))
    train.end_run(context, author, run.id, RunEnd(status="finished", observed=True))
    many.desk.register_model("own", model_folder(tmp_path / "m", 33), run.id, author)
    plan.enrol_line(context, "approver-2", "reach", CLASS)
    many.bring(statement(many, many.plan("own")))
    assert many.gate("own").verdict == "eligible"
    proposal = propose_release(context, author, "own", CLASS)
    error = refused(many, "separation-of-duties", proposal, author, many.key(author))
    assert f"author of run {run.id}" in error.what


def test_who_signed_the_evidence_approves_nothing_on_it(many: Attack, tmp_path: Path) -> None:
    context = many.desk.context
    path = tmp_path / "second.pem"
    public = generate(path)
    with context.records.write("bootstrap") as write:
        key = Key(
            keyid=keyid(public),
            public=public,
            role="evaluator",
            principal="approver-1",
            enrolled_by="bootstrap",
            enrolled_at=write.now,
            expires_at=write.now + timedelta(days=9),
        )
        write.insert(tables.key, key, keyid=key.keyid, public=public, principal=key.principal, role=key.role)
        write.audit("key.enrol", key.keyid)
    many.eligible("warm-up", tmp_path / "w", 34)
    many.model("judged", tmp_path / "m", many.run("judged-run", "arm"), 35)
    made = statement(many, many.plan("judged", by="approver-1"), evaluator="approver-1")
    many.bring(made, by="approver-1", key=path)
    assert many.gate("judged").verdict == "eligible"
    proposal = propose_release(context, "approver-1", "judged", CLASS)
    error = refused(many, "separation-of-duties", proposal, "approver-1", many.key("approver-1"))
    assert "signed its evidence" in error.what
