"""PX4 logs: the rows that pyulog gives, facts, dropouts; damage is said and what follows it is read."""

import contextlib
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyulog import ULog

from validators import readers
from validators.errors import UnreadableDataset

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHARED = ("sample_log_small.ulg", "sample_appended_multiple.ulg", "sample_px4_events.ulg")


def said(recording):
    return " | ".join(p.message for p in (*recording.problems, *recording.late()))


def lengths(recording):
    return {name: stream.rows for name, stream in recording.streams.items()}


def agrees(recording, path):
    """Whether every value is the one that pyulog reads."""
    other = ULog(str(path))
    assert set(recording.streams) == {f"{d.name}.{d.multi_id}" for d in other.data_list}
    compared = 0
    for data in other.data_list:
        rows = recording.streams[f"{data.name}.{data.multi_id}"].frames().collect()
        for name, values in data.data.items():
            column, bracket, index = name.rpartition("[") if name.endswith("]") else (name, "", "")
            if column.rpartition(".")[2].startswith("_padding") or rows[column].dtype == pl.String:
                continue
            found = rows[column].to_numpy()[:, int(index[:-1])] if bracket else rows[column].to_numpy()
            assert np.array_equal(found.astype(values.dtype), values, equal_nan=values.dtype.kind == "f"), name
            compared += 1
    return compared


@pytest.mark.parametrize("name", SHARED)
def test_real_logs_hold_what_pyulog_reads(shared, name):
    path = shared / "px4_ulog" / name
    recording = readers.open(path)
    assert said(recording) == ""
    assert agrees(recording, path) > 100


def test_what_a_real_log_declares(shared):
    recording = readers.open(shared / "px4_ulog/sample_log_small.ulg")
    facts = recording.facts
    assert facts.robot_type == "vtol"
    assert facts.tools["px4 commit"] == "8583f1da30b63154d6ba0bc187d86135dfe33cf9"
    assert [(d.episode, d.duration_s) for d in facts.dropouts] == [(0, 0.03)]
    assert 0 < facts.dropouts[0].start_s < 0.1
    assert facts.sensors["sensor_accel.1"].kind == "accelerometer"
    assert "CAL_ACC1_XOFF" in facts.sensors["sensor_accel.1"].calibration
    # one message, restored from the memory card, has a time 1174 s ahead; the log is of 6.5 s
    assert recording.episodes[0].end_s == pytest.approx(6.516648)
    late = recording.streams["mission.0"]
    assert late.frames().select(t=late.seconds()).collect()["t"].to_list() == pytest.approx([1174.058246])


def test_a_log(ulogs, tmp_path):
    path = ulogs.flight().write(tmp_path / "a.ulg")
    recording = readers.open(path)
    assert said(recording) == ""
    assert lengths(recording) == {"motors.0": 50, "sensor_accel.0": 200, "sensor_accel.1": 200}
    assert recording.facts.robot_type == "quadrotor"
    assert recording.facts.tools["px4"] == "1.15.0 (release)"
    assert recording.facts.tools["px4 commit"] == "0123abcd"
    assert recording.facts.sensors["sensor_accel.0"].calibration == {"CAL_ACC0_XOFF": 0.25}
    assert [(round(d.start_s, 6), d.duration_s) for d in recording.facts.dropouts] == [(0.3961, 0.03)]
    accel = recording.streams["sensor_accel.0"]
    assert list(accel.features) == ["timestamp", "x", "y", "z"]
    rows = accel.frames().with_columns(t=accel.seconds()).collect()
    assert rows["timestamp"].to_list() == [ulogs.start + i * 4000 for i in range(200)]
    assert rows["t"].to_list() == pytest.approx([i * 4000 / 1e6 for i in range(200)], abs=1e-12)
    assert (accel.clock.unit, accel.clock.synchronised) == ("us", "none")
    motors = recording.streams["motors.0"].frames().collect()
    assert motors["motor[1].speed"].to_list() == [-4 * i for i in range(50)]
    assert motors["raw"][2].to_list() == [8, 0, -8]
    assert set(motors["mode"]) == {"AUTO"}
    assert motors.schema["armed"] == pl.Boolean
    assert agrees(recording, path) == 4 + 4 + 9


def test_logs_of_a_folder_are_episodes(ulogs, tmp_path):
    ulogs.flight(100).write(tmp_path / "b.ulg")
    ulogs.flight(40).write(tmp_path / "a.ulg")
    (tmp_path / "c.ulg").write_bytes(b"")
    recording = readers.open(tmp_path)
    assert [(e.path, e.length) for e in recording.episodes] == [("a.ulg", 90), ("b.ulg", 225)]
    assert [(p.kind, p.path) for p in recording.problems] == [("file-damaged", "c.ulg")]
    assert recording.streams["sensor_accel.0"].lengths == {0: 40, 1: 100}


