"""Bags of every kind as recordings: streams on the messages' own stamps, facts, cameras; damage is said."""

import json
import os
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from google.protobuf import descriptor_pb2
from mcap.writer import CompressionType, Writer
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from validators import readers
from validators.errors import UnreadableDataset

KINDS = (
    "mcap",
    "mcap-raw",
    "mcap-unchunked",
    "ros1",
    "ros1-lz4",
    "ros1-bz2",
    "sqlite",
    "sqlite-zstd",
    "file-zstd",
    "ros2-mcap",
)


def made(bags, kind, root):
    """A bag of that kind below the folder, and the address to open."""
    one = root / "one"
    if kind == "mcap":
        return bags.mcap(root / "one.mcap")
    if kind == "mcap-raw":
        return bags.mcap(root / "one.mcap", compression=CompressionType.NONE)
    if kind == "mcap-unchunked":
        return bags.mcap(root / "one.mcap", use_chunking=False)
    if kind.startswith("ros1"):
        formats = {"lz4": Writer1.CompressionFormat.LZ4, "bz2": Writer1.CompressionFormat.BZ2}
        return bags.ros1(root / "one.bag", formats.get(kind[5:]))
    if kind == "sqlite":
        return bags.ros2(one)
    if kind == "sqlite-zstd":
        return bags.ros2(one, mode=CompressionMode.MESSAGE, fmt=CompressionFormat.ZSTD)
    if kind == "file-zstd":
        return bags.ros2(one, mode=CompressionMode.FILE, fmt=CompressionFormat.ZSTD)
    return bags.ros2(one, bags.storage.MCAP)


def said(recording):
    return " | ".join(p.message for p in (*recording.problems, *recording.late()))


def lengths(recording):
    return {name: stream.rows for name, stream in recording.streams.items()}


