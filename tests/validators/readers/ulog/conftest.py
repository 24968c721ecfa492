"""A tiny writer of the documented format ULog."""

import struct
from pathlib import Path

import pytest

SYNC = bytes.fromhex("2f731320250cbb12")
START = 5_000_000  # µs since boot


class Ulog:
    """A log in the making; every method adds one message."""

    def __init__(self, start: int = START, incompatible: int = 0, appended: int = 0) -> None:
        self.data = bytearray(b"ULog\x01\x12\x35\x01" + struct.pack("<Q", start))
        self.add("B", bytes(8) + bytes([incompatible]) + bytes(7) + struct.pack("<QQQ", appended, 0, 0))

    def add(self, kind: str, body: bytes) -> None:
        self.data += struct.pack("<HB", len(body), ord(kind)) + body

    def format(self, text: str) -> None:
        self.add("F", text.encode())

    def told(self, declared: str, value: bytes, kind: str = "I") -> None:
        self.add(kind, bytes([len(declared)]) + declared.encode() + value)

    def subscribe(self, key: int, name: str, instance: int = 0) -> None:
        self.add("A", struct.pack("<BH", instance, key) + name.encode())

    def sync(self) -> None:
        self.add("S", SYNC)

    def row(self, key: int, body: bytes) -> None:
        self.add("D", struct.pack("<H", key) + body)

    def dropout(self, duration_ms: int) -> None:
        self.add("O", struct.pack("<H", duration_ms))

    def write(self, path: Path) -> Path:
        path.write_bytes(self.data)
        return path


def flight(rows: int = 200) -> Ulog:
    """An accelerometer twice, a message of motors within, a text; synchronisation every 20 rows, one dropout."""
    log = Ulog()
    log.told("char[3] sys_name", b"PX4")
    log.told("char[8] ver_sw", b"0123abcd")
    log.told("uint32_t ver_sw_release", struct.pack("<I", 0x010F00FF))
    log.told("int32_t MAV_TYPE", struct.pack("<i", 2), "P")
    log.told("float CAL_ACC0_XOFF", struct.pack("<f", 0.25), "P")
    log.format("sensor_accel:uint64_t timestamp;float x;float y;float z;uint8_t[4] _padding0;")
    log.format("motor:float speed;uint8_t state;uint8_t[3] _padding0;")
    log.format("motors:uint64_t timestamp;motor[2] motor;char[8] mode;int16_t[3] raw;bool armed;")
    log.subscribe(0, "sensor_accel")
    log.subscribe(1, "sensor_accel", 1)
    log.subscribe(2, "motors")
    for i in range(rows):
        time = START + i * 4000
        if i % 20 == 0:
            log.sync()
        if i == rows // 2:
            log.dropout(30)
        log.row(0, struct.pack("<Qfff", time, i, 0.5, -9.81))
        log.row(1, struct.pack("<Qfff", time + 100, i, 0.5, -9.81))
        if i % 4 == 0:
            motors = struct.pack("<fB3xfB3x", i, 1, -i, 2)
            log.row(2, struct.pack("<Q", time) + motors + b"AUTO\0\0\0\0" + struct.pack("<hhh?", i, 0, -i, True))
    return log


class Ulogs:
    """The writers, for tests."""

    log = Ulog
    flight = staticmethod(flight)
    start = START


@pytest.fixture(scope="session")
def ulogs() -> type[Ulogs]:
    return Ulogs
