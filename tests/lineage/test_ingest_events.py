"""Events of other systems: every input leads to the run and the run to every output; what is wrong is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage import ingest, urn
from lineage.errors import IngestError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "openlineage_events"
FACET = {"_producer": "https://example.org", "_schemaURL": "https://example.org/facet.json"}
RUN = "41fb5137-f0fd-4ee5-ba5c-56f8571d1bd7"
MODEL = str(urn.model("sha256:" + "a" * 64))
VERSION = str(urn.version("arm", "sha256:" + "b" * 64))


def asset(name, namespace="s3://lake", **facets):
    return {"namespace": namespace, "name": name, "facets": {n: FACET | f for n, f in facets.items()}}


def event(inputs=(), outputs=(), **changes):
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-01T12:00:00Z",
        "producer": "https://example.org",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": RUN},
        "job": {"namespace": "etl", "name": "export"},
        "inputs": list(inputs),
        "outputs": list(outputs),
    } | changes


def edges(document):
    return {(str(e.src), str(e.dst)) for e in ingest.read(document).edges}


RUN_NODE = str(urn.activity("run", "openlineage", RUN))
A, B = (str(urn.external("s3://lake", name)) for name in "ab")


def test_an_input_leads_to_the_run_and_the_run_to_an_output():
    assert edges(event([asset("a")], [asset("b")])) == {(A, RUN_NODE), (RUN_NODE, B)}


def test_start_and_complete_are_one_run():
    start = edges(event([asset("a")], eventType="START"))
    assert start | edges(event(outputs=[asset("b")])) == edges(event([asset("a")], [asset("b")]))


@pytest.mark.parametrize("kind", ["ABORT", "FAIL", "OTHER", "RUNNING", "START"])
@pytest.mark.parametrize("change", ["DROP", "OVERWRITE", "TRUNCATE", "ALTER", "CREATE"])
def test_what_is_deleted_or_overwritten_keeps_its_edges(kind, change):
    facet = {"lifecycleStateChange": {"lifecycleStateChange": change}}
    assert edges(event([asset("a", **facet)], [asset("b", **facet)], eventType=kind)) == {(A, RUN_NODE), (RUN_NODE, B)}


def test_our_own_names_are_our_own_nodes():
    assert edges(event([asset(VERSION, "assay")], [asset(MODEL, "elsewhere")])) == {
        (VERSION, RUN_NODE),
        (RUN_NODE, MODEL),
    }


def test_a_renamed_asset_goes_on_and_an_alias_is_the_same():
    renamed = {"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "s3://lake", "name": "a"}}
    assert edges(event(outputs=[asset("b", lifecycleStateChange=renamed)])) == {(RUN_NODE, B), (A, B)}
    links = {"identifiers": [{"namespace": "s3://lake", "name": "b", "type": "TABLE"}]}
    assert edges(event([asset("a", symlinks=links)])) == {(A, RUN_NODE), (A, B), (B, A)}


def test_columns_name_what_the_inputs_leave_out():
    fields = {"x": {"inputFields": [{"namespace": "s3://lake", "name": "a", "field": "y"}]}}
    assert edges(event(outputs=[asset("b", columnLineage={"fields": fields})])) == {(A, RUN_NODE), (RUN_NODE, B)}


def test_events_about_a_job_and_about_a_dataset():
    job = event([asset("a")], [asset("b")])
    for key in ("run", "eventType"):
        del job[key]
    node = str(urn.activity("job", "etl", "export"))
    assert edges(job) == {(A, node), (node, B)}
    alone = {k: v for k, v in event().items() if k in ("eventTime", "producer", "schemaURL")}
    links = {"identifiers": [{"namespace": "s3://lake", "name": "b"}]}
    assert edges(alone | {"dataset": asset("a", symlinks=links)}) == {(A, B), (B, A)}


BAD = {
    "no event": ("x", "event is no object"),
    "an extra field": (event(extra=1), "no field 'extra'"),
    "no run id": (event(run={}), "run.runId"),
    "no uuid": (event(run={"runId": "1"}), "no UUID"),
    "no job": (event(job=None), "job is no object"),
    "no job name": (event(job={"namespace": "x"}), "job.name"),
    "no time": (event(eventTime="yesterday"), "no time"),
    "no time zone": (event(eventTime="2026-03-01T12:00:00"), "no time zone"),
    "another type": (event(eventType="DELETE"), "eventType is one of"),
    "a dataset of ours": (event([asset("urn:assay:dataset:arm")]), "does not join"),
    "a decision of ours": (event(outputs=[asset("urn:assay:decision:1")]), "does not join"),
    "a device of ours": (event(outputs=[asset("urn:assay:device:arm-7")]), "does not join"),
    "a broken name of ours": (event([asset("urn:assay:model:xyz")]), "inputs[0].name"),
    "a name too long": (event([asset("x" * 801)]), "at most 800"),
    "no list": (event() | {"inputs": {"a": 1}}, "inputs is no list"),
    "a string of inputs": (event() | {"inputs": "a"}, "inputs is no list"),
    "no name": (event([{"namespace": "x"}]), "inputs[0].name"),
    "a facet without its schema": (event([{"namespace": "x", "name": "y", "facets": {"z": {}}}]), "_producer"),
    "too many": (event([asset(str(i)) for i in range(1001)]), "at most 1000"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(name):
    document, said = BAD[name]
    with pytest.raises(IngestError) as error:
        ingest.read(document)
    assert said in str(error.value)


def test_of_a_batch_all_are_read_or_none():
    assert len(ingest.read_all([event(), event()])) == 2
    with pytest.raises(IngestError, match="event 1: "):
        ingest.read_all([event(), event(run={})])
    for size in (0, 1001):
        with pytest.raises(IngestError, match="1 to 1000 events"):
            ingest.read_all([event()] * size)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(event(), json_values) | {"dataset": json_values}))
def test_whatever_is_sent_is_read_or_refused(changes):
    try:
        read = ingest.read(event() | changes)
    except IngestError:
        return
    assert all(str(urn.parse(str(node))) for edge in read.edges for node in (edge.src, edge.dst))


@pytest.mark.skipif(not REAL.is_dir(), reason="the events recorded from OpenLineage are not on this machine")
def test_events_of_openlineage_itself():
    simple = ingest.read(json.loads((REAL / "event_simple.json").read_text()))
    assert [str(e.src if e.dst == simple.activity else e.dst).rpartition(":")[2] for e in simple.edges] == [
        "instance.schema.input-1", "instance.schema.input-2", "instance.schema.output-1",
    ]  # fmt: skip
    assert len(ingest.read(json.loads((REAL / "event_full.json").read_text())).edges) >= 2
    with pytest.raises(IngestError, match="runId"):
        ingest.read(json.loads((REAL / "event_no_run_id.json").read_text()))
