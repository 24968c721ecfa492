"""Small real bags of a rig: IMU 200 Hz, joint states 100 Hz, camera 30 Hz, its calibration, a frame, a description."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf import timestamp_pb2 as stamps
from mcap.writer import CompressionType, Writer
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

START = 1_750_000_000_123_456_789  # ns; float64 has no digits left for the last ones
ROS2 = get_typestore(Stores.ROS2_HUMBLE)
ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS1.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", "tf2_msgs/msg/TFMessage"))
URDF = '<?xml version="1.0"?><robot name="panda"><link name="a"/></robot>'
JOINTS = ["shoulder", "elbow", "wrist"]
PICTURE = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)


@dataclass
class Event:
    """One message before it is written."""

    time: int
    topic: str
    type: str
    message: Any


def events(store: Any = ROS2, seconds: float = 1.0) -> list[Event]:
    """What the rig says, in order of log time; stamps are a little earlier."""
    t, ros1 = store.types, store is ROS1
    found: list[Event] = []

    def header(time: int, frame: str) -> Any:
        stamp = t["builtin_interfaces/msg/Time"](sec=time // 10**9, nanosec=time % 10**9)
        return t["std_msgs/msg/Header"](stamp=stamp, frame_id=frame, **({"seq": 0} if ros1 else {}))

    def xyz(*v: float) -> Any:
        return t["geometry_msgs/msg/Vector3"](*map(float, v))

    def turn() -> Any:
        return t["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)

    def add(time: int, late: int, topic: str, kind: str, **fields: Any) -> None:
        found.append(Event(time + late, topic, kind, t[kind](**fields)))

    for i in range(int(200 * seconds)):
        time = START + i * 5_000_000
        cov = np.arange(9.0)
        add(
            time, 300_000, "/imu", "sensor_msgs/msg/Imu", header=header(time, "imu"), orientation=turn(),
            orientation_covariance=cov, angular_velocity=xyz(0, 0, i), angular_velocity_covariance=cov,
            linear_acceleration=xyz(0, i, 9.81), linear_acceleration_covariance=cov,
        )  # fmt: skip
    for i in range(int(100 * seconds)):
        time = START + i * 10_000_000
        add(
            time, 400_000, "/joint_states", "sensor_msgs/msg/JointState", header=header(time, ""), name=JOINTS,
            position=np.array([i, 0.5, -i], float), velocity=np.full(3, float(i)), effort=np.zeros(0),
        )  # fmt: skip
    for i in range(int(30 * seconds)):
        time = START + i * 33_333_333
        data = np.roll(PICTURE, i).ravel()
        add(
            time, 5_000_000, "/camera/image", "sensor_msgs/msg/Image", header=header(time, "cam"), height=12, width=16,
            encoding="rgb8", is_bigendian=0, step=48, data=data,
        )  # fmt: skip
    time = START
    matrices = {"k": np.arange(9.0), "d": np.arange(5.0), "r": np.eye(3).ravel(), "p": np.arange(12.0)}
    roi = t["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    add(
        time, 5_000_000, "/camera/camera_info", "sensor_msgs/msg/CameraInfo", header=header(time, "cam"), height=12,
        width=16, distortion_model="plumb_bob", binning_x=0, binning_y=0, roi=roi,
        **{k.upper() if ros1 else k: v for k, v in matrices.items()},
    )  # fmt: skip
    place = t["geometry_msgs/msg/Transform"](translation=xyz(0.1, 0, 0.5), rotation=turn())
    frame = t["geometry_msgs/msg/TransformStamped"](header=header(time, "base"), child_frame_id="cam", transform=place)
    add(time, 1_000_000, "/tf_static", "tf2_msgs/msg/TFMessage", transforms=[frame])
    add(time, 2_000_000, "/robot_description", "std_msgs/msg/String", data=URDF)
    return sorted(found, key=lambda e: e.time)


def mcap(path: Path, seconds: float = 1.0, schema: Callable[[str], str] = str, **options: Any) -> Path:
    """ROS 2 CDR in MCAP. `schema` may spoil a definition, `options` are the writer's."""
    options = {"compression": CompressionType.ZSTD, "chunk_size": 4096, **options}
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start(profile="ros2", library="a recorder 1.2")
        writer.add_metadata("rig", {"clock_sync": "PTP", "operator": "nobody"})
        schemas: dict[str, int] = {}
        channels: dict[str, int] = {}
        for event in events(seconds=seconds):
            if event.type not in schemas:
                text = schema(ROS2.generate_msgdef(event.type, ros_version=2)[0])
                schemas[event.type] = writer.register_schema(event.type, "ros2msg", text.encode())
            if event.topic not in channels:
                channels[event.topic] = writer.register_channel(event.topic, "cdr", schemas[event.type])
            data = bytes(ROS2.serialize_cdr(event.message, event.type))
            writer.add_message(channels[event.topic], event.time, data, event.time - 1000)
        writer.finish()
    return path


