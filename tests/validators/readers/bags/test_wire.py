"""Messages from bytes: the same values as both libraries give, bounded work whatever the bytes and definitions."""

import contextlib
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap_ros2._dynamic import generate_dynamic
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from validators.readers.bags.definition import normal, parse
from validators.readers.bags.message import DECODE_ERRORS
from validators.readers.bags.wire import Wire

STORES = {1: get_typestore(Stores.ROS1_NOETIC), 2: get_typestore(Stores.ROS2_HUMBLE)}
TYPES = [
    "sensor_msgs/msg/Imu",
    "sensor_msgs/msg/JointState",
    "sensor_msgs/msg/LaserScan",
    "sensor_msgs/msg/BatteryState",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/Joy",
    "nav_msgs/msg/Odometry",
    "nav_msgs/msg/Path",
    "diagnostic_msgs/msg/DiagnosticArray",
    "trajectory_msgs/msg/JointTrajectory",
    "std_msgs/msg/Empty",
    "std_msgs/msg/String",
    "std_msgs/msg/UInt64",
    "std_msgs/msg/Float32MultiArray",
    "visualization_msgs/msg/Marker",
]
INTEGERS = {f"{u}int{n}": (u, n) for u in ("", "u") for n in (8, 16, 32, 64)}


SPECIAL = {"float": [0.0, -0.0, math.nan, math.inf, 1e-40], "text": ["", "a", "ü€😀", "a\nb"]}


def values(rng, store, desc):
    """Any value of a field, as rosbags wants it."""
    kind, what = desc
    if kind == Nodetype.BASE:
        return primitive(rng, what[0])
    if kind == Nodetype.NAME:
        return message(rng, store, what)
    inner, count = what
    number = count if kind == Nodetype.ARRAY else int(rng.integers(0, 4))
    found = [values(rng, store, inner) for _ in range(number)]
    if inner[0] == Nodetype.BASE and inner[1][0] != "string":
        names = {"bool": "bool", "byte": "uint8", "char": "uint8", "octet": "uint8"}
        return np.array(found, names.get(inner[1][0], inner[1][0]))
    return found


def primitive(rng, name):
    if name == "string":
        return str(rng.choice(SPECIAL["text"]))
    if name == "bool":
        return bool(rng.integers(2))
    if name.startswith("float"):
        value = float(rng.choice(SPECIAL["float"])) if rng.random() < 0.2 else float(rng.normal())
        return float(np.float32(value)) if name == "float32" else value
    if name in ("byte", "char", "octet"):
        return int(rng.integers(0, 128))  # signed or not: the libraries differ
    unsigned, bits = INTEGERS.get(name, ("u", 8))
    raw = int.from_bytes(rng.bytes(bits // 8), "little", signed=not unsigned)
    return raw if rng.random() < 0.8 else -1 if not unsigned else 2**bits - 1


def message(rng, store, name):
    fields = {n: values(rng, store, d) for n, d in store.fielddefs[name][1]}
    if name.endswith("/Time"):
        fields["sec"] &= 0x7FFFFFFF  # ROS 1 has it unsigned, the library signed
    return store.types[name](**fields)


def at(found, leaf):
    """What a message of a library holds at a dotted name; a time as nanoseconds."""
    for name in leaf.split("."):
        found = getattr(found, name)
    return found.sec * 10**9 + found.nanosec if hasattr(found, "nanosec") else found


def leaves(store, name, prefix=""):
    """Dotted names of all fields."""
    for field, (kind, what) in store.fielddefs[name][1]:
        if kind == Nodetype.NAME and not what.startswith("builtin_interfaces"):
            yield from leaves(store, what, f"{prefix}{field}.")
        elif field != "structure_needs_at_least_one_member":
            yield prefix + field


def same(mine, oracle):
    """Whether both are the same values, bit by bit; lists of messages are compared message by message."""
    if isinstance(mine, list) and mine and isinstance(mine[0], dict):
        pairs = zip(mine, oracle, strict=True)
        return all(same(value, at(other, leaf)) for one, other in pairs for leaf, value in one.items())
    if isinstance(mine, str | bool) or (isinstance(mine, list) and mine):
        return mine == oracle
    if isinstance(oracle, bytes):
        oracle = np.frombuffer(oracle, np.uint8)
    mine, oracle = np.asarray(mine), np.asarray(oracle)
    return mine.shape == oracle.shape and np.array_equal(mine, oracle, equal_nan=mine.dtype.kind == "f")


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), ros=st.sampled_from([1, 2]), little=st.booleans())
def test_the_same_values_as_both_libraries(name, seed, ros, little):
    store = STORES[ros]
    one = message(np.random.default_rng(seed), store, name)
    raw = bytes(store.serialize_ros1(one, name) if ros == 1 else store.serialize_cdr(one, name, little_endian=little))
    text = store.generate_msgdef(name, ros_version=ros)[0]
    wire = Wire(normal(name), parse(name, text, ros1=ros == 1), ros1=ros == 1)
    mine = wire.whole(memoryview(raw))
    oracles = [store.deserialize_ros1(raw, name) if ros == 1 else store.deserialize_cdr(raw, name)]
    if ros == 2:
        oracles.append(generate_dynamic(name, text)[name](raw))
    assert list(mine) == list(leaves(store, name))
    for leaf, value in mine.items():
        assert all(same(value, at(oracle, leaf)) for oracle in oracles), leaf
    assert len(wire(memoryview(raw))) == len(wire.leaves)


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(TYPES), ros=st.sampled_from([1, 2]), raw=st.binary(max_size=200), header=st.booleans())
def test_any_bytes_are_a_message_or_refused(name, ros, raw, header):
    text = STORES[ros].generate_msgdef(name, ros_version=ros)[0]
    wire = Wire(normal(name), parse(name, text, ros1=ros == 1), ros1=ros == 1)
    content = memoryview((b"\0\1\0\0" if header and ros == 2 else b"") + raw)
    with contextlib.suppress(DECODE_ERRORS):
        assert len(wire(content)) == len(wire.leaves)


