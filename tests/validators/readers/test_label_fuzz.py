"""Whatever is in a file of labels, it is a recording that can be judged, or a named refusal: no crash, no hang."""

import copy
import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import labelled
from tests.support.damaged import damaged
from validators import readers
from validators.documents import canonical
from validators.errors import UnreadableDataset
from validators.run import run
from validators.suites import load

SUITE = load("labels@1")
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
scalar = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.sampled_from(["", "1", "\ud800", "x" * 5000, "1e999", 1e308, -1, 2**63])
    | st.text(max_size=4)
)
value = st.recursive(scalar, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3))


def answered(path):
    try:
        result = run(readers.open(path), SUITE)
    except UnreadableDataset:
        return None
    canonical(result.to_dict())
    canonical(result.to_gx())
    return result


def places(document, at=()):
    """Every place in the document."""
    yield at
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from places(document[key], (*at, key))


def spoilt(data, document):
    """The document with some values replaced, taken out or doubled."""
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([p for p in places(document) if p]))
        parent = document
        for step in way:
            parent = parent[step]
        kind = data.draw(st.sampled_from(["replace", "remove", "double"]))
        if kind == "replace":
            parent[last] = data.draw(value)
        elif kind == "remove":
            del parent[last]
        elif isinstance(parent, list):
            parent.append(parent[last])
        if not document:
            return document
    return document


@pytest.mark.parametrize("made", [labelled.coco, labelled.openlabel], ids=["coco", "openlabel"])
@quick
@given(data=st.data())
def test_spoilt_documents(tmp_path, made, data):
    path = labelled.write(tmp_path / "x.json", spoilt(data, made()))
    answered(path)
    answered(tmp_path)


@settings(quick, max_examples=20)
@given(data=st.data())
def test_spoilt_nuscenes_tables(tmp_path, data):
    shutil.rmtree(tmp_path / "nu", ignore_errors=True)
    tables = labelled.nuscenes(scenes=1, samples=2, sweeps=2)
    tables = {**tables, **spoilt(data, tables)}
    (tmp_path / "nu/v1.0-mini").mkdir(parents=True)
    for name, rows in tables.items():
        if name in labelled.nuscenes(1, 1, 1):
            labelled.write(tmp_path / f"nu/v1.0-mini/{name}.json", rows)
    answered(tmp_path / "nu")


@quick
@given(
    st.lists(
        st.lists(st.sampled_from(["Car", "0", "1", "-1", "nan", "inf", "1e999", "x", "\u00a0", "7"]), max_size=17),
        max_size=4,
    )
)
def test_spoilt_kitti_lines(tmp_path, lines):
    root = labelled.write_kitti(tmp_path / "kitti", text=labelled.KITTI + "\n".join(map(" ".join, lines)))
    answered(root)


@pytest.mark.parametrize("name", ["x.json", "label_2/000000.txt", "v1.0/sample_data.json"])
@quick
@given(
    content=st.binary(max_size=200)
    | st.sampled_from([b'{"openlabel": ', b'{"images": [{"id": 1, "width"']).map(lambda b: b * 9)
)
def test_any_bytes(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    for other in ("sample", "calibrated_sensor", "scene", "sensor", "ego_pose"):
        (tmp_path / "v1.0").mkdir(exist_ok=True)
        (tmp_path / f"v1.0/{other}.json").write_bytes(content if name.startswith("v1") else b"[]")
    answered(path)
    answered(path.parent)


@quick
@given(data=st.data())
def test_cut_and_changed_bytes(tmp_path, data):
    content = damaged(json.dumps(data.draw(st.sampled_from([labelled.coco(), labelled.openlabel()]))).encode(), data)
    path = tmp_path / "x.json"
    path.write_bytes(content)
    answered(path)


def test_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"openlabel": {"metadata": ' + '{"a": ' * 50_000 + "1" + "}" * 50_002)
    with pytest.raises(UnreadableDataset, match="nested too deeply"):
        readers.open(path)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    outside = labelled.write(tmp_path / "outside.json", labelled.coco())
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.json").symlink_to(outside)
    with pytest.raises(UnreadableDataset) as refused:
        readers.open(tmp_path / "in")
    assert refused.value.kind == "path-outside"
