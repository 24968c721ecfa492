"""T11: whatever is done to a report, nothing but an allowed release verifies, and only under the trust root's own keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.attest.envelope import DECISION, EVIDENCE, sign
from catalog.attest.keys import generate, keyid, load, public_hex
from catalog.attest.verify_bundle import verify_bundle
from catalog.domain.base import canonical, sha256
from catalog.errors import AssayError
from tests.attack.attacker import CLASS, Attack
from tests.support.bundles import Handed, handed, head, head_of, other_head, payload
from tests.support.house import House
from tests.support.recordings import recording


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """A catalog with a released model, a blocked one and an eligible one that nobody approved."""
    folder = tmp_path_factory.mktemp("t11")
    house = House.begin(folder)
    with house.open() as desk:
        attack = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "arm-one"))
        attack.eligible("released", folder / "released", 1)
        desk.release("released")
        attack.eligible("waiting", folder / "waiting", 2, line="second")
        attack.model("tainted", folder / "tainted", None, seed=3)
        attack.gate("tainted")
        yield attack


@pytest.fixture(scope="module")
def genuine(office: Attack) -> Handed:
    """A genuine report of the released model."""
    return handed(office, "released")


@pytest.fixture(scope="module")
def blocked(office: Attack) -> Handed:
    """A genuine report of a blocked model."""
    return handed(office, "tainted")


def refused(data: bytes, genuine: Handed, kind: str, head_: bytes | None = None) -> AssayError:
    with pytest.raises(AssayError) as caught:
        verify_bundle(data, genuine.trust, head_)
    assert caught.value.kind == kind, caught.value
    return caught.value


def test_the_genuine_report_is_a_permission_and_the_others_are_not(office: Attack, genuine: Handed) -> None:
    assert verify_bundle(genuine.bundle, genuine.trust).outcome == "permission"
    assert verify_bundle(genuine.bundle).outcome == "integrity-only"
    for name, standing in (("waiting", "not-approved"), ("tainted", "blocked")):
        other = handed(office, name)
        found = verify_bundle(other.bundle, other.trust)
        assert (found.outcome, found.facts["standing"]) == ("failed", standing)


@pytest.mark.parametrize("key", ["approver-1", "evaluator", "release", "root-1", "steward"])
def test_signed_again_with_a_key_whose_signatures_are_in_the_bundle(genuine: Handed, key: str) -> None:
    assert "is enrolled for role" in refused(genuine.bent(key=key), genuine, "report-untrusted").what


def test_signed_again_with_a_key_of_ones_own(office: Attack, genuine: Handed) -> None:
    mine = office.stray_key("report").name.removesuffix(".pem")
    assert "not enrolled" in refused(genuine.bent(key=mine), genuine, "report-untrusted").what


def test_with_a_trust_root_of_the_same_making_it_is_another_home(tmp_path: Path, genuine: Handed) -> None:
    house = House.begin(tmp_path)
    with house.open() as desk:
        attack = Attack(house, desk)
        other = head(attack)
        with pytest.raises(AssayError) as caught:
            verify_bundle(genuine.bundle, genuine.trust, other)
        assert caught.value.kind == "report-untrusted"
        desk.bring("arm", "one", recording(tmp_path / "arm"))
        attack.model("m", tmp_path / "m", None)
        attack.gate("m")
        theirs = handed(attack, "m")
    refused(genuine.bundle, theirs, "report-untrusted")
    refused(theirs.bundle, genuine, "report-untrusted")


def allow(said: dict[str, Any]) -> None:
    said["predicate"] |= {"standing": "allowed", "result": "PASSED"}


@pytest.mark.parametrize("key", [None, "approver-1", "report"])
def test_a_failed_decision_presented_as_a_permission(blocked: Handed, key: str | None) -> None:
    """Not even by the holder of the report key: the standing follows from the documents."""
    error = refused(blocked.bent(statement=allow, key=key), blocked, "report-untrusted")
    if key == "report":
        assert error.what == "the report says allowed, and its documents say blocked"


def test_what_nobody_approved_presented_as_a_permission(office: Attack) -> None:
    waiting = handed(office, "waiting")
    error = refused(waiting.bent(statement=allow, key="report"), waiting, "report-untrusted")
    assert "its documents say not-approved" in error.what


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda s: s.update(predicateType="https://slsa.dev/verification_summary/v1"), "report-invalid"),
        (lambda s: s.update(predicateType="urn:assay:predicate:provenance-report@2"), "report-invalid"),
        (lambda s: s["subject"][0]["digest"].update(sha256="0" * 64), "report-untrusted"),
        (lambda s: s["predicate"].update(device_class="collaborative-arm"), "report-untrusted"),
        (lambda s: s["predicate"].update(decision="sha256:" + "0" * 64), "report-untrusted"),
        (lambda s: s["predicate"].update(policy="sha256:" + "0" * 64), "report-untrusted"),
        (lambda s: s["predicate"].update(environment="dev"), "report-untrusted"),
        (lambda s: s["predicate"].update(home="elsewhere"), "report-untrusted"),
        (lambda s: s["predicate"].update(release="00000000-0000-7000-8000-000000000001"), "report-untrusted"),
        (lambda s: s["predicate"].update(as_of="2030-01-01T00:00:00.000000Z"), "report-untrusted"),
        (lambda s: s["predicate"]["audit_head"].update(root="sha256:" + "0" * 64), "report-untrusted"),
        (lambda s: s["predicate"]["audit_head"].update(size=4), "report-untrusted"),
        (lambda s: s["predicate"].update(result="FAILED"), "report-untrusted"),
        (lambda s: s["predicate"].update(more=1), "report-invalid"),
    ],
)
def test_another_statement_under_the_report_key(genuine: Handed, change: Callable[[Any], None], kind: str) -> None:
    refused(genuine.bent(statement=change, key="report"), genuine, kind)


def test_another_payload_type(genuine: Handed) -> None:
    refused(genuine.bent(key="report", payload_type=EVIDENCE), genuine, "report-invalid")
    refused(genuine.bent(key="report", payload_type=DECISION), genuine, "report-invalid")


def test_a_file_added_removed_or_swapped(genuine: Handed) -> None:
    for files in (
        lambda f: f.update({"runs/2.json": b"{}"}),
        lambda f: f.pop("approvals/2.json"),
        lambda f: f.update({"model.json": f["decision.json"]}),
        lambda f: f.update({"decision.json": f["decision.json"] + b" "}),
    ):
        refused(genuine.bent(files=files), genuine, "report-damaged")
        with pytest.raises(AssayError, match=r"list"):
            verify_bundle(genuine.bent(files=files))


def edit(name: str, change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """An edit of one document, in its canonical form."""

    def files(content: dict[str, bytes]) -> None:
        said = json.loads(content[name])
        change(said)
        content[name] = canonical(said)

    return files


def signed_by(genuine: Handed, name: str, key: str, payload_type: str) -> Callable[[dict[str, bytes]], None]:
    """One envelope made anew with another key, over the same payload."""

    def files(content: dict[str, bytes]) -> None:
        said = payload(json.loads(content[name]))
        content[name] = canonical(sign(canonical(said), payload_type, genuine.key(key)))

    return files


def forge_outcome(genuine: Handed) -> Callable[[dict[str, bytes]], None]:
    def files(content: dict[str, bytes]) -> None:
        said = payload(json.loads(content["evidence/1/envelope.json"]))
        said["predicate"]["trials"][0]["duration_s"] = 1.0
        content["evidence/1/envelope.json"] = canonical(sign(canonical(said), EVIDENCE, genuine.key("evaluator")))

    return files


def copy(source: str, target: str) -> Callable[[dict[str, bytes]], None]:
    return lambda content: content.update({target: content[source]})


def test_the_holder_of_the_report_key_changes_a_document(genuine: Handed) -> None:
    """Each document is held by somebody else's signature, by a digest, or by the log."""
    attacks = {
        "another model": edit("model.json", lambda d: d.update(name="released-2")),
        "another verdict": edit("decision.json", lambda d: d["rules"][0].update(verdict="fail")),
        "an easier policy": edit("policy.json", lambda d: d["thresholds"].update(success_lower_ratio=0.1)),
        "another plan": edit("evidence/1/plan.json", lambda d: d["plan"].update(k=2)),
        "another seed": edit("evidence/1/plan.json", lambda d: d.update(seed="0" * 64)),
        "another replay": edit("evidence/1/replay.json", lambda d: d.update(replayed=399)),
        "an approval twice": copy("approvals/1.json", "approvals/2.json"),
        "an approval by the evaluator": signed_by(genuine, "approvals/1.json", "evaluator", DECISION),
        "an approval of something else": copy("data/1/signature-1.json", "approvals/1.json"),
        "other evidence": forge_outcome(genuine),
        "evidence signed by an approver": signed_by(genuine, "evidence/1/envelope.json", "approver-1", EVIDENCE),
        "another role": edit("release/role.json", lambda d: d.update(version=9)),
        "another release": edit("release/manifest.json", lambda d: d.update(lease_hours=1000)),
        "another time": edit("release/record.json", lambda d: d.update(allowed_at="2020-01-01T00:00:00.000000Z")),
        "one role signature": edit("release/record.json", lambda d: d["role_signatures"].pop()),
        "another run": edit("runs/1.json", lambda d: d.update(outputs=[])),
        "an unused run": edit("runs/1.json", lambda d: d.update(id="another")),
        "other data": edit("data/1/manifest.json", lambda d: d.update(dataset="other")),
        "other episodes": edit("data/1/episodes.json", lambda d: d.pop()),
        "another table": copy("model.json", "data/1/episodes.parquet"),
        "another approval": edit("data/1/approval.json", lambda d: d.update(by="engineer")),
        "an edited entry": edit("audit.json", lambda d: d["inclusions"][0]["entry"].update(actor="nobody")),
        "fewer entries": edit("audit.json", lambda d: d["inclusions"].clear()),
        "another earlier log": edit("audit.json", lambda d: d["consistency"]["since"].update(size=1)),
        "another summary": edit("decision.vsa.json", lambda d: d.update(payloadType="application/json")),
        "a summary by an approver": signed_by(genuine, "decision.vsa.json", "approver-1", EVIDENCE),
        "another readable report": edit("report.json", lambda d: d.update(standing="blocked", result="FAILED")),
    }
    for name, files in attacks.items():
        with pytest.raises(AssayError) as caught:
            pytest.fail(f"{name}: {verify_bundle(genuine.bent(files=files, key='report'), genuine.trust).outcome}")
        assert caught.value.kind in ("report-untrusted", "report-damaged"), name
        assert name == "another readable report" or "readable report" not in caught.value.what, name


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (lambda found: [r for r in found if r["rule"] != "no-quarantined-input"], "every rule of the floor once"),
        (lambda found: [r for r in found if not r["floor"]], "every rule of the floor once"),
        (lambda found: [*found, found[0]], "every rule of the floor once"),
        (lambda found: [r | {"floor": r["floor"] and r["rule"] != "clock"} for r in found], "of the floor once"),
        (lambda found: [r for r in found if r["rule"] != "success-rate"], "the rules of its policy"),
    ],
)
def test_a_decision_that_does_not_answer_every_rule_is_no_permission(
    genuine: Handed, rules: Callable[[list[Any]], list[Any]], said: str
) -> None:
    """A catalog that judges by less and has that signed: what is left passes, and permits nothing."""
    digest = ""

    def files(content: dict[str, bytes]) -> None:
        nonlocal digest
        decision = json.loads(content["decision.json"])
        decision["rules"] = rules(decision["rules"])
        content["decision.json"] = canonical(decision)
        digest = sha256(content["decision.json"])

    bent = genuine.bent(files=files, statement=lambda s: s["predicate"].update(decision=digest), key="report")
    assert said in refused(bent, genuine, "report-untrusted").what