ALL = {
    "/imu": 200,
    "/joint_states": 100,
    "/camera/image": 30,
    "/camera/camera_info": 1,
    "/tf_static": 1,
    "/robot_description": 1,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_bag_says_the_same(bags, tmp_path, kind):
    recording = readers.open(made(bags, kind, tmp_path))
    assert said(recording) == ""
    assert lengths(recording) == ALL
    assert [(e.index, e.length) for e in recording.episodes] == [(0, sum(ALL.values()))]
    assert recording.episodes[0].start_s == 0
    assert recording.facts.robot_type == "panda"

    imu = recording.streams["/imu"]
    rows = imu.frames().with_columns(t=imu.seconds()).collect()
    assert rows["header.stamp"].to_list() == [bags.start + i * 5_000_000 for i in range(200)]
    assert rows["log_time"].to_list() == [bags.start + i * 5_000_000 + 300_000 for i in range(200)]
    assert rows["t"].to_list() == pytest.approx([i * 0.005 - 0.0003 for i in range(200)], abs=1e-12)
    assert rows["angular_velocity.z"].to_list() == list(range(200))
    assert imu.features["orientation_covariance"].width == 9
    assert rows["orientation_covariance"][0].to_list() == list(range(9))
    assert imu.clock.source == "header.stamp"

    joints = recording.streams["/joint_states"]
    assert joints.features["position"].names == tuple(bags.joints)
    assert "effort" not in joints.features
    assert joints.frames().collect()["position"][7].to_list() == [7, 0.5, -7]

    image = recording.streams["/camera/image"].frames().collect()
    assert image["data.size"].to_list() == [12 * 16 * 3] * 30
    assert image["data.digest"].n_unique() == 30
    source = recording.streams["/robot_description"].clock.source
    assert source == ("publish_time" if recording.format == "mcap" else "log_time")


@pytest.mark.parametrize("kind", KINDS)
def test_sensors_and_pictures(bags, tmp_path, kind):
    recording = readers.open(made(bags, kind, tmp_path))
    sensors = recording.facts.sensors
    assert {n: s.kind for n, s in sensors.items()} == {
        "/imu": "imu",
        "/joint_states": "joints",
        "/camera/image": "camera",
        "frame:cam": "frame",
    }
    calibration = sensors["/camera/image"].calibration
    assert calibration["K"] == list(range(9))
    assert (calibration["width"], calibration["distortion_model"], calibration["frame_id"]) == (16, "plumb_bob", "cam")
    assert sensors["frame:cam"].calibration["translation"] == [0.1, 0.0, 0.5]
    camera = recording.cameras["/camera/image"]
    assert (camera.width, camera.height, camera.codec, list(camera.episodes)) == (16, 12, "rgb8", [0])
    found = list(camera.source(0))
    assert len(found) == 30
    assert found[3].data == np.roll(bags.picture, 3).tobytes()
    assert found[3].time_s == pytest.approx(3 * 0.033333333 - 0.0003, abs=1e-9)
    assert (found[3].format, found[3].width, found[3].height, found[3].step) == ("rgb8", 16, 12, 48)


def test_what_the_recorder_says(bags, tmp_path):
    recording = readers.open(bags.mcap(tmp_path / "a.mcap"))
    assert recording.facts.tools == {"recorder": "a recorder 1.2", "profile": "ros2"}
    assert recording.streams["/imu"].clock.synchronised == "ptp"
    assert {"log_time", "publish_time"} <= recording.streams["/imu"].features.keys()
    assert recording.streams["/robot_description"].clock.source == "publish_time"
    other = readers.open(bags.ros2(tmp_path / "b"))
    assert other.facts.tools["ros_distro"] == "rosbags"
    assert other.streams["/imu"].clock.synchronised == "unknown"


def test_json(bags, tmp_path):
    recording = readers.open(bags.json(tmp_path / "a.mcap"))
    rows = recording.streams["/a"].frames().collect()
    assert said(recording) == ""
    assert rows["x"].to_list() == [i / 2 for i in range(20)]
    assert rows.schema["n"] == pl.Int64
    assert rows["timestamp"][3] == bags.start // 10**9 * 10**9 + 3
    assert recording.streams["/a"].clock.source == "timestamp"
    assert rows["pose.q"][4].to_list() == [0, 4, 0.5]


def test_protobuf(bags, tmp_path):
    recording = readers.open(bags.protobuf(tmp_path / "a.mcap"))
    rows = recording.streams["/a"].frames().collect()
    assert said(recording) == ""
    assert rows["value"].to_list() == [i / 2 for i in range(20)]
    assert rows["count"].to_list() == [2**64 - 1 - i for i in range(20)]
    assert rows.schema["joints"] == pl.List(pl.Float32)
    assert rows["data.size"].to_list() == [300] * 20
    assert rows["parts.length"].to_list() == [1] * 20
    assert rows["timestamp"][3] == bags.start // 10**9 * 10**9 + 3


def test_many_bags_are_episodes_on_one_clock(bags, tmp_path):
    bags.mcap(tmp_path / "b.mcap")
    bags.ros1(tmp_path / "a.bag", seconds=0.5)
    (tmp_path / "deep").mkdir()
    bags.ros2(tmp_path / "deep" / "c")
    recording = readers.open(tmp_path)
    assert [e.path for e in recording.episodes] == ["a.bag", "b.mcap", "deep/c/metadata.yaml"]
    assert recording.format == "mcap+rosbag1+rosbag2"
    assert said(recording) == ""
    first, others = recording.streams["/imu"], recording.streams["/imu (sensor_msgs/msg/Imu)"]  # ROS 1 has header.seq
    assert "header.seq" in first.features
    assert "header.seq" not in others.features
    assert (first.lengths, others.lengths) == ({0: 100}, {1: 200, 2: 200})
    times = [s.frames().select(t=s.seconds()).collect()["t"] for s in (first, others)]
    assert [t[0] for t in times] == pytest.approx([-0.0003, -0.0003])


def test_a_single_file_is_known_by_how_it_starts(bags, tmp_path):
    path = bags.mcap(tmp_path / "a.mcap").rename(tmp_path / "recording")
    assert lengths(readers.open(path)) == ALL
    path = bags.ros1(tmp_path / "a.bag").rename(tmp_path / "recording.1")
    assert lengths(readers.open(path)) == ALL


@pytest.mark.parametrize("name", ["a.mcap", "a.bag", "a.db3"])
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"no bag at all", b"\x89MCAP0\r\n", b"#ROSBAG V2.0\n", b"SQLite format 3\0"]
)
def test_files_that_are_none(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    try:
        text = said(readers.open(tmp_path / name))
    except UnreadableDataset as error:
        text = error.detail if error.kind == "file-damaged" else ""
    assert text


def test_one_bad_bag_among_good_ones(bags, tmp_path):
    bags.mcap(tmp_path / "a.mcap")
    (tmp_path / "b.mcap").write_bytes(b"")
    recording = readers.open(tmp_path)
    assert [(p.kind, p.path) for p in recording.problems] == [("file-damaged", "b.mcap")]
    assert lengths(recording) == ALL


@pytest.mark.parametrize("kind", ["mcap", "mcap-unchunked", "ros1", "ros1-lz4"])
def test_a_cut_bag_is_read_as_far_as_it_goes(bags, tmp_path, kind):
    path = made(bags, kind, tmp_path)
    os.truncate(path, path.stat().st_size * 6 // 10)
    recording = readers.open(path)
    rows = lengths(recording)["/imu"]
    assert 40 < rows < 200
    text = said(recording)
    assert "read from its start, record by record" in text
    assert "no whole record at byte" in text
    assert recording.episodes[0].length == sum(lengths(recording).values())


@pytest.mark.parametrize("kind", ["mcap", "mcap-raw", "ros1-bz2"])  # ROS 1 has no checksums, but bzip2 has
def test_a_chunk_that_is_overwritten_is_said_and_the_others_read(bags, tmp_path, kind):
    path = made(bags, kind, tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    recording = readers.open(path)
    text = said(recording)
    assert 100 < lengths(recording)["/imu"] <= 200
    assert "chunk at byte" in text or "no whole record" in text or "cannot be decoded" in text, text


def test_messages_outside_of_chunks_have_a_checksum_too(bags, tmp_path):
    path = bags.mcap(tmp_path / "a.mcap", use_chunking=False, enable_data_crcs=True)
    assert said(readers.open(path)) == ""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<d", 9.81))
    content[at + 7] ^= 1
    path.write_bytes(content)
    recording = readers.open(path)
    assert "do not match their checksum" in said(recording)
    assert lengths(recording) == ALL


def test_a_message_that_cannot_be_decoded_is_counted(bags, tmp_path):
    path = bags.messages(tmp_path / "a.mcap", "json", [b'{"x": 1.5}'] * 5 + [b'{"x": "no"}', b"{"] + [b'{"x": 2}'] * 3)
    recording = readers.open(path)
    assert lengths(recording) == {"/a": 8}
    assert "2 of 10 messages of /a cannot be decoded, from 0.100 to 0.120 s of log time" in said(recording)


@pytest.mark.parametrize(
    ("encoding", "schema", "why"),
    [
        ("cbor", None, "encoding 'cbor'"),
        ("cdr", ("a/msg/B", "ros2idl", b"module a {};"), "schema of 'ros2idl'"),
        ("cdr", ("a/msg/B", "ros2msg", b"c/D d"), "the definition of c/D is not in the file"),
        ("cdr", ("a/msg/B", "ros2msg", b"B b"), "nest deeper"),
        ("cdr", None, "schema of ''"),
        ("protobuf", ("a.B", "protobuf", b"junk"), "descriptor cannot be read"),
        ("json", ("a", "jsonschema", b"{"), "its definition cannot be used"),
        ("json", None, "first message cannot be decoded"),
    ],
)
def test_topics_that_cannot_be_read_are_said(bags, tmp_path, encoding, schema, why):
    recording = readers.open(bags.messages(tmp_path / "a.mcap", encoding, [b"\0\1\0\0"] * 3, schema))
    assert recording.streams == {}
    assert "topic /a" in said(recording)
    assert why in said(recording) or "its definition cannot be used" in said(recording)


@pytest.mark.parametrize("empty", [True, False])
def test_a_descriptor_that_explodes_is_refused(bags, tmp_path, empty):
    described = descriptor_pb2.FileDescriptorSet()
    file = described.file.add(name="bomb.proto", package="b", syntax="proto3")
    for depth in range(12):
        node = file.message_type.add(name=f"M{depth}")
        for i in range(1, 30 if depth < 11 else 1 if empty else 3):
            below = {"type": 11, "type_name": f".b.M{depth + 1}"} if depth < 11 else {"type": 1}
            node.field.add(name=f"f{i}", number=i, label=1, **below)
    schema = ("b.M0", "protobuf", described.SerializeToString())
    recording = readers.open(bags.messages(tmp_path / "a.mcap", "protobuf", [b""], schema))
    assert "fields within fields" in said(recording) or "values, 1 to" in said(recording)


def record(opcode, body):
    return struct.pack("<BQ", opcode, len(body)) + body


def chunk(content, size=None, compression=b"", crc=None):
    data = struct.pack(
        "<QQQI", 0, 0, len(content) if size is None else size, zlib.crc32(content) if crc is None else crc
    )
    return record(
        6, data + struct.pack("<I", len(compression)) + compression + struct.pack("<Q", len(content)) + content
    )


CHANNEL = record(4, struct.pack("<HH", 1, 0) + b"\2\0\0\0/a" + b"\4\0\0\0json" + b"\0\0\0\0")
OTHER = record(4, struct.pack("<HH", 1, 0) + b"\2\0\0\0/b" + b"\4\0\0\0json" + b"\0\0\0\0")
ONE = record(5, struct.pack("<HIQQ", 1, 0, 5, 5) + b'{"x": 1}')
STRANGER = record(5, struct.pack("<HIQQ", 9, 0, 5, 5) + b'{"x": 1}')
MAGIC = b"\x89MCAP0\r\n"


@pytest.mark.parametrize(
    ("parts", "rows", "why"),
    [
        ([chunk(CHANNEL + ONE), chunk(ONE, size=100 << 30)], 1, "claims 107374182400 bytes"),
        ([chunk(CHANNEL + ONE), chunk(ONE, size=100 << 30, compression=b"zstd")], 1, "claims 107374182400 bytes"),
        ([chunk(CHANNEL + ONE), chunk(ONE, compression=b"zstd")], 1, "cannot be"),
        ([chunk(CHANNEL + ONE), chunk(ONE, compression=b"lz4")], 1, "cannot be"),
        ([chunk(CHANNEL + ONE), chunk(ONE, compression=b"rar")], 1, "compression 'rar' is not known"),
        ([chunk(CHANNEL + ONE), chunk(ONE, crc=7)], 1, "does not match its checksum"),
        ([chunk(CHANNEL + ONE + OTHER)], 1, "channel 1 is declared twice, differently"),
        ([chunk(CHANNEL + ONE + STRANGER * 3)], 1, "3 messages belong to no channel"),
        ([chunk(CHANNEL + ONE + record(5, b"x")[:-1] + b"")], 1, "is cut"),
        ([chunk(CHANNEL + ONE), struct.pack("<BQ", 5, 1 << 60)], 1, "no whole record"),
        ([chunk(CHANNEL + ONE), b"\0" * 100], 1, "no whole record"),
        ([CHANNEL, ONE, record(200, b"private"), ONE], 2, "no summary"),
        ([CHANNEL, ONE, record(5, struct.pack("<HIQQ", 1, 0, 1 << 63, 0) + b'{"x": 1}')], 1, "its time is"),
    ],
)
def test_hostile_records(tmp_path, parts, rows, why):
    path = tmp_path / "a.mcap"
    path.write_bytes(MAGIC + b"".join(parts))
    recording = readers.open(path)
    assert lengths(recording) == {"/a": rows}
    assert why in said(recording)


def test_a_bomb_of_zstd_is_not_opened(tmp_path):
    import zstandard

    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 << 20))
    path = tmp_path / "a.mcap"
    path.write_bytes(MAGIC + chunk(CHANNEL + ONE) + chunk(bomb, size=1000, compression=b"zstd", crc=0))
    recording = readers.open(path)
    assert lengths(recording) == {"/a": 1}
    assert "chunk at byte" in said(recording)


def test_counts_of_the_metadata_against_the_messages(bags, tmp_path):
    root = bags.ros2(tmp_path / "a")
    path = root / "metadata.yaml"
    path.write_text(path.read_text().replace("message_count: 200", "message_count: 210"))
    assert "metadata.yaml lists 210 messages of /imu, 200 are there" in said(readers.open(root))


@pytest.mark.parametrize("content", ["", "{", "a: &x 1", "rosbag2_bagfile_information: 5", "x" * 100])
def test_metadata_that_is_none_does_not_hide_the_messages(bags, tmp_path, content):
    root = bags.ros2(tmp_path / "a")
    (root / "metadata.yaml").write_text(content)
    recording = readers.open(root)
    assert lengths(recording) == ALL
    assert "the storage files beside it were read" in said(recording)


def test_a_storage_file_that_is_missing(bags, tmp_path):
    root = bags.ros2(tmp_path / "a")
    (root / "a.db3").unlink()
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(root)
    assert caught.value.kind == "file-missing"
    assert "a.db3" in str(caught.value)


def test_stamps_of_a_simulator_are_one_epoch(bags, tmp_path):
    data = [json.dumps({"timestamp": {"sec": i, "nsec": 0}, "x": i}).encode() for i in range(5, 15)]
    recording = readers.open(bags.messages(tmp_path / "a.mcap", "json", data))
    stream = recording.streams["/a"]
    assert stream.frames().select(t=stream.seconds()).collect()["t"].to_list() == list(range(10))


def test_topics_of_one_name_and_two_types(tmp_path):
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        for kind, content in (("A", b'{"x": 1}'), ("B", b'{"y": 2}')):
            key = writer.register_schema(kind, "jsonschema", b"{}")
            writer.add_message(writer.register_channel("/a", "json", key), 1, content, 1)
        writer.finish()
    assert lengths(readers.open(tmp_path / "a.mcap")) == {"/a": 1, "/a (B)": 1}


def test_publishers_that_share_a_topic_are_streams_of_their_own(bags, tmp_path):
    """An arm and its gripper both speak on /joint_states, each of its own joints."""
    arm = b'{"name": ["a", "b"], "position": [%d, 2]}'
    data = [arm % i if i % 2 == 0 else b'{"name": ["grip"], "position": [0.5]}' for i in range(20)]
    recording = readers.open(bags.messages(tmp_path / "a.mcap", "json", data))
    assert lengths(recording) == {"/a": 10, "/a [grip]": 10}
    assert recording.streams["/a"].features["position"].names == ("a", "b")
    assert recording.streams["/a [grip]"].features["position"].width == 1
    assert said(recording) == ""
    data.append(b'{"name": ["stranger"], "position": [0.5]}')
    data[1:1] = [arm % 1] * 30
    recording = readers.open(bags.messages(tmp_path / "b.mcap", "json", data))
    assert "cannot be decoded" in said(recording)
    assert "names other values" in said(recording)


def test_a_sequence_of_changing_length_is_declared_of_no_width(bags, tmp_path):
    data = [json.dumps({"x": 1, "scores": [0.5] * (1 + i % 3)}).encode() for i in range(20)]
    recording = readers.open(bags.messages(tmp_path / "a.mcap", "json", data))
    stream = recording.streams["/a"]
    assert "scores" not in stream.features
    assert stream.frames().collect()["scores"].list.len().to_list() == [1 + i % 3 for i in range(20)]