def test_a_log_of_another_name(ulogs, tmp_path):
    assert lengths(readers.open(ulogs.flight().write(tmp_path / "log001.bin")))["motors.0"] == 50


def test_a_cut_log(ulogs, tmp_path):
    log = ulogs.flight()
    del log.data[-15:]
    recording = readers.open(log.write(tmp_path / "a.ulg"))
    assert lengths(recording)["sensor_accel.1"] == 199
    assert "cut" in said(recording)


def test_damage_costs_what_lies_before_the_next_synchronisation(ulogs, tmp_path):
    log = ulogs.flight()
    middle = len(log.data) // 2
    log.data[middle : middle + 30] = b"\xff" * 30
    recording = readers.open(log.write(tmp_path / "a.ulg"))
    assert 170 < lengths(recording)["sensor_accel.0"] < 200
    assert "no whole message at byte" in said(recording)


def test_a_message_of_a_newer_kind_is_passed_over(ulogs, tmp_path):
    log = ulogs.flight()
    log.add("Z", b"news")
    log.row(0, struct.pack("<Qfff", ulogs.start + 10**6, 1, 2, 3))
    recording = readers.open(log.write(tmp_path / "a.ulg"))
    assert said(recording) == ""
    assert lengths(recording)["sensor_accel.0"] == 201


def test_data_appended_after_a_crash(ulogs, tmp_path):
    def log(at):
        made = ulogs.flight(20)
        made.data[16:] = ulogs.log(incompatible=1, appended=at).data[16:] + made.data[16 + 43 :]
        return made

    cut = log(0)
    at = len(cut.data) + 7
    made = log(at)
    made.data += struct.pack("<HB", 4000, ord("D")) + bytes(4)  # a message that was not finished
    made.row(0, struct.pack("<Qfff", ulogs.start + 10**6, 1, 2, 3))
    recording = readers.open(made.write(tmp_path / "a.ulg"))
    assert lengths(recording)["sensor_accel.0"] == 21
    assert "before the part appended" in said(recording)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda log: log.row(77, bytes(20)), "no topic has the number 77"),
        (lambda log: log.row(0, bytes(5)), "has 5 bytes, 20 by its format"),
        (lambda log: log.row(0, b"\xff" * 20), "beyond 63 bits"),
        (lambda log: log.subscribe(9, "unknown"), "the format unknown is not in the file"),
        (lambda log: log.subscribe(0, "motors"), "number 0 is given to"),
        (lambda log: log.format("motor:float other;"), "declared twice, differently"),
        (lambda log: log.format("no format"), "is no format"),
        (lambda log: (log.format("loop:loop a;"), log.subscribe(9, "loop")), "nest deeper"),
        (
            lambda log: (
                [log.format(f"b{i}:b{i + 1}[65535] a;") for i in range(9)],
                log.format("b9:"),
                log.subscribe(9, "b0"),
            ),
            "fields within fields",
        ),
        (lambda log: (log.format("wide:float[65535] a;"), log.subscribe(9, "wide")), "262140 bytes"),
        (lambda log: (log.format("two:float a;float a;"), log.subscribe(9, "two")), "1 names"),
        (lambda log: log.add("O", b""), "O: "),
        (lambda log: log.add("I", b"\xff"), "I: "),
    ],
)
def test_messages_that_cannot_be_used_are_said(ulogs, tmp_path, spoil, why):
    log = ulogs.flight()
    spoil(log)
    recording = readers.open(log.write(tmp_path / "a.ulg"))
    assert lengths(recording) == {"motors.0": 50, "sensor_accel.0": 200, "sensor_accel.1": 200}
    assert why in said(recording)


def test_a_flag_that_is_not_known(ulogs, tmp_path):
    path = ulogs.log(incompatible=2).write(tmp_path / "a.ulg")
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(path)
    assert caught.value.kind == "format-unknown"


@quick
@given(data=st.data())
def test_spoilt_logs(ulogs, tmp_path, data):
    content = bytearray(ulogs.flight(60).data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        some = data.draw(st.binary(min_size=1, max_size=12))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "end"]))
        if kind == "flip":
            content[at : at + len(some)] = some
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 500))]
        elif kind == "insert":
            content[at:at] = some
        else:
            del content[at:]
        content += b"" if content else b"U"
    path = tmp_path / "a.ulg"
    path.write_bytes(content)
    try:
        recording = readers.open(path)
    except UnreadableDataset:
        return
    for stream in recording.streams.values():
        assert stream.frames().collect().height == stream.rows
    assert recording.late() == ()


@quick
@given(st.binary(max_size=300))
def test_any_bytes(tmp_path, content):
    path = tmp_path / "a.ulg"
    path.write_bytes(b"ULog\x01\x12\x35\x01" + bytes(8) + content)
    with contextlib.suppress(UnreadableDataset):
        readers.open(path)