def test_fewer_approvers_than_needed_is_no_permission(genuine: Handed) -> None:
    def alone(content: dict[str, bytes]) -> None:
        del content["approvals/2.json"]
        keyid_ = json.loads(content["approvals/1.json"])["signatures"][0]["keyid"]
        record = json.loads(content["release/record.json"])
        record["role_signatures"] = [s for s in record["role_signatures"] if s["keyid"] == keyid_]
        content["release/record.json"] = canonical(record)

    error = refused(genuine.bent(files=alone, key="report"), genuine, "report-untrusted")
    assert "its documents say not-approved" in error.what


def test_a_document_left_out_is_named(genuine: Handed) -> None:
    for name in (
        "decision.json",
        "policy.json",
        "runs/1.json",
        "release/role.json",
        "evidence/1/plan.json",
        "state.json",
    ):
        error = refused(genuine.bent(files=lambda f, n=name: f.pop(n), key="report"), genuine, "report-damaged")
        assert name in error.what


def test_a_duplicate_key_and_a_number_that_is_none(genuine: Handed) -> None:
    text = genuine.bundle.decode()
    assert text.startswith('{"binary":')
    refused(('{"binary":{},' + text[1:]).encode(), genuine, "report-invalid")
    refused(text.replace('"schema":"report-bundle@1"', '"schema":NaN').encode(), genuine, "report-invalid")
    refused(text.replace('{"binary":', '{ "binary":', 1).encode(), genuine, "report-damaged")
    refused(b"[" * 100_000, genuine, "report-invalid")
    refused(b"\xff" + genuine.bundle, genuine, "report-invalid")
    refused(b"", genuine, "report-invalid")


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_single_changed_byte_verifies(genuine: Handed, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(genuine.bundle) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != genuine.bundle[at]))
    never(genuine.bundle[:at] + bytes([other]) + genuine.bundle[at + 1 :], genuine)


