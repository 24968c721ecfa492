"""T2: one person who would be two, and signatures that mean something else. No data is approved by any of them."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.attest.envelope import DECISION, EVIDENCE, cosign, sign
from catalog.attest.keys import generate
from catalog.db import tables
from catalog.domain.base import canonical, sha256, strict_json
from catalog.domain.clock import wall_clock
from catalog.domain.decision import Decision
from catalog.errors import AssayError
from tests.attack.attacker import Attack, edit_bootstrap
from tests.support.house import Crash, House, crash_at, ended
from tests.support.recordings import recording

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def judged(attack: Attack, tmp_path_factory: pytest.TempPathFactory) -> Decision:
    """A good candidate of a dataset of its own, judged eligible, never approved here."""
    folder = tmp_path_factory.mktemp("t2")
    attack.desk.register("signed", "one", recording(folder / "one", seed=11))
    attack.desk.check("signed", "one")
    decision = attack.desk.judge("signed", "one")
    assert decision.verdict == "eligible"
    return decision


def _sign(attack: Attack, decision: Decision | dict[str, Any], key: Path | None = None) -> dict[str, Any]:
    document = decision.document() if isinstance(decision, Decision) else decision
    return sign(canonical(document), DECISION, key or attack.key("steward"))


def _approve(attack: Attack, envelope: dict[str, Any], by: str = "steward") -> Any:
    return ended(attack.desk.wait(attack.desk.begin_approve(envelope, by)))


def test_a_signature_by_nobody(attack: Attack, judged: Decision) -> None:
    envelope = _sign(attack, judged) | {"signatures": []}
    attack.refused("envelope-invalid", lambda: _approve(attack, envelope))


def test_a_key_enrolled_nowhere(attack: Attack, judged: Decision) -> None:
    stray = attack.stray_key("steward")
    attack.refused("signer-not-enrolled", lambda: _approve(attack, _sign(attack, judged, stray)))


def test_a_key_enrolled_nowhere_beside_a_good_one(attack: Attack, judged: Decision) -> None:
    both = cosign(_sign(attack, judged), DECISION, attack.stray_key("steward"))
    attack.refused("signer-not-enrolled", lambda: _approve(attack, both))


@pytest.mark.parametrize("signer", ["evaluator", "approver-1"])
def test_a_key_of_another_role(attack: Attack, judged: Decision, signer: str) -> None:
    envelope = _sign(attack, judged, attack.key(signer))
    error = attack.refused("signer-not-enrolled", lambda: _approve(attack, envelope, signer))
    assert "not steward" in error.what


def test_the_signature_of_another_person(attack: Attack, judged: Decision) -> None:
    error = attack.refused("separation-of-duties", lambda: _approve(attack, _sign(attack, judged), "engineer"))
    assert "engineer brought a signature of steward" in error.what


def test_another_payload_under_a_good_signature(attack: Attack, judged: Decision) -> None:
    other = canonical(judged.document() | {"id": "0" * 36})
    envelope = _sign(attack, judged) | {"payload": base64.b64encode(other).decode()}
    attack.refused("signature-invalid", lambda: _approve(attack, envelope))


def test_another_payload_type(attack: Attack, judged: Decision) -> None:
    as_evidence = sign(judged.canonical(), EVIDENCE, attack.key("steward"))
    attack.refused("envelope-invalid", lambda: _approve(attack, as_evidence))
    attack.refused("signature-invalid", lambda: _approve(attack, as_evidence | {"payloadType": DECISION}))


def test_one_key_under_two_ids_in_one_envelope(attack: Attack, judged: Decision) -> None:
    envelope = _sign(attack, judged)
    (mine,) = envelope["signatures"]
    for keyid in (mine["keyid"], sha256(b"another id")[7:], mine["keyid"].upper()):
        twice = envelope | {"signatures": [mine, mine | {"keyid": keyid}]}
        error = attack.desk.fails(lambda twice=twice: _approve(attack, twice))
        assert error.kind in ("envelope-invalid", "signer-not-enrolled")


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "eligible", "rules": []},
        {"id": "01900000-0000-7000-8000-000000000000"},
        {"expires_at": "2999-01-01T00:00:00.000000Z"},
        {"epoch": 10**6},
        {"head": "0" * 64},
    ],
    ids="+".join,
)
def test_a_decision_that_this_catalog_did_not_make(attack: Attack, judged: Decision, change: dict[str, Any]) -> None:
    attack.refused("decision-unknown", lambda: _approve(attack, _sign(attack, judged.document() | change)))


def test_a_decision_about_a_model(attack: Attack, judged: Decision, tmp_path: Path) -> None:
    attack.model("wild", tmp_path / "wild", None)
    attack.refused("decision-mismatch", lambda: _approve(attack, _sign(attack, attack.gate("wild"))))


def test_a_blocked_decision(attack: Attack, tmp_path: Path) -> None:
    attack.desk.register("gaps", "one", recording(tmp_path / "gaps", seed=12, spoil={1: "gap"}))
    attack.desk.check("gaps", "one")
    decision = attack.desk.judge("gaps", "one")
    error = attack.refused("decision-blocked", lambda: _approve(attack, _sign(attack, decision)))
    assert "check-passed" in error.what
    assert attack.audited("dataset-approval.judged", decision.subject)
    bent = decision.document() | {"verdict": "eligible"}
    attack.refused("decision-unknown", lambda: _approve(attack, _sign(attack, bent)))


def test_an_approval_replayed_on_another_version_or_dataset(attack: Attack, judged: Decision, tmp_path: Path) -> None:
    """The envelope names its subject, so replaying it can only mean the same version again; bending it voids it."""
    attack.desk.register("signed", "two", recording(tmp_path / "two", seed=13, spoil={0: "gap"}))
    other = attack.desk.context.versions("signed")[0].manifest_digest
    for change in ({"subject": other}, {"dataset": "arm"}, {"ingest": "two"}, {"subject_name": "signed/two"}):
        bent = judged.document() | change
        attack.refused("decision-unknown", lambda bent=bent: _approve(attack, _sign(attack, bent)))


def test_a_decision_of_an_old_epoch(attack: Attack, judged: Decision, tmp_path: Path) -> None:
    """Something elsewhere is quarantined after the decision: the rules it was judged by are no longer all there is."""
    attack.desk.register("epoch", "one", recording(tmp_path / "one", seed=14))
    envelope = _sign(attack, judged)
    attack.desk.quarantine("epoch", "one", [0])
    error = attack.refused("decision-mismatch", lambda: _approve(attack, envelope))
    assert "judge again" in error.do


def test_a_decision_whose_check_was_made_again(attack: Attack, tmp_path: Path) -> None:
    attack.desk.register("rechecked", "one", recording(tmp_path / "one", seed=15))
    attack.desk.check("rechecked", "one")
    envelope = _sign(attack, attack.desk.judge("rechecked", "one"))
    attack.desk.check("rechecked", "one")
    attack.refused("decision-mismatch", lambda: _approve(attack, envelope))


def test_an_approval_used_twice(attack: Attack, tmp_path: Path) -> None:
    attack.desk.register("twice", "one", recording(tmp_path / "one", seed=16))
    attack.desk.check("twice", "one")
    envelope = _sign(attack, attack.desk.judge("twice", "one"))
    _approve(attack, envelope)
    attack.refused("already-exists", lambda: _approve(attack, envelope))


def test_the_envelope_as_text_with_a_key_twice(attack: Attack, judged: Decision) -> None:
    text = json.dumps(_sign(attack, judged)).replace('{"payload"', '{"payload": "e30=", "payload"', 1)
    with pytest.raises(AssayError, match="appears twice"):
        strict_json(text, "envelope")


# a home of its own: its principals, its clock or its crash are part of the attack


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House.begin(tmp_path)


def _twin(newcomers: list[dict[str, Any]]) -> None:
    """The steward's raw key again, for somebody called otherwise."""
    steward = next(n for n in newcomers if n["name"] == "steward")
    newcomers.append(steward | {"name": "steward-2", "token_digest": sha256(b"another token")})


