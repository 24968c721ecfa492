"""Events follow OpenLineage's published schema, say what Assay adds in its own facets, and are the same bytes twice."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage import urn
from lineage.errors import EventError
from lineage.events import Asset, CheckVerdict, Decision, Event, Job, Phase, RuleVerdict, to_json

SHARED = Path(__file__).resolve().parents[2].parent / "shared/data/openlineage_events"
DIGEST = "sha256:" + "ab" * 32
VERSION = Asset(urn.version("arm-reach-sim", DIGEST), commit="cd" * 32)
MODEL = Asset(urn.model(DIGEST))
CHECK = CheckVerdict(suite=DIGEST, success=False, evaluated=11, failed=("expect_time_gaps",))
ANSWERS = {Job.APPROVE: "refused", Job.GATE: "blocked"}


def event(job=Job.TRAIN, phase=Phase.COMPLETE, **changes):
    complete = phase is Phase.COMPLETE
    rules = (RuleVerdict("record", "missing"), RuleVerdict("success", "pass"))
    base = Event(
        job=job,
        phase=phase,
        run_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        at=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
        inputs=(VERSION,),
        outputs=(MODEL, Asset(urn.robot("로봇 \n\u2028"))),
        check=CHECK if complete and job is Job.CHECK else None,
        decision=Decision(urn.decision("7"), ANSWERS[job], DIGEST, rules) if complete and job in ANSWERS else None,
        error="disk full" if phase is Phase.FAIL else None,
    )
    return replace(base, **changes)


EVERY = [event(job, phase) for job in Job for phase in Phase]


@pytest.fixture(scope="module")
def schema():
    path = SHARED / "OpenLineage.json"
    if not path.exists():
        pytest.skip("OpenLineage.json of the shared data is not beside this checkout")
    return jsonschema.Draft202012Validator(json.loads(path.read_text()), format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.job}-{one.phase}")
def test_every_event_follows_the_published_schema(schema, one):
    schema.validate(json.loads(to_json(one)))


def test_the_schema_would_notice(schema):
    message = json.loads(to_json(event()))
    del message["inputs"][0]["facets"]["assay_manifest"]["_schemaURL"]
    assert not schema.is_valid(message)
    assert not schema.is_valid(json.loads((SHARED / "event_no_run_id.json").read_text()))


@pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.job}-{one.phase}")
def test_what_is_ours_says_so_by_a_versioned_urn(one):
    message = json.loads(to_json(one))
    assert message["producer"] == "urn:assay:producer:lineage:1"
    assert message["job"] == {"namespace": "assay", "name": one.job.value, "facets": {}}
    facets = dict(message["run"]["facets"])
    for asset in (*message["inputs"], *message["outputs"]):
        facets |= asset["facets"]
    for name, facet in facets.items():
        assert facet["_producer"] == message["producer"]
        if name.startswith("assay_"):
            assert facet["_schemaURL"] == f"urn:assay:schema:{name.removeprefix('assay_')}-facet:1"
        else:
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")


def test_facets_carry_what_was_given():
    check = json.loads(to_json(event(Job.CHECK)))
    given_facet = check["run"]["facets"]["assay_check"]
    assert given_facet.items() >= {"suite": DIGEST, "success": False, "evaluated": 11}.items()
    assert given_facet["failed"] == ["expect_time_gaps"]
    first = check["inputs"][0]
    assert urn.parse(first["name"]) == VERSION.urn
    assert first["facets"]["assay_manifest"]["digest"] == DIGEST
    assert first["facets"]["assay_manifest"]["commit"] == "cd" * 32
    assert first["facets"]["version"]["datasetVersion"] == DIGEST
    assert "commit" not in check["outputs"][0]["facets"]["assay_manifest"]

    gate = json.loads(to_json(event(Job.GATE)))["run"]["facets"]["assay_decision"]
    assert gate["answer"] == "blocked"
    assert gate["policy"] == DIGEST
    assert gate["decision"] == "urn:assay:decision:7"
    assert gate["rules"] == [{"rule": "record", "verdict": "missing"}, {"rule": "success", "verdict": "pass"}]

    failed = json.loads(to_json(event(Job.INGEST, Phase.FAIL)))
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"] == "disk full"


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.uuids(),
    st.text(min_size=1),
)
def test_an_event_is_one_line_and_the_same_bytes_for_the_same_moment(moment, offset, run_id, error):
    zone = timezone(timedelta(minutes=offset))
    at = moment.replace(tzinfo=UTC)
    one = event(phase=Phase.FAIL, run_id=run_id, at=at, error=error)
    line = to_json(one)
    assert line == to_json(replace(one, at=at.astimezone(zone)))
    assert "\n" not in line
    assert line.isascii()
    message = json.loads(line)
    assert message["eventTime"].endswith("Z")
    assert datetime.fromisoformat(message["eventTime"]) == at
    assert message["run"]["runId"] == str(run_id)
    assert message["run"]["facets"]["errorMessage"]["message"] == error


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"at": datetime(2026, 3, 1)}, "no time zone"),
        ({"check": CHECK}, "cannot have a check verdict"),
        ({"error": "x"}, "cannot have an error"),
        ({"phase": Phase.FAIL}, "needs an error"),
        ({"phase": Phase.FAIL, "error": ""}, "needs an error"),
        ({"job": Job.CHECK}, "needs a check verdict"),
        ({"job": Job.CHECK, "check": replace(CHECK, success=True)}, "success is True with 1 failed"),
        ({"job": Job.GATE}, "needs a decision"),
        ({"job": Job.GATE, "decision": Decision(urn.decision("1"), "approved", DIGEST, ())}, "no answer of gate"),
        ({"decision": Decision(urn.decision("1"), "approved", DIGEST, ())}, "cannot have a decision"),
    ],
)
def test_an_event_that_contradicts_itself_does_not_exist(changes, says):
    with pytest.raises(EventError, match=says):
        replace(event(), **changes)


def test_importing_lineage_is_light():
    code = (
        "import sys, lineage.emit, lineage.events, lineage.edge\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'openlineage', 'requests', 'httpx', 'attr'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
