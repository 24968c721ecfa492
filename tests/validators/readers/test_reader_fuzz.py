"""Whatever the bytes, a reader answers with a recording or a named refusal: no crash, no hang."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.damaged import damaged
from validators import readers
from validators.documents import DocumentError, canonical, parse_json, parse_jsonl, parse_yaml
from validators.errors import UnreadableDataset
from validators.readers.lerobot.v21 import locate
from validators.result import SuiteResult
from validators.run import run
from validators.suites import load

SUITE = load("arm@1")
FILES = ("meta/info.json", "meta/episodes.jsonl", "meta/assay_episodes.jsonl", "data/chunk-000/episode_000001.parquet")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def dataset(writer):
    tracks = writer.tracks(2, rows=20)
    for t in tracks:
        t.facts = {"rig": "a"}
    return writer.write(tracks)


def answered(root) -> SuiteResult | None:
    try:
        return run(readers.open(root), SUITE)
    except UnreadableDataset:
        return None


@quick
@given(data=st.data())
def test_spoilt_bytes(dataset, data):
    root = dataset.parent / "spoilt"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(dataset, root)
    path = root / data.draw(st.sampled_from(FILES))
    content = damaged(path.read_bytes(), data)
    path.write_bytes(content)
    result = answered(root)
    if result is not None:
        canonical(result.to_dict())
        canonical(result.to_gx())


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@quick
@given(
    key=st.sampled_from(["fps", "features", "data_path", "video_path", "chunks_size", "total_frames", "robot_type"]),
    value=json_value,
)
def test_metadata_of_any_value(writer, dataset, key, value):
    before = (dataset / "meta/info.json").read_text()
    writer.info(dataset, lambda info: info.update({key: value}))
    answered(dataset)
    (dataset / "meta/info.json").write_text(before)


@given(st.text(st.sampled_from("{}:.!d06/episode_indxchunkvky"), max_size=30))
def test_any_template_is_filled_or_refused(template):
    try:
        found = locate(template, 7, 1000, "cam")
    except UnreadableDataset:
        return
    assert len(found) < 1000


@given(st.text(max_size=60) | st.builds(repr, json_value))
def test_any_text_is_a_document_or_refused(text):
    for parse in (parse_json, parse_yaml, lambda t: list(parse_jsonl(t))):
        try:
            parse(text)
        except DocumentError:
            continue


@given(json_value)
def test_json_comes_back(value):
    try:
        text = canonical(value)
    except ValueError:
        return
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": 1, "a": 2}', "NaN", "-Infinity", "1e999", "", "1 2", "1" * 5000, '{"a": {"b": 1, "b": 1}}'],
)
def test_json_that_is_refused(text):
    with pytest.raises(DocumentError):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x",
        "a: !!str 1",
        "a: 1\na: 2",
        "--- 1\n--- 2",
        "[" * 100,
        "a: [",
        "\x00",
        "b: {c: 1, c: 2}",
        "? [a]\n: 1\n<<: {}",
    ],
)
def test_yaml_that_is_refused(text):
    with pytest.raises(DocumentError):
        parse_yaml(text)
