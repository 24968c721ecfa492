"""A key that is lost signs nothing more; what a compromised key signed never counted, and what rests on it is denied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import ENROLMENT, REVOCATION, sign
from catalog.db import records, tables
from catalog.domain.device import Device
from catalog.domain.enrolment import Revocation, Revoked, RevokeKey
from catalog.domain.principal import ACTIONS, Key
from catalog.services import release_records
from catalog.services.enrol import enrol, list_keys, propose_enrolment
from catalog.services.revoke_key import revoke_key
from catalog.services.worker import poll
from tests.attack.attacker import CLASS, Attack, verdict
from tests.catalog.services.test_enrol import ARM, let_in, newcomer
from tests.support.house import Desk, House
from tests.support.postgresql import Fresh, on_both_databases
from tests.support.recordings import recording


@pytest.fixture
def attack(tmp_path: Path, fresh_database: Fresh) -> Iterator[Attack]:
    """A catalog with one release, first, on the data of `arm`."""
    house = House.begin(tmp_path, **fresh_database())
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        found = Attack(house, desk)
        found.eligible("first", tmp_path / "m1", 1)
        desk.release("first")
        yield found


def key_of(desk: Desk, name: str) -> Key:
    return next(v.key for v in list_keys(desk.context) if v.key.principal == name)


def revoke(desk: Desk, name: str, by: str = "steward", *, compromised: bool = True, signed: bool = True) -> Revoked:
    key = key_of(desk, name)
    revocation = Revocation(keyid=key.keyid, principal=name, compromised=compromised, reason="left in a train", by=by)
    envelope = sign(revocation.canonical(), REVOCATION, desk.key(by)) if signed else None
    return revoke_key(desk.context, by, RevokeKey(revocation=revocation, envelope=envelope))


def released(desk: Desk) -> str | None:
    """What the class is told to run."""
    current = desk.context.releases.said()[0].get(CLASS)
    return current.release if current is not None else None


@pytest.mark.parametrize(
    ("name", "by"), [("evaluator", "steward"), ("approver-2", "steward"), ("steward", "approver-1")]
)
def test_what_rests_on_a_compromised_key_is_denied_and_published_at_once(attack: Attack, name: str, by: str) -> None:
    desk = attack.desk
    live = released(desk)
    assert live is not None
    _, epoch = desk.context.records.head()
    done = revoke(desk, name, by)
    assert done.denied == (live,)
    assert released(desk) is None
    denied = desk.context.releases.said()[1]
    assert denied is not None
    assert [d.release for d in denied.releases] == [live]
    with desk.context.records.read() as c:
        choice = release_records.choice(c, CLASS)
    assert choice is not None
    assert choice.release is None
    entries = {e.action: e for e in desk.audit()}
    assert entries["release.deny"].at == entries["key.revoke"].at, "one transaction"
    assert desk.context.records.head()[1] > epoch


@pytest.mark.parametrize("name", ["evaluator", "approver-2", "steward"])
def test_what_a_lost_key_signed_stands(attack: Attack, name: str, tmp_path: Path) -> None:
    desk = attack.desk
    live = released(desk)
    by = "approver-1" if name == "steward" else "steward"
    assert revoke(desk, name, by, compromised=False).denied == ()
    assert released(desk) == live
    assert attack.gate("first").verdict == "eligible"
    assert desk.approved("arm").tag == "v1.0.0"
    if name == "approver-2":
        attack.eligible("second", tmp_path / "m2", 2)
    acts: dict[str, Callable[[], Any]] = {
        "evaluator": lambda: attack.eligible("second", tmp_path / "m2", 2),
        "steward": lambda: desk.bring("more", "one", recording(tmp_path / "more", seed=3)),
        "approver-2": lambda: desk.sign_release("second", name),
    }
    assert desk.fails(acts[name]).kind == "signer-not-enrolled"


@on_both_databases
def test_a_lost_key_found_in_other_hands_is_revoked_again(attack: Attack) -> None:
    desk = attack.desk
    assert revoke(desk, "evaluator", compromised=False).denied == ()
    assert desk.fails(lambda: revoke(desk, "evaluator", compromised=False)).kind == "already-exists"
    assert len(revoke(desk, "evaluator").denied) == 1
    assert desk.fails(lambda: revoke(desk, "evaluator")).kind == "already-exists"


def test_evidence_of_a_compromised_key_never_counted(attack: Attack) -> None:
    revoke(attack.desk, "evaluator")
    said, message = verdict(attack.gate("first"), "evidence-enrolled")
    assert said == "fail", message


def test_data_that_a_compromised_key_approved_is_not_served(attack: Attack) -> None:
    desk = attack.desk
    done = revoke(desk, "steward", "approver-1")
    error = desk.fails(lambda: desk.approved("arm"))
    assert error.kind == "no-approved-version"
    assert "was revoked" in error.where
    assert verdict(attack.gate("first"), "inputs-approved")[0] == "fail"
    assert any("approved data" in said for said in done.lacking)


def test_with_one_approver_left_nothing_goes_live(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    done = revoke(desk, "approver-2", compromised=False)
    assert any("1 of 2 approvers are left" in said for said in done.lacking)
    assert any("assay key rotate" in said for said in done.lacking)
    attack.eligible("second", tmp_path / "m2", 2)
    desk.sign_release("second", "approver-1")
    assert desk.fails(lambda: desk.promote("second")).kind == "approvals-missing"
    request = newcomer(tmp_path, "approver-3", "approver")
    assert let_in(desk, request, "approver-1").done_at is None, "one approver enrols none"
    assert let_in(desk, request, "root-1").done_at is None
    assert let_in(desk, request, "root-2").done_at is not None, "two root keys do"


def test_who_lost_their_key_comes_back_with_a_new_one_by_two(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    request = newcomer(tmp_path, "evaluator", "evaluator")
    error = desk.fails(lambda: let_in(desk, request, "approver-1"))
    assert error.kind == "already-exists"
    assert "revoke it first" in error.do
    revoke(desk, "evaluator", compromised=False)
    assert let_in(desk, request, "approver-1").done_at is None, "who is known is not replaced by one person"
    done = let_in(desk, request, "approver-2")
    assert done.enrolment.known_before
    keys = [v.key for v in list_keys(desk.context) if v.key.principal == "evaluator"]
    assert sorted(k.revoked_at is None for k in keys) == [False, True]


def test_an_endorsement_of_a_revoked_key_is_not_counted(attack: Attack, tmp_path: Path) -> None:
    """Signed while the key was good, completed after it was lost: one signature is there, not two."""
    desk = attack.desk
    let_in(desk, newcomer(tmp_path, "approver-3", "approver"), "approver-1", "approver-2")
    request = newcomer(tmp_path, "approver-4", "approver")
    let_in(desk, request, "approver-1")
    revoke(desk, "approver-1", compromised=False)
    assert let_in(desk, request, "approver-2").done_at is None
    shown = propose_enrolment(desk.context, "approver-2", request).enrolment
    envelope = sign(shown.canonical(), ENROLMENT, tmp_path / "approver-3.pem")
    assert enrol(desk.context, "approver-3", envelope).done_at is not None


def test_what_cannot_be_published_now_is_published_by_the_next_poll(attack: Attack) -> None:
    desk = attack.desk
    live = released(desk)
    aside = desk.context.release_key.rename(desk.context.release_key.with_suffix(".aside"))
    done = revoke(desk, "evaluator")
    assert done.denied == (live,), "denied in the records, which is what allows"
    assert any("not published yet" in said for said in done.lacking)
    assert released(desk) == live
    aside.rename(desk.context.release_key)
    poll(desk.context, desk.service.operations)
    assert released(desk) is None


def test_the_token_of_a_compromised_key_opens_nothing(attack: Attack) -> None:
    desk = attack.desk
    token = tables.principal.c.token_digest

    def digest() -> str:
        with desk.context.records.read() as c:
            return str(
                c.execute(token.table.select().where(tables.principal.c.name == "approver-2")).one().token_digest
            )

    before = digest()
    revoke(desk, "approver-2", compromised=False)
    assert digest() == before
    revoke(desk, "approver-2")
    assert digest() != before


def test_a_device_whose_key_is_revoked_is_retired(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    let_in(desk, newcomer(tmp_path, "arm-7", "device", ARM), "approver-1")
    own = tables.principal.select().where(tables.principal.c.name == "arm-7")
    with desk.context.records.read() as c:
        token = c.execute(own).one().token_digest
    revoke(desk, "arm-7", compromised=False)
    with desk.context.records.read() as c:
        device = records.one(c, tables.device, Device, name="arm-7")
        assert c.execute(own).one().token_digest != token, "with its token it would fetch lease after lease"
    assert device is not None
    assert device.retired_at is not None


def test_who_may_revoke_and_with_whose_signature(attack: Attack) -> None:
    desk = attack.desk
    evaluator = key_of(desk, "evaluator")
    said = Revocation(keyid=evaluator.keyid, principal="evaluator", compromised=True, reason="r", by="steward")
    envelope = sign(said.canonical(), REVOCATION, desk.key("steward"))
    for by, request, kind in (
        ("approver-1", RevokeKey(revocation=said, envelope=envelope), "separation-of-duties"),
        ("steward", RevokeKey(revocation=said), "signature-invalid"),
        (
            "steward",
            RevokeKey(revocation=said, envelope=sign(said.canonical(), REVOCATION, desk.key("approver-1"))),
            "signer-not-enrolled",
        ),
        (
            "steward",
            RevokeKey(revocation=said.model_copy(update={"reason": "other"}), envelope=envelope),
            "decision-mismatch",
        ),
        (
            "steward",
            RevokeKey(revocation=said, envelope=sign(said.canonical(), ENROLMENT, desk.key("steward"))),
            "envelope-invalid",
        ),
    ):
        error = attack.refused(kind, lambda by=by, request=request: revoke_key(desk.context, by, request))
        assert attack.audited("key.revoke.refused", evaluator.keyid), error
    assert revoke(desk, "approver-1", "approver-1", compromised=False, signed=False).denied == (), "one's own, lost"


def test_an_evaluator_revokes_their_own_key_and_nobody_elses(attack: Attack) -> None:
    desk = attack.desk
    assert ACTIONS["key.revoke"] >= {"evaluator", "keeper"}
    assert desk.fails(lambda: revoke(desk, "steward", by="evaluator")).kind == "signer-not-enrolled"
    assert desk.fails(lambda: revoke(desk, "steward", by="evaluator", signed=False)).kind == "signature-invalid"
    revoke(desk, "evaluator", by="evaluator", compromised=False, signed=False)
    assert key_of(desk, "evaluator").revoked_at is not None