def test_no_changed_bit_of_what_frames_the_files_verifies(genuine: Handed) -> None:
    """Every bit of the envelope's frame, its signature and the ends: what no digest of the list covers."""
    at = genuine.bundle.index(b'"signatures":')
    framed = [*range(30), *range(at - 40, at + 230), *range(len(genuine.bundle) - 30, len(genuine.bundle))]
    for place in framed:
        for bit in range(8):
            changed = bytearray(genuine.bundle)
            changed[place] ^= 1 << bit
            never(bytes(changed), genuine)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_cut_inserted_or_moved_verifies(genuine: Handed, data: st.DataObject) -> None:
    one = data.draw(st.integers(0, len(genuine.bundle) - 1))
    two = data.draw(st.integers(one + 1, len(genuine.bundle)))
    whole = genuine.bundle
    never(whole[:one], genuine)
    never(whole[one:], genuine) if one else None
    never(whole[:one] + whole[two:], genuine)
    never(whole[:one] + data.draw(st.binary(min_size=1, max_size=3)) + whole[one:], genuine)


def never(data: bytes, genuine: Handed) -> None:
    with pytest.raises(AssayError) as caught:
        verify_bundle(data, genuine.trust)
    assert caught.value.kind in ("report-invalid", "report-damaged", "report-untrusted")


