"""An envelope counts only whole: right type, untouched bytes, enrolled keys in force, distinct people and keys."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from catalog.attest import keys
from catalog.attest.envelope import DECISION, EVIDENCE, Verified, cosign, sign, verify
from catalog.domain.principal import Key
from catalog.errors import AssayError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAYLOAD = b'{"schema":"decision@1"}'


class Desk:
    """People with keys below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: dict[str, Key] = {}

    def hire(self, name: str, role: str = "approver", **changes: Any) -> Key:
        public = keys.generate(self.folder / name)
        fields = {
            "keyid": keys.keyid(public),
            "public": public,
            "role": role,
            "principal": name,
            "enrolled_by": "bootstrap",
            "enrolled_at": NOW - timedelta(days=1),
            "expires_at": NOW + timedelta(days=1),
        }
        self.keys[name] = Key(**{**fields, **changes})
        return self.keys[name]

    def sign(self, *names: str, payload: bytes = PAYLOAD, payload_type: str = DECISION) -> dict[str, Any]:
        envelope = sign(payload, payload_type, self.folder / names[0])
        for name in names[1:]:
            envelope = cosign(envelope, payload_type, self.folder / name)
        return envelope


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.hire("ada")
    desk.hire("bob")
    return desk


def check(desk: Desk, envelope: Any, threshold: int = 1, **changes: Any) -> Verified:
    arguments = {"role": "approver", "at": NOW, **changes}
    enrolled = arguments.pop("keys", list(desk.keys.values()))
    return verify(envelope, arguments.pop("payload_type", DECISION), enrolled, threshold=threshold, **arguments)


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(AssayError) as error:
        call()
    return error.value.kind, str(error.value)


def test_two_people_sign_one_decision(desk: Desk) -> None:
    envelope = desk.sign("ada", "bob")
    verified = check(desk, envelope, threshold=2)
    assert verified.payload == PAYLOAD
    assert [key.principal for key in verified.keys] == ["ada", "bob"]
    assert check(desk, json.dumps(envelope), threshold=2) == verified
    assert check(desk, json.dumps(envelope).encode(), threshold=2) == verified


def test_the_envelope_is_plain_dsse(desk: Desk) -> None:
    envelope = desk.sign("ada")
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert base64.b64decode(envelope["payload"]) == PAYLOAD
    theirs = Envelope.from_dict(copy.deepcopy(envelope))
    assert theirs.pae() == b"DSSEv1 35 application/vnd.assay.decision+json 23 " + PAYLOAD
    assert envelope["signatures"][0]["keyid"] == desk.keys["ada"].keyid


