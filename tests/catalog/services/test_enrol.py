"""A newcomer is let in by who may, once, and with a key that nobody else holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import ENROLMENT, POLICY, cosign, sign
from catalog.attest.keys import generate, keyid
from catalog.db import records, tables
from catalog.domain.base import sha256
from catalog.domain.clock import wall_clock
from catalog.domain.device import Device
from catalog.domain.enrolment import DeviceFacts, EnrolmentView, KeyRequest
from catalog.domain.principal import KeyRole, Principal
from catalog.services.enrol import enrol, list_keys, propose_enrolment
from tests.support.house import Desk, House
from tests.support.postgresql import on_both_databases

ARM = DeviceFacts(device_class="demo-arm", environment="demo", hardware="any", site="lab")


def newcomer(folder: Path, name: str, role: KeyRole, device: DeviceFacts | None = None) -> KeyRequest:
    """What somebody new asks for, with a key and token of their own."""
    public = generate(folder / f"{name}.pem")
    token = sha256(f"token of {name}".encode())
    return KeyRequest(name=name, key_role=role, public=public, token_digest=token, device=device)


def key(desk: Desk, name: str) -> Path:
    return desk.service.settings.keys_folder / f"{name}.pem"


def let_in(desk: Desk, request: KeyRequest, *signers: str) -> EnrolmentView:
    """Everybody proposes the same and signs what they are answered."""
    view = None
    for by in signers:
        shown = propose_enrolment(desk.context, by, request)
        view = enrol(desk.context, by, sign(shown.enrolment.canonical(), ENROLMENT, key(desk, by)))
    assert view is not None
    return view


def known(desk: Desk, name: str) -> Principal | None:
    with desk.context.records.read() as c:
        return records.one(c, tables.principal, Principal, name=name)


@on_both_databases
def test_a_device_is_enrolled_by_one_approver(shared_desk: Desk, tmp_path: Path) -> None:
    desk = shared_desk
    _, before = desk.context.records.head()
    request = newcomer(tmp_path, "arm-7", "device", ARM)
    done = let_in(desk, request, "approver-1")
    assert done.done_at is not None
    assert done.signed_by == ("approver-1",)
    principal = known(desk, "arm-7")
    assert principal is not None
    assert principal.roles == ("device",)
    with desk.context.records.read() as c:
        device = records.one(c, tables.device, Device, name="arm-7")
    assert device is not None
    assert (device.device_class, device.site, device.keyid) == ("demo-arm", "lab", keyid(request.public))
    assert {"key.propose", "key.endorse", "principal.enrol", "key.enrol", "device.enrol"} <= {
        e.action for e in desk.audit()
    }
    assert desk.context.records.head()[1] == before + 1
    assert desk.fails(lambda: let_in(desk, request, "approver-2")).kind == "already-exists"


@pytest.mark.parametrize("role", ["approver", "root", "release", "report", "evaluator", "steward"])
def test_what_lets_something_live_or_vouches_for_it_takes_two_approvers(
    shared_desk: Desk, tmp_path: Path, role: KeyRole
) -> None:
    request = newcomer(tmp_path, f"{role}-9", role)
    first = let_in(shared_desk, request, "approver-1")
    assert first.done_at is None
    assert known(shared_desk, request.name) is None
    again = shared_desk.fails(lambda: let_in(shared_desk, request, "approver-1"))
    assert again.kind == "already-exists"
    done = let_in(shared_desk, request, "approver-2")
    assert done.done_at is not None
    assert done.signed_by == ("approver-1", "approver-2")
    (made,) = [v for v in list_keys(shared_desk.context) if v.key.principal == request.name]
    assert made.key.enrolled_by == "approver-1, approver-2"
    assert made.why_not == ""


@on_both_databases
def test_or_two_root_keys_and_never_one_of_each(shared_desk: Desk, tmp_path: Path) -> None:
    request = newcomer(tmp_path, "approver-8", "approver")
    assert let_in(shared_desk, request, "approver-1", "root-1").done_at is None
    assert let_in(shared_desk, request, "root-3").done_at is not None


def test_a_root_key_lets_no_evaluator_in(shared_desk: Desk, tmp_path: Path) -> None:
    request = newcomer(tmp_path, "evaluator-8", "evaluator")
    assert shared_desk.fails(lambda: let_in(shared_desk, request, "root-1")).kind == "role-missing"
    assert known(shared_desk, request.name) is None


def test_who_has_no_key_for_it_signs_nothing(shared_desk: Desk, tmp_path: Path) -> None:
    request = newcomer(tmp_path, "approver-10", "approver")
    for by in ("steward", "evaluator", "release"):
        shown = propose_enrolment(shared_desk.context, by, request)
        envelope = sign(shown.enrolment.canonical(), ENROLMENT, key(shared_desk, by))
        error = shared_desk.fails(lambda by=by, envelope=envelope: enrol(shared_desk.context, by, envelope))
        assert error.kind == "signer-not-enrolled"
    assert known(shared_desk, request.name) is None


def test_one_person_brings_two_signatures(shared_desk: Desk, tmp_path: Path) -> None:
    request = newcomer(tmp_path, "approver-11", "approver")
    shown = propose_enrolment(shared_desk.context, "approver-1", request).enrolment.canonical()
    one = sign(shown, ENROLMENT, key(shared_desk, "approver-1"))
    both = cosign(one, ENROLMENT, key(shared_desk, "approver-2"))
    for envelope, by in ((both, "approver-1"), (one, "approver-2")):
        error = shared_desk.fails(lambda by=by, envelope=envelope: enrol(shared_desk.context, by, envelope))
        assert error.kind == "separation-of-duties"
    assert any(e.action == "key.enrol.refused" for e in shared_desk.audit())


def test_a_key_and_a_token_have_one_owner(shared_desk: Desk, tmp_path: Path) -> None:
    desk = shared_desk
    first = newcomer(tmp_path, "one-owner", "evaluator")
    let_in(desk, first, "approver-1", "approver-2")
    other = newcomer(tmp_path, "two-owners", "steward")
    mine = next(v.key.public for v in list_keys(desk.context) if v.key.principal == "approver-1")
    for taken in (
        other.model_copy(update={"public": first.public}),
        other.model_copy(update={"public": mine}),
        other.model_copy(update={"token_digest": first.token_digest}),
        other.model_copy(update={"name": "one-owner"}),
        other.model_copy(update={"name": "viewer"}),
        first.model_copy(update={"public": other.public, "token_digest": other.token_digest}),
    ):
        assert desk.fails(lambda taken=taken: let_in(desk, taken, "approver-1")).kind == "already-exists"


def test_two_requests_for_one_key_end_in_one_owner(shared_desk: Desk, tmp_path: Path) -> None:
    """Both are proposed before either is signed: the second signature finds the key taken."""
    first = newcomer(tmp_path, "rival-1", "device", ARM)
    second = first.model_copy(update={"name": "rival-2", "token_digest": sha256(b"rival")})
    shown = [propose_enrolment(shared_desk.context, "approver-1", r).enrolment.canonical() for r in (first, second)]
    envelopes = [sign(s, ENROLMENT, key(shared_desk, "approver-1")) for s in shown]
    enrol(shared_desk.context, "approver-1", envelopes[0])
    error = shared_desk.fails(lambda: enrol(shared_desk.context, "approver-1", envelopes[1]))
    assert error.kind == "already-exists"
    assert known(shared_desk, "rival-2") is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": "arm-99"},
        {"signatures": 1},
        {"roles": ["approver", "steward"]},
        {"id": "x"},
        {"open_until": "2999-01-01T00:00:00Z"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_bent_document_is_not_what_was_proposed(shared_desk: Desk, tmp_path: Path, change: dict[str, Any]) -> None:
    request = newcomer(tmp_path, f"bent-{next(iter(change)).replace('_', '-')}", "approver")
    shown = propose_enrolment(shared_desk.context, "approver-1", request).enrolment
    bent = type(shown).of(shown.document() | change)
    envelope = sign(bent.canonical(), ENROLMENT, key(shared_desk, "approver-1"))
    error = shared_desk.fails(lambda: enrol(shared_desk.context, "approver-1", envelope))
    assert error.kind == "decision-mismatch"


def test_another_payload_type(shared_desk: Desk, tmp_path: Path) -> None:
    shown = propose_enrolment(shared_desk.context, "approver-1", newcomer(tmp_path, "typed", "evaluator")).enrolment
    envelope = sign(shown.canonical(), POLICY, key(shared_desk, "approver-1"))
    assert shared_desk.fails(lambda: enrol(shared_desk.context, "approver-1", envelope)).kind == "envelope-invalid"


def test_a_device_of_another_environment_or_of_no_class(shared_desk: Desk, tmp_path: Path) -> None:
    for name, facts, kind in (
        ("arm-factory", ARM.model_copy(update={"environment": "factory"}), "environment-refused"),
        ("arm-typo", ARM.model_copy(update={"device_class": "demo-amr"}), "policy-missing"),
    ):
        request = newcomer(tmp_path, name, "device", facts)
        assert shared_desk.fails(lambda request=request: let_in(shared_desk, request, "approver-1")).kind == kind


class _Clock:
    ahead = timedelta(0)

    def __call__(self) -> datetime:
        return wall_clock() + self.ahead


def test_a_proposal_waits_three_days_and_no_longer(house: House, tmp_path: Path) -> None:
    clock = _Clock()
    with house.open(clock=clock) as desk:
        request = newcomer(tmp_path, "late", "approver")
        let_in(desk, request, "approver-1")
        shown = propose_enrolment(desk.context, "approver-2", request).enrolment
        envelope = sign(shown.canonical(), ENROLMENT, key(desk, "approver-2"))
        clock.ahead = timedelta(hours=73)
        assert desk.fails(lambda: enrol(desk.context, "approver-2", envelope)).kind == "decision-expired"
        assert let_in(desk, request, "approver-2").done_at is None, "a new proposal begins with nobody's signature"
        assert let_in(desk, request, "approver-1").done_at is not None
