"""A report answers four questions in their order, and each answer names the document that it was read in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.domain.base import sha256
from catalog.domain.report import REPORT_JSON, Bundle, Report, Section
from catalog.domain.run import Code
from catalog.errors import AssayError
from catalog.reports.facts import _code
from catalog.reports.words import number, read
from catalog.services.report import report
from tests.attack.attacker import CLASS, Attack
from tests.catalog.reports.conftest import HOSTILE, WINS
from tests.support.bundles import contents


def section(said: Report, key: str) -> Section:
    return next(s for s in said.sections if s.key == key)


def cells(said: Report, key: str, title: str) -> dict[str, str]:
    """A table of two columns."""
    table = next(t for t in section(said, key).tables if t.title == title)
    return {row.cells[0]: row.cells[1] for row in table.rows}


def test_the_questions_stand_in_their_order(said: Report) -> None:
    assert [s.question for s in said.sections] == [
        "1. Where did its data come from?",
        "2. How was it labelled?",
        "3. Which version was it?",
        "4. Why was it allowed to the edge?",
        "What is the claim conditional on?",
        "What is not known?",
    ]


def test_every_row_names_a_document_of_the_bundle(said: Report, bundle: Bundle) -> None:
    files, listed = contents(bundle), {d.name for d in said.documents}
    for document in said.documents:
        assert (document.size, document.sha256) == (len(files[document.name]), sha256(files[document.name]))
    assert files.keys() - listed == {"report.json", "report.html", "decision.vsa.json"}
    for part in said.sections:
        sources = {r.source for t in part.tables for r in t.rows} | {f.source for f in part.facts}
        assert sources - {""} <= listed
        assert all(row.source for table in part.tables for row in table.rows)


def test_where_the_data_came_from(said: Report) -> None:
    origin = section(said, "origin")
    assert origin.answer.startswith(
        "From 3 episodes in 1 recording (recorded, origin unverified) of 1 dataset version."
    )
    (recordings, terms) = origin.tables
    assert recordings.rows[0].cells == (
        "arm / one", "recorded, origin unverified", "bench-arm", "rig-a", HOSTILE, "not recorded", "3", "90"
    )  # fmt: skip
    assert terms.rows[0].cells[1] == HOSTILE


def test_that_nobody_labelled_it_is_said(said: Report) -> None:
    labels = section(said, "labels")
    assert labels.answer == "No labels are recorded for arm."
    assert labels.notes[0].startswith("No labels: ")


def test_which_version_it_was(said: Report, attack: Attack) -> None:
    versions = section(said, "versions")
    table = next(t for t in versions.tables if t.title == "Dataset versions")
    approval = attack.desk.context.approvals("arm")[0]
    assert table.rows[0].cells[:4] == ("arm", "v1.0.0", approval.manifest_digest, approval.merge_commit)
    assert said.model in versions.answer


def test_why_it_was_allowed(said: Report) -> None:
    allowed = section(said, "allowed")
    evidence = cells(said, "allowed", "Evidence, counted again")
    assert evidence["successes"] == f"{WINS} of 400"
    assert evidence["success rate"].startswith("at least 0.97")
    assert f"{WINS} of 400 simulated trials succeeded" in allowed.answer
    assert "approver-1 and approver-2 signed exactly this decision" in allowed.answer
    facts = {f.name: f.value for f in allowed.facts}
    assert "no release allowed" in str(facts["how to go back"])
    rules = next(t for t in allowed.tables if t.title == "Rules of the policy")
    assert {row.cells[0] for row in rules.rows} == {"pass"}
    approvers = next(t for t in allowed.tables if t.title.startswith("Approvers"))
    assert [row.cells[0] for row in approvers.rows] == ["approver-1", "approver-2"]


def test_conditions_are_those_that_were_signed(said: Report, attack: Attack) -> None:
    decision = attack.desk.context.decision(said.decision)
    assert section(said, "conditions").notes == decision.conditions
    assert any(note.startswith("Revoked after ") for note in section(said, "unknown").notes)


def test_the_same_moment_gives_the_same_facts(bundle: Bundle, attack: Attack) -> None:
    again = json.loads(report(attack.desk.context, model="reach", device_class=CLASS).files[REPORT_JSON])
    before = json.loads(bundle.files[REPORT_JSON])
    moves = ("as_of", "audit_head", "sections", "documents", "epoch")
    assert {k: v for k, v in again.items() if k not in moves} == {k: v for k, v in before.items() if k not in moves}


def test_a_blocked_model_has_a_report_that_says_failed(attack: Attack, tmp_path: Path) -> None:
    attack.model("tainted", tmp_path / "tainted", None, seed=4)
    attack.gate("tainted")
    said = Report.parse(report(attack.desk.context, model="tainted", device_class=CLASS).files[REPORT_JSON])
    assert (said.standing, said.result, said.release) == ("blocked", "FAILED", None)
    assert section(said, "origin").answer == (
        "Nobody recorded how this model was fitted, so nobody knows where its data came from."
    )
    assert "training-record" in section(said, "allowed").answer


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"model": "reach"}, "input-invalid"),
        ({"device_class": CLASS}, "input-invalid"),
        ({"model": "reach", "device_class": CLASS, "device": "arm-7"}, "input-invalid"),
        ({"model": "nothing", "device_class": CLASS}, "model-unknown"),
        ({"model": "reach", "device_class": "collaborative-arm"}, "decision-unknown"),
        ({"device": "arm-7"}, "device-unknown"),
    ],
)
def test_what_cannot_be_reported_on_is_named(attack: Attack, asked: dict[str, str], kind: str) -> None:
    with pytest.raises(AssayError) as caught:
        report(attack.desk.context, **asked)
    assert caught.value.kind == kind


def test_without_the_report_key_nothing_is_handed_out(attack: Attack, tmp_path: Path) -> None:
    key, kept = attack.key("report"), tmp_path / "report.pem"
    key.rename(kept)
    try:
        with pytest.raises(AssayError) as caught:
            report(attack.desk.context, model="reach", device_class=CLASS)
    finally:
        kept.rename(key)
    assert caught.value.kind == "key-unreachable"


def test_values_are_written_as_people_read_them() -> None:
    assert [number(v) for v in (0, 2000, 2000.0, 0.97123456, 5000)] == ["0", "2,000", "2,000", "0.9712", "5,000"]
    assert read({"b": [], "a": True, "c": [1, 2], "d": [{}]}) == "a = true; b = none; c = 1, 2; d = 1 item"


@pytest.mark.parametrize(
    ("dirty", "difference", "digest", "said"),
    [
        (False, "", None, "c"),
        (True, "+1", sha256(b"+1"), "c and uncommitted changes, kept with the run except for files unknown to git"),
        (True, "+1", sha256(b"+12"), "c and uncommitted changes, too many to be kept whole"),
        (True, "", None, "c; the work tree held files unknown to git, and they are not kept"),
    ],
)
def test_no_change_of_the_code_is_called_kept_that_was_not(
    dirty: bool, difference: str, digest: str | None, said: str
) -> None:
    assert _code(Code(commit="c", dirty=dirty, difference=difference, difference_digest=digest)) == said


def test_code_outside_git_is_called_just_that() -> None:
    assert _code(Code(commit="none: not in a git repository", dirty=True)) == "none: not in a git repository"