def test_cut_in_half(genuine: Handed) -> None:
    refused(genuine.bundle[: len(genuine.bundle) // 2], genuine, "report-invalid")


def test_trust_comes_from_the_trust_root_alone(office: Attack, genuine: Handed, tmp_path: Path) -> None:
    """A root that lacks an approver, calls one compromised, or lists one key for two people gives no permission."""
    approver = keyid(public_hex(load(office.key("approver-1"))))

    def without(said: dict[str, Any]) -> None:
        said["keys"] = [k for k in said["keys"] if k["keyid"] != approver]

    def compromised(said: dict[str, Any]) -> None:
        for key in said["keys"]:
            if key["keyid"] == approver:
                key.update(compromised=True, revoked_at=said["issued_at"])

    def three(said: dict[str, Any]) -> None:
        said["threshold"] = 3

    for change in (without, compromised, three):
        with pytest.raises(AssayError) as caught:
            verify_bundle(genuine.bundle, genuine.root(change))
        assert caught.value.kind == "report-untrusted", change

    def one_threshold(said: dict[str, Any]) -> None:
        said["threshold"] = 1

    def twice(said: dict[str, Any]) -> None:
        said["keys"].append({**said["keys"][0], "principal": "approver-2"})

    def renamed(said: dict[str, Any]) -> None:
        said["keys"].append({**said["keys"][0], "keyid": "0" * 64})

    stray = tmp_path / "stray.pem"
    generate(stray)
    for data in (*(genuine.root(c) for c in (one_threshold, twice, renamed)), b"{}", b"", genuine.bundle):
        with pytest.raises(AssayError) as caught:
            verify_bundle(genuine.bundle, data)
        assert caught.value.kind == "trust-invalid"


def test_a_lost_approvers_key_leaves_the_earlier_approval_standing(office: Attack, genuine: Handed) -> None:
    approver = keyid(public_hex(load(office.key("approver-1"))))

    def lost(said: dict[str, Any]) -> None:
        for key in said["keys"]:
            if key["keyid"] == approver:
                key.update(revoked_at=said["issued_at"])

    assert verify_bundle(genuine.bundle, genuine.root(lost)).outcome == "permission"


def test_an_old_bundle_after_a_withdrawal(office: Attack, tmp_path: Path) -> None:
    """Without a newer head it says that it does not know; with one it is superseded; an older head is refused."""
    desk = office.desk
    office.eligible("recalled", tmp_path / "recalled", 7, line="third")
    older = head(office)
    released = desk.release("recalled")
    old = handed(office, "recalled")
    size = payload(json.loads(old.bundle)["envelope"])["predicate"]["audit_head"]["size"]
    before = head(office, size)
    found = verify_bundle(old.bundle, old.trust, before)
    assert (found.outcome, found.lines[-1].found[:21]) == ("permission", "not withdrawn as of 2")
    desk.withdraw(released["release"], "the calibration of rig X was wrong")
    found = verify_bundle(old.bundle, old.trust)
    assert found.lines[-1].found.startswith("revoked after ")
    assert found.lines[-1].found.endswith(": not known")
    after = head(office, size)
    found = verify_bundle(old.bundle, old.trust, after)
    assert found.outcome == "superseded"
    assert "because the calibration of rig X was wrong" in found.lines[-1].found
    assert "continue the report's log" in found.lines[-2].found
    assert "older than the report" in refused(old.bundle, old, "trust-invalid", older).what
    new = handed(office, "recalled")
    assert verify_bundle(new.bundle, new.trust).facts["standing"] == "denied"
    refused(new.bent(statement=allow, key="report"), new, "report-untrusted")
    refused(
        old.bundle, old, "report-untrusted", other_head(office, after, lambda h: h.update(denials=[]), "approver-1")
    )


def test_a_head_of_a_rewritten_log(office: Attack, genuine: Handed) -> None:
    """The report's holder finds the fork, though the report key signed it."""
    size = payload(json.loads(genuine.bundle)["envelope"])["predicate"]["audit_head"]["size"]
    good = head(office, size)
    assert head_of(good).consistency is not None
    zero = "sha256:" + "0" * 64
    for change in (
        lambda h: h["head"].update(root=zero),
        lambda h: h["consistency"].update(path=[zero]),
        lambda h: h["consistency"]["since"].update(root=zero),
        lambda h: h.update(home="elsewhere"),
    ):
        refused(genuine.bundle, genuine, "report-untrusted", other_head(office, good, change))
    refused(genuine.bundle, genuine, "trust-invalid", genuine.trust)
    with pytest.raises(AssayError, match="trust root"):
        verify_bundle(genuine.bundle, None, good)


def test_a_report_of_the_same_class_is_of_its_own_model(office: Attack, genuine: Handed) -> None:
    found = verify_bundle(genuine.bundle, genuine.trust)
    assert found.facts["device_class"] == CLASS
    assert found.facts["model"] == office.desk.context.model("released").digest_