def _approver_too(newcomers: list[dict[str, Any]]) -> None:
    """The steward's raw key in a second role."""
    steward = next(n for n in newcomers if n["name"] == "steward")
    newcomers.append(
        steward | {"name": "a", "token_digest": sha256(b"x"), "roles": ["approver"], "key_role": "approver"}
    )


@pytest.mark.parametrize("change", [_twin, _approver_too])
def test_one_raw_key_is_never_enrolled_twice(house: House, change: Any) -> None:
    edit_bootstrap(house, change)
    with pytest.raises(AssayError) as refused, house.open():
        pass
    assert refused.value.kind == "document-invalid"
    assert "one key" in str(refused.value)


def _dual(house: House) -> None:
    """A principal who registers and approves."""
    public = generate(house.settings.keys_folder / "dual.pem")
    newcomer = {"name": "dual", "roles": ["contributor", "steward"], "token_digest": sha256(b"dual")}
    edit_bootstrap(house, lambda found: found.append(newcomer | {"public": public, "key_role": "steward"}))


def test_who_registered_approves_nothing_of_it_not_even_after_a_rebase(house: House, tmp_path: Path) -> None:
    _dual(house)
    with house.open() as desk:
        attack = Attack(house, desk)
        desk.register("own", "one", recording(tmp_path / "one"), by="dual")
        desk.register("own", "two", recording(tmp_path / "two", seed=1))
        desk.check("own", "one")
        envelope = desk.sign(desk.judge("own", "one", "dual"), "dual")
        assert "registered" in attack.refused("separation-of-duties", lambda: desk.begin_approve(envelope, "dual")).what
        desk.check("own", "two")
        desk.approve("own", "two", "dual")
        desk.rebase("own", "one", by="engineer")
        desk.check("own", "one")
        decision = desk.judge("own", "one", "dual")
        assert decision.verdict == "eligible"
        rebased = desk.sign(decision, "dual")
        attack.refused("separation-of-duties", lambda: desk.begin_approve(rebased, "dual"))
        ended(desk.wait(desk.begin_approve(desk.sign(decision, "steward"), "steward")))


