"""What an approver is shown is what is signed, and a press names exactly that."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from catalog.domain.fleet import Waiting
from catalog.domain.model import ModelManifest
from catalog.domain.release import Proposal, ReleaseView
from tests.ui.test_viewmodel_fleet import AT, release
from tests.ui.test_viewmodel_gate import decided, rule
from ui.viewmodels import approval

DECISION = decided(rule("success-rate", "pass"))
TENSOR = {"name": "state", "shape": [3], "dtype": "float32", "rate_hz": 20.0}
MODEL = ModelManifest.of(
    {
        "name": "reach",
        "files": [f.document() for f in release(2).manifest.files],
        "contract": {
            "inputs": [TENSOR],
            "outputs": [TENSOR],
            "normalisation": {},
            "preprocessing": "none",
            "runtime": {"name": "numpy", "version": "2"},
            "rate_hz": 20.0,
            "action_type": "joint position",
        },
    }
)


def waiting(*signed: str, missing: tuple[str, ...] = (), proposed: bool = True) -> Waiting:
    return Waiting(
        decision=DECISION,
        release=release(2) if proposed else None,
        signed_by=signed,
        missing=missing,
        barred={"approver-3": "signed its evidence"},
        threshold=2,
    )


def proposal(*signed: str, role: str = '{"b": 1, "a": "<i>"}') -> Proposal:
    found = release(2).model_copy(update={"role": role})
    return Proposal(release=found, decision=DECISION, model=MODEL, published_role={"version": 1}, signed_by=signed)


@pytest.mark.parametrize(
    ("item", "count", "said", "ready"),
    [
        (waiting(missing=("a", "b")), "0 of 2 signed", "nobody has signed; 2 missing, of a and b", False),
        (waiting("a", missing=("b", "c")), "1 of 2 signed", "signed by a; 1 missing, of b and c", False),
        (waiting("a", "b"), "2 of 2 signed", "signed by a and b; ready to be promoted", True),
        (waiting("a"), "1 of 2 signed", "signed by a; nobody else may sign it: enrol another approver", False),
        (waiting("a", "b", proposed=False), "2 of 2 signed", "nobody else may sign it", False),
    ],
)
def test_the_queue_says_who_signed_and_who_is_missing(item: Waiting, count: str, said: str, ready: bool) -> None:
    assert approval.count(item) == count
    assert said in approval.stands(item)
    assert approval.ready(item) is ready
    assert approval.barred(item) == ["approver-3 may not sign it: approver-3 signed its evidence"]


def test_a_press_names_all_that_is_shown_and_not_who_signed_meanwhile() -> None:
    shown = approval.identity(proposal())
    assert approval.identity(proposal("approver-1")) == shown
    others = [
        proposal(role="{}"),
        proposal().model_copy(update={"decision": decided(rule("success-rate", "pass"), rule("more", "pass"))}),
        proposal().model_copy(update={"published_role": {"version": 2}}),
        proposal().model_copy(update={"release": release(3)}),
    ]
    assert shown not in {approval.identity(p) for p in others}


def test_everything_that_decides_is_among_what_is_shown() -> None:
    p = proposal()
    lines = dict(approval.decision_lines(p))
    assert lines["decision"] == DECISION.digest()
    assert lines["audit head"] == f"{DECISION.audit_head.size}:{DECISION.audit_head.root}"
    manifest = p.release.manifest
    of_release = dict(approval.release_lines(manifest, 3))
    assert of_release["manifest"] == manifest.digest()
    assert "at most 24 h" in of_release["lease"]
    assert approval.file_rows(manifest) == [{"file": f.path, "size": "3 B", "sha256": f.sha256} for f in manifest.files]
    whole = approval.documents(p)
    assert json.loads(whole["the decision"]) == DECISION.document()
    assert json.loads(whole["the class role"]) == json.loads(p.release.role)


def test_anything_but_one_addition_is_said_as_what_it_is() -> None:
    assert "adds one release and changes nothing else: a/1.json" in approval.role_change([("added", "a/1.json")])
    for changes in ([], [("added", "a"), ("added", "b")], [("added", "a"), ("removed", "b")], [("expires", "")]):
        assert approval.role_change(changes).endswith("Do not sign.")


def test_who_signed_has_nothing_to_sign() -> None:
    assert approval.signing(proposal("approver-1"), "approver-2") == ""
    assert "another approver" in approval.signing(proposal("approver-1"), "approver-1")


def test_a_promotion_says_how_far_it_reaches() -> None:
    manifest = release(2).manifest
    assert "no device yet" in approval.goes_to(manifest, [])
    assert "1 device: a" in approval.goes_to(manifest, ["a"])
    assert "7 devices: a, b, c, d, e and 2 more" in approval.goes_to(manifest, list("gfedcba"))


def test_a_release_that_was_withdrawn_while_it_was_published_is_no_success() -> None:
    done = {"number": 2, "device_class": "demo-arm", "name": "reach", "denied": None}
    assert approval.promoted(done)[0]
    good, said = approval.promoted(done | {"denied": "bad welds"})
    assert not good
    assert "bad welds" in said


def test_time_left_is_said_in_minutes_when_it_is_short() -> None:
    item = waiting()
    assert "(24 h left)" in approval.until(item, DECISION.at)
    assert "(5 min left)" in approval.until(item, DECISION.expires_at - timedelta(minutes=5))
    assert "(0 min left)" in approval.until(item, DECISION.expires_at + timedelta(minutes=5))


def test_what_became_of_a_decision_is_said() -> None:
    view = ReleaseView(
        release=release(2).model_copy(update={"allowed_at": AT}), state="denied", chosen=False, signatures=(),
        denials=(), devices=(),
    )  # fmt: skip
    assert approval.released(view) == "Promoted with this decision: release 2 of class demo-arm, denied."


def test_a_decision_of_an_earlier_epoch_is_marked() -> None:
    assert approval.stale(waiting(), DECISION.epoch) == ""
    assert "Judge it again" in approval.stale(waiting(), DECISION.epoch + 1)