@settings(deadline=None)
@given(st.text(max_size=200) | st.text("intflo6483[]<=#\n/ aBMSG:=", max_size=200), st.booleans())
def test_any_text_is_a_definition_or_refused(text, ros1):
    try:
        Wire("a/B", parse("a/B", text, ros1=ros1), ros1=ros1)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text",
    [
        "a/B b",  # itself
        "a/B[3] b",
        "a/B[] b",
        "C[16] c\n===\nMSG: a/C\nD[16] d\n===\nMSG: a/D\nE[16] e\n===\nMSG: a/E\nF[16] f\n===\nMSG: a/F\n",
        "\n".join(f"float64 x{i}" for i in range(5000)),
        "C c",
        "wstring w",
        "float64 x\nfloat64 x",
        "this is no definition",
        "float64 x\n===\nno head",
        "C c\n===\nMSG: a/C\nint8 x\n===\nMSG: a/C\nint8 y",
        "int8[99999999999999999999] x",
    ],
)
def test_definitions_that_are_refused(text):
    with pytest.raises(ValueError):
        Wire("a/B", parse("a/B", text))


@pytest.mark.parametrize(
    ("text", "ros1", "raw"),
    [
        ("float64[999999999] x", False, b"\0\1\0\0" + bytes(64)),
        ("float64[] x", False, b"\0\1\0\0" + b"\xff" * 64),
        ("string[] x", False, b"\0\1\0\0" + b"\xff" * 64),
        ("string x", True, b"\xff" * 4),
        ("C[] c\n===\nMSG: a/C\nuint8 x", False, b"\0\1\0\0" + b"\xff" * 4),
        ("C[999999999] c\n===\nMSG: a/C\n", True, b"\1"),
        ("uint8 x", True, b"\1\2"),
        ("uint8 x", False, b"\0\3\0\0\1"),  # a parameter list
        ("uint8 x", False, b""),
    ],
)
def test_absurd_counts_are_refused_at_once(text, ros1, raw):
    wire = Wire("a/B", parse("a/B", text, ros1=ros1), ros1=ros1)
    before = time.process_time()
    with pytest.raises(DECODE_ERRORS):
        wire(memoryview(raw))
    assert time.process_time() - before < 60  # four thousand million steps would take longer


def test_four_thousand_million_empty_messages_take_no_time():
    wire = Wire("a/B", parse("a/B", "C[] c\n===\nMSG: a/C\n", ros1=True), ros1=True)
    assert list(wire(memoryview(b"\xff\xff\xff\xff"))) == [2**32 - 1]


def test_constants_defaults_comments_and_bounds_are_read():
    text = "# about\nint8 A=1\nstring B = # no comment\nint32 x 5 # with a default\nint32[<=3] y\nstring<=5 z\nHeader header\n"
    text += "=" * 80 + "\nMSG: std_msgs/Header\ntime stamp\nstring frame_id\n"
    fields = parse("a/B", text, ros1=True)["a/B"]
    assert [(f.name, f.type, f.length) for f in fields] == [
        ("x", "int32", None),
        ("y", "int32", 0),
        ("z", "string", None),
        ("header", "std_msgs/Header", None),
    ]
    raw = b"\7\0\0\0" + b"\1\0\0\0\5\0\0\0" + b"\1\0\0\0z" + b"\2\0\0\0\3\0\0\0" + b"\0\0\0\0"
    found = Wire("a/B", parse("a/B", text, ros1=True), ros1=True).whole(memoryview(raw))
    assert found["header.stamp"] == 2_000_000_003
    assert (found["x"], list(found["y"]), found["z"]) == (7, [5], "z")


def test_arrays_of_few_messages_become_columns():
    definition = parse("a/B", "C[2] c\n===\nMSG: a/C\nfloat32 x\nint64 y")
    wire = Wire("a/B", definition)
    assert [leaf.name for leaf in wire.leaves] == ["c[0].x", "c[0].y", "c[1].x", "c[1].y"]
    raw = b"\0\1\0\0" + np.float32(1).tobytes() + bytes(4) + np.int64(2).tobytes()
    raw += np.float32(math.inf).tobytes() + bytes(4) + np.int64(-4).tobytes()
    assert list(wire(memoryview(raw))) == [1.0, 2, math.inf, -4]
