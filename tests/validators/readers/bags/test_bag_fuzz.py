"""Whatever the bytes, a bag is a recording or a named refusal, and what is lost is said."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.rosbag1 import Writer as Writer1

from validators import readers
from validators.errors import UnreadableDataset

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def originals(bags, tmp_path_factory):
    root = tmp_path_factory.mktemp("bags")
    bags.mcap(root / "ros2.mcap", seconds=0.2)
    bags.mcap(root / "plain.mcap", seconds=0.2, use_chunking=False)
    bags.json(root / "json.mcap")
    bags.protobuf(root / "protobuf.mcap")
    bags.ros1(root / "plain.bag", seconds=0.2)
    bags.ros1(root / "lz4.bag", Writer1.CompressionFormat.LZ4, seconds=0.2)
    bags.ros2(root / "sqlite", seconds=0.2)
    return {path: whole(path) for path in sorted(root.iterdir())}


def whole(path):
    """Rows of a sound bag, and that nothing is said of it."""
    recording = readers.open(path)
    assert not recording.problems
    assert not recording.late()
    return sum(s.rows for s in recording.streams.values())


@st.composite
def spoiling(draw):
    """What is done to a file: bytes changed, a part cut out, the end cut, two parts swapped."""
    kind = draw(st.sampled_from(["flip", "flip", "cut", "end", "swap", "insert"]))
    return kind, draw(st.floats(0, 1)), draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=16))


def spoilt(content, how):
    kind, first, second, some = how
    a, b = sorted((int(first * (len(content) - 1)), int(second * (len(content) - 1))))
    if kind == "flip":
        return content[:a] + some + content[a + len(some) :]
    if kind == "cut":
        return content[:a] + content[min(b, a + 5000) :]
    if kind == "end":
        return content[:a]
    if kind == "insert":
        return content[:a] + some + content[a:]
    half = (b - a) // 2
    return content[:a] + content[a + half : b] + content[a : a + half] + content[b:]


@pytest.mark.parametrize("number", range(7))
@quick
@given(hows=st.lists(spoiling(), min_size=1, max_size=3))
def test_spoilt_bags(originals, tmp_path, number, hows):
    source, rows = list(originals.items())[number]
    root = tmp_path / "spoilt"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    target = root / source.name
    if source.is_dir():
        shutil.copytree(source, target)
        path = target / f"{source.name}.db3"
    else:
        shutil.copy(source, target)
        path = target
    content = path.read_bytes()
    for how in hows:
        content = spoilt(content, how)
    path.write_bytes(content)
    try:
        recording = readers.open(target)
        found = sum(stream.rows for stream in recording.streams.values())
        told = (*recording.problems, *recording.late())
        for stream in recording.streams.values():
            stream.frames().collect()
    except UnreadableDataset:
        return
    assert told or found >= rows


@quick
@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"\x89MCAP0\r\n", b"#ROSBAG V2.0\n", b"SQLite format 3\0"]),
    name=st.sampled_from(["a.mcap", "a.bag", "a.db3", "a"]),
)
def test_any_bytes(tmp_path, content, start, name):
    path = tmp_path / name
    path.write_bytes(start + content)
    try:
        recording = readers.open(path)
        told = (*recording.problems, *recording.late())
    except UnreadableDataset:
        return
    assert told


@quick
@given(text=st.text(max_size=200))
def test_any_metadata(originals, tmp_path, text):
    source = next(path for path in originals if path.is_dir())
    target = tmp_path / "bag"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    (target / "metadata.yaml").write_text("rosbag2_bagfile_information:\n  version: 5\n  " + text, encoding="utf-8")
    try:
        recording = readers.open(target)
    except UnreadableDataset:
        return
    assert sum(s.rows for s in recording.streams.values()) == originals[source]