class _Clock:
    """The wall clock, and a step that a test puts in."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return wall_clock() + self.ahead


def test_an_expired_decision_is_not_signed_into_force_and_not_merged_by_recovery(house: House, tmp_path: Path) -> None:
    clock = _Clock()
    with house.open(clock=clock) as desk:
        attack = Attack(house, desk)
        for name in ("late", "slow"):
            desk.register(name, "one", recording(tmp_path / name, seed=20 + ord(name[0])))
            desk.check(name, "one")
        late, slow = (desk.sign(desk.judge(name, "one")) for name in ("late", "slow"))
        crashed = desk.restarted(crash_at("approve", "_merge"))
        operation = crashed.begin_approve(slow)
        with pytest.raises(Crash):
            crashed.wait(operation)
        clock.ahead = 2 * DAY
        attack.refused("decision-expired", lambda: desk.begin_approve(late))
        desk.settle()
        error = desk.fails(lambda: ended(desk.wait(operation)))
        assert error.kind == "decision-expired"
        assert attack.approved() == {"late": "no-approved-version", "slow": "no-approved-version"}
        head = desk.store.head("data-slow", "main")
        assert head is not None
        assert not head.parents
        assert attack.audited("approve.failed", operation)


def test_a_clock_set_back_revives_nothing(house: House, tmp_path: Path) -> None:
    clock = _Clock()
    with house.open(clock=clock) as desk:
        attack = Attack(house, desk)
        desk.register("old", "one", recording(tmp_path / "old"))
        desk.check("old", "one")
        envelope = desk.sign(desk.judge("old", "one"))
        clock.ahead = 2 * DAY
        desk.register("new", "one", recording(tmp_path / "new", seed=5))
        clock.ahead = timedelta(0)
        attack.refused("clock-back", lambda: desk.begin_approve(envelope))
        assert {"clock"} == {r.rule for r in desk.judge("old", "one").blocking()}


def test_the_signature_that_approved_is_kept_with_its_decision(attack: Attack) -> None:
    """The control: what an honest approval leaves, an envelope over the decision's own bytes."""
    with attack.desk.context.records.read() as c:
        row = c.execute(tables.signature.select()).first()
    assert row is not None
    payload = base64.b64decode(json.loads(row.envelope)["payload"])
    assert sha256(payload) == row.decision