def messages(path: Path, encoding: str, data: list[bytes], schema: tuple[str, str, bytes] | None = None) -> Path:
    """One topic `/a` at 50 Hz in MCAP."""
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.LZ4)
        writer.start()
        key = writer.register_schema(*schema) if schema else 0
        channel = writer.register_channel("/a", encoding, key)
        for i, content in enumerate(data):
            writer.add_message(channel, START + i * 20_000_000, content, START + i * 20_000_000)
        writer.finish()
    return path


def json_mcap(path: Path, rows: int = 20) -> Path:
    """JSON with a schema; the first `x` is an integer, as JavaScript writes 0.0."""
    declared = {"type": "object", "properties": {"n": {"type": "integer"}, "x": {"type": "number"}}}
    data = [
        {"timestamp": {"sec": START // 10**9, "nsec": i}, "x": i / 2 if i else 0, "n": i, "pose": {"q": [0, i, 0.5]}}
        for i in range(rows)
    ]
    return messages(
        path, "json", [json.dumps(d).encode() for d in data], ("P", "jsonschema", json.dumps(declared).encode())
    )


def protobuf_mcap(path: Path, rows: int = 20) -> Path:
    """Protobuf with a stamp, numbers of all kinds, a nested message, a message within itself, and bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="rig.proto", package="rig", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    node = file.message_type.add(name="Reading")
    kinds = descriptor_pb2.FieldDescriptorProto
    fields: list[tuple[str, Any, Any, str]] = [
        ("timestamp", kinds.TYPE_MESSAGE, 1, ".google.protobuf.Timestamp"),
        ("value", kinds.TYPE_DOUBLE, 1, ""),
        ("count", kinds.TYPE_UINT64, 1, ""),
        ("joints", kinds.TYPE_FLOAT, 3, ""),
        ("label", kinds.TYPE_STRING, 1, ""),
        ("data", kinds.TYPE_BYTES, 1, ""),
        ("within", kinds.TYPE_MESSAGE, 1, ".rig.Reading"),
        ("parts", kinds.TYPE_MESSAGE, 3, ".rig.Reading"),
    ]
    for number, (name, kind, label, of) in enumerate(fields, 1):
        node.field.add(name=name, number=number, type=kind, label=label, **({"type_name": of} if of else {}))
    described = descriptor_pb2.FileDescriptorSet()
    described.file.add().CopyFrom(descriptor_pb2.FileDescriptorProto.FromString(stamps.DESCRIPTOR.serialized_pb))
    described.file.add().CopyFrom(file)
    pool = descriptor_pool.DescriptorPool()
    for one in described.file:
        pool.Add(one)
    reading = message_factory.GetMessageClass(pool.FindMessageTypeByName("rig.Reading"))
    data = []
    for i in range(rows):
        one = reading(value=i / 2, count=2**64 - 1 - i, joints=[i, 0.5], label="a", data=bytes(300), parts=[reading()])
        one.timestamp.seconds, one.timestamp.nanos = START // 10**9, i
        data.append(one.SerializeToString())
    return messages(path, "protobuf", data, ("rig.Reading", "protobuf", described.SerializeToString()))


def ros1(path: Path, compression: Writer1.CompressionFormat | None = None, seconds: float = 1.0) -> Path:
    """A ROS 1 bag."""
    writer = Writer1(path)
    writer.chunk_threshold = 8192
    if compression:
        writer.set_compression(compression)
    with writer:
        connections: dict[str, Any] = {}
        for event in events(ROS1, seconds):
            if event.topic not in connections:
                connections[event.topic] = writer.add_connection(event.topic, event.type, typestore=ROS1)
            writer.write(connections[event.topic], event.time, ROS1.serialize_ros1(event.message, event.type))
    return path


def ros2(path: Path, storage: StoragePlugin = StoragePlugin.SQLITE3, seconds: float = 1.0, **compression: Any) -> Path:
    """A folder of rosbag2."""
    writer = Writer2(path, version=9, storage_plugin=storage)
    if compression:
        writer.set_compression(**compression)
    with writer:
        connections: dict[str, Any] = {}
        for event in events(seconds=seconds):
            if event.topic not in connections:
                connections[event.topic] = writer.add_connection(event.topic, event.type, typestore=ROS2)
            writer.write(connections[event.topic], event.time, ROS2.serialize_cdr(event.message, event.type))
    return path


class Bags:
    """The writers, for tests."""

    start = START
    joints = JOINTS
    picture = PICTURE
    stores = (ROS1, ROS2)
    storage = StoragePlugin
    mcap = staticmethod(mcap)
    messages = staticmethod(messages)
    json = staticmethod(json_mcap)
    protobuf = staticmethod(protobuf_mcap)
    ros1 = staticmethod(ros1)
    ros2 = staticmethod(ros2)
    buffer = io.BytesIO


@pytest.fixture(scope="session")
def bags() -> type[Bags]:
    return Bags
