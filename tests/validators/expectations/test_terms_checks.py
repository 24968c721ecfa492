"""Licence, consent, retention, faces and plates: declared by documents and episodes, judged at a given time."""

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validators import readers
from validators.declarations import terms
from validators.run import run
from validators.suites import parse

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)


def judged(root, kind, now=NOW, **kwargs):
    suite = parse(json.dumps({"name": "one", "expectations": [{"type": kind, "kwargs": kwargs}]}))
    return run(readers.open(root), suite, now=now).outcomes[0]


def put(root, **given_):
    document = {"schema": "provenance@1", "source": {"kind": "sensor", "robot": "reach-arm"}, "terms": given_}
    (root / "meta/provenance.json").write_text(json.dumps(document))
    return root


def filmed(writer, root):
    camera = {"front": {"dtype": "video", "shape": [4, 4, 3], "names": None}}
    writer.info(root, lambda info: info["features"].update(camera) or info.update(video_path="v/{video_key}.mp4"))
    return root


@pytest.fixture
def root(writer):
    return writer.write(writer.tracks(2))


ALL = ("expect_terms_declared", "expect_retention_not_over", "expect_people_handled")


@pytest.mark.parametrize("kind", ALL)
def test_without_a_declaration_nothing_is_guessed(writer, root, kind):
    outcome = judged(filmed(writer, root), kind)
    assert outcome.status == "not-evaluable"
    assert "assay.yaml" in outcome.why


def test_terms_of_the_provenance_document(root):
    put(root, licence="CC-BY-4.0", consent="form 12", retention_until="2029-03-31T00:00:00Z")
    outcome = judged(root, "expect_terms_declared")
    assert (outcome.status, outcome.note) == ("clean", "1 sources; licences: CC-BY-4.0")
    assert judged(root, "expect_retention_not_over").status == "clean"


def test_terms_that_the_owner_declares(writer, root):
    (filmed(writer, root) / "assay.yaml").write_text(
        """schema: declaration@1
sources:
  - {name: site-1, licence: CC-BY-4.0, consent: form 12, retention_until: 2026-01-31, faces: blurred, plates: absent}
  - {name: site-2, licence: unknown, consent: form 13, faces: present}
"""
    )
    found = {kind: [(f.stream, f.message) for f in judged(root, kind).findings] for kind in ALL}
    assert found == {
        "expect_terms_declared": [("site-2", "no licence is declared ('unknown')")],
        "expect_retention_not_over": [("site-1", "may be kept until 2026-01-31, 121 days ago")],
        "expect_people_handled": [("site-2", "faces are present")],
    }


@pytest.mark.parametrize("unsaid", [None, "", "unknown", " N/A ", "TBD"])
def test_what_says_nothing_is_no_consent(root, unsaid):
    put(root, licence="MIT", consent=unsaid)
    (finding,) = judged(root, "expect_terms_declared").findings
    assert finding.stream == "reach-arm"
    assert finding.message.startswith("no consent is declared")


def test_retention_is_judged_at_the_given_time(root):
    put(root, licence="MIT", consent="yes", retention_until="2026-05-30")
    (finding,) = judged(root, "expect_retention_not_over").findings
    assert (finding.value, finding.unit) == (2.0, "days")
    before = datetime.datetime(2026, 5, 30, 23, tzinfo=datetime.UTC)
    assert judged(root, "expect_retention_not_over", now=before).status == "clean"
    assert judged(root, "expect_retention_not_over", now=None).status == "not-evaluable"
    put(root, licence="MIT", consent="yes", retention_until="soon")
    assert "no date" in judged(root, "expect_retention_not_over").findings[0].message
    put(root, licence="MIT", consent="yes")
    assert judged(root, "expect_retention_not_over").status == "not-evaluable"
    assert judged(root, "expect_retention_not_over", required=True).status == "found"


def test_episodes_with_terms_of_their_own(writer):
    tracks = writer.tracks(4)
    tracks[0].facts = tracks[1].facts = {"source": "site-1", "licence": "MIT", "consent": "form 3"}
    tracks[2].facts = {"source": "site-2", "license": "MIT"}
    tracks[3].facts = {"source": "site-3"}
    outcome = judged(writer.write(tracks), "expect_terms_declared")
    found = [(f.stream, f.episodes, f.message.split(";")[0]) for f in outcome.findings]
    assert found == [("site-2", (2,), "no consent is declared"), ("site-3", (3,), "1 episodes name it")]


@pytest.mark.parametrize(
    ("faces", "plates", "consent", "count"),
    [
        ("blurred", "absent", "unknown", 0),
        ("consented", "removed", "form 3", 0),
        ("consented", "removed", "unknown", 1),
        ("present", "present", "form 3", 2),
        (None, None, "form 3", 2),
        ("sometimes", "absent", "form 3", 1),
    ],
)
def test_faces_and_plates(writer, root, faces, plates, consent, count):
    put(filmed(writer, root), licence="MIT", consent=consent, faces=faces, plates=plates)
    assert len(judged(root, "expect_people_handled", plates=True).findings) == count
    assert len(judged(root, "expect_people_handled").findings) == (count + 1) // 2


def test_faces_need_a_camera(root):
    put(root, licence="MIT", consent="yes")
    assert "no camera" in judged(root, "expect_people_handled").why


@pytest.mark.parametrize("text", ["{", "[]", '{"terms": 3}', '{"terms": {}, "terms": {}}', ""])
@pytest.mark.parametrize("kind", ALL[:2])
def test_a_damaged_document_is_never_a_pass(root, text, kind):
    (root / "meta/provenance.json").write_text(text)
    outcome = judged(root, kind)
    assert outcome.status == "not-evaluable"
    assert "meta/provenance.json" in outcome.why


@given(st.dictionaries(st.sampled_from(terms._KEYS), st.none() | st.integers() | st.text(max_size=12)))
def test_any_terms_are_taken_as_they_are_written(given_):
    one = terms._terms("x", given_)
    assert one.consent == (None if given_.get("consent") is None else str(given_["consent"]))
    assert (one.retention is None) or (one.retention_text is None)
    assert terms.said(one.licence) is (one.licence is not None and one.licence.strip().lower() not in terms.UNSAID)