@given(payload=st.binary(min_size=1, max_size=200), at=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_is_noticed(desk: Desk, payload: bytes, at: int, bit: int) -> None:
    envelope = desk.sign("ada", payload=payload)
    assert check(desk, envelope).payload == payload
    changed = bytearray(payload)
    changed[at % len(payload)] ^= 1 << bit
    forged = {**envelope, "payload": base64.b64encode(bytes(changed)).decode()}
    assert refused(lambda: check(desk, forged))[0] == "signature-invalid"
    signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    signature[at % 64] ^= 1 << bit
    forged = {**envelope, "signatures": [{**envelope["signatures"][0], "sig": base64.b64encode(signature).decode()}]}
    assert refused(lambda: check(desk, forged))[0] == "signature-invalid"


def test_another_type_is_another_document(desk: Desk) -> None:
    envelope = desk.sign("ada")
    assert refused(lambda: check(desk, envelope, payload_type=EVIDENCE))[0] == "envelope-invalid"
    renamed = {**envelope, "payloadType": EVIDENCE}
    assert refused(lambda: check(desk, renamed, payload_type=EVIDENCE))[0] == "signature-invalid"
    assert refused(lambda: cosign(envelope, EVIDENCE, desk.folder / "bob"))[0] == "envelope-invalid"


KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expires_at": NOW}, "expired at 2026-03-01"),
    "revoked": ({"revoked_at": NOW}, "was revoked at 2026-03-01"),
    "not yet enrolled": ({"enrolled_at": NOW + timedelta(seconds=1)}, "is enrolled from"),
    "of another role": ({"role": "evaluator"}, "enrolled for role evaluator, not approver"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_does_not_count_refuses_the_whole_envelope_and_is_named(desk: Desk, name: str) -> None:
    changes, why = KEYS[name]
    desk.hire("carl", **changes)
    kind, text = refused(lambda: check(desk, desk.sign("ada", "carl")))
    assert kind == "signer-not-enrolled"
    assert "carl" in text
    assert why in text


def test_a_key_revoked_later_counts_as_of_then(desk: Desk) -> None:
    desk.hire("carl", revoked_at=NOW + timedelta(hours=1))
    envelope = desk.sign("carl")
    assert check(desk, envelope).payload == PAYLOAD
    assert refused(lambda: check(desk, envelope, at=NOW + timedelta(hours=1)))[0] == "signer-not-enrolled"


def test_an_unknown_key_is_refused_and_named(desk: Desk) -> None:
    envelope = desk.sign("ada", "bob")
    kind, text = refused(lambda: check(desk, envelope, keys=[desk.keys["ada"]]))
    assert kind == "signer-not-enrolled"
    assert desk.keys["bob"].keyid[:16] in text


def test_one_person_with_two_keys_is_one(desk: Desk) -> None:
    desk.hire("ada-2", principal="ada")
    envelope = desk.sign("ada", "ada-2")
    assert len(check(desk, envelope).keys) == 2
    assert refused(lambda: check(desk, envelope, threshold=2))[0] == "separation-of-duties"


def test_one_key_under_two_ids_is_one(desk: Desk) -> None:
    ada = desk.keys["ada"]
    envelope = desk.sign("ada")
    other = ada.model_copy(update={"keyid": "f" * 64, "principal": "eve"})
    twice = {**envelope, "signatures": [*envelope["signatures"], {**envelope["signatures"][0], "keyid": "f" * 64}]}
    assert refused(lambda: check(desk, twice, threshold=2, keys=[ada, other]))[0] == "signer-not-enrolled"
    same = {**envelope, "signatures": envelope["signatures"] * 2}
    assert refused(lambda: check(desk, same, threshold=2))[0] == "envelope-invalid"
    again = ada.model_copy(update={"principal": "eve"})
    assert refused(lambda: check(desk, envelope, keys=[ada, again]))[0] == "signer-not-enrolled"


def test_too_few_people_are_refused_and_a_threshold_of_nobody_is_a_defect(desk: Desk) -> None:
    kind, text = refused(lambda: check(desk, desk.sign("ada"), threshold=2))
    assert kind == "separation-of-duties"
    assert "signed: ada" in text
    with pytest.raises(ValueError, match="allows everybody"):
        check(desk, desk.sign("ada"), threshold=0)


def test_nobody_signs_what_they_cannot_read(desk: Desk) -> None:
    (desk.folder / "ada").chmod(0o644)
    assert refused(lambda: desk.sign("ada"))[0] == "settings-invalid"
    assert refused(lambda: sign(PAYLOAD, DECISION, desk.folder / "bob", desk.folder))[0] == "settings-invalid"


def _with(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda envelope: {**envelope, **changes}


def _signature(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda envelope: {**envelope, "signatures": [{**envelope["signatures"][0], **changes}]}


NO_ENVELOPE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda _: None,
    "a list": lambda e: [e],
    "text that is no JSON": lambda _: "{",
    "a duplicate key": lambda e: json.dumps(e)[:-1] + ', "payload": "e30="}',
    "NaN": lambda e: json.dumps(e)[:-1] + ', "x": NaN}',
    "nested for ever": lambda _: "[" * 100_000,
    "another field": _with(more=1),
    "no payload": _with(payload=""),
    "a payload that is no base64": _with(payload="e30"),
    "a payload of another alphabet": _with(payload="_-_-"),
    "a payload with spaces": _with(payload="e3 0="),
    "a payload that is no text": _with(payload=b"{}"),
    "no signatures": _with(signatures=[]),
    "no list of signatures": _with(signatures={}),
    "too many signatures": lambda e: {
        **e,
        "signatures": [{**e["signatures"][0], "keyid": f"{i:064x}"} for i in range(17)],
    },
    "a signature without key": lambda e: {**e, "signatures": [{"sig": e["signatures"][0]["sig"]}]},
    "a signature with more": _signature(cert="x"),
    "a short signature": _signature(sig="AAAA"),
    "a signature that is no base64": _signature(sig="!" * 88),
    "an empty key id": _signature(keyid=""),
}


@pytest.mark.parametrize("name", NO_ENVELOPE)
def test_is_no_envelope(desk: Desk, name: str) -> None:
    changed = NO_ENVELOPE[name](desk.sign("ada"))
    assert refused(lambda: check(desk, changed))[0] == "envelope-invalid"


@given(st.text(max_size=60) | st.binary(max_size=60))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_refused_with_a_kind(desk: Desk, text: str | bytes) -> None:
    assert refused(lambda: check(desk, text))[0] == "envelope-invalid"
