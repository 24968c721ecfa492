"""An event is in the file whole or not at all: torn tails, kills, full disks, several writers."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineage import emit
from lineage.errors import EmitError, EventLogError
from lineage.events import Event, Job, Phase, to_json

EVENT = Event(Job.TRAIN, Phase.START, UUID(int=1), datetime(2026, 3, 1, tzinfo=UTC))


def numbered(number):
    return replace(EVENT, run_id=UUID(int=number))


def runs(log):
    return [UUID(event["run"]["runId"]).int for event in log.events]


def test_events_come_back_in_order_and_a_repeat_once(tmp_path):
    path = tmp_path / "events.jsonl"
    for number in (1, 2, 1, 3, 2):
        emit.append_line(path, to_json(numbered(number)))
    assert path.read_bytes().count(b"\n") == 5
    log = emit.read(path)
    assert runs(log) == [1, 2, 3]
    assert log.torn is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_anywhere_gives_its_whole_lines_says_so_and_is_mended(tmp_path, data):
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    for number in (1, 2, 3):
        emit.append_line(path, to_json(numbered(number)))
    whole = path.read_bytes()
    size = data.draw(st.integers(0, len(whole)))
    os.truncate(path, size)

    lines = whole[:size].count(b"\n")
    torn = size > 0 and whole[size - 1 : size] != b"\n"
    log = emit.read(path)
    assert runs(log) == [1, 2, 3][:lines]
    assert (log.torn is not None) == torn
    if log.torn:
        assert f"line {lines + 1} was cut off" in log.torn

    emit.append_line(path, to_json(numbered(9)))
    mended = emit.read(path)
    assert runs(mended) == [*[1, 2, 3][:lines], 9]
    assert mended.torn is None


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from lineage import emit
from lineage.events import Event, Job, Phase, to_json
first, last = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    event = Event(Job.TRAIN, Phase.START, UUID(int=number), datetime(2026, 3, 1, tzinfo=UTC))
    emit.append_line(Path(sys.argv[1]), to_json(event))
    print(number, flush=True)
"""


def writer(path, first, last, prelude=""):
    command = [sys.executable, "-c", prelude + WRITER, str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path):
    path = tmp_path / "events.jsonl"
    with writer(path, 0, 1_000_000) as process:
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = 20 + len(process.stdout.read().splitlines())
    log = emit.read(path)
    assert runs(log) == list(range(len(log.events)))
    assert acknowledged <= len(log.events) <= acknowledged + 1
    emit.append_line(path, to_json(numbered(5_000_000)))
    assert runs(emit.read(path))[-1] == 5_000_000


def test_two_writers_do_not_mix_their_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    with writer(path, 0, 40) as one, writer(path, 100, 140) as two:
        assert one.wait() == two.wait() == 0
    assert sorted(runs(emit.read(path))) == [*range(40), *range(100, 140)]


def test_a_writer_waits_for_the_one_that_mends_the_file(tmp_path):
    path = tmp_path / "events.jsonl"
    emit.append_line(path, to_json(numbered(1)))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=emit.append_line, args=(path, to_json(numbered(2))))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert runs(emit.read(path)) == [1]
    waiting.join()
    assert runs(emit.read(path)) == [1, 2]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "events.jsonl"
    emit.append_line(path, to_json(EVENT))
    before = path.read_bytes()
    limit = len(before) + 10
    prelude = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    with writer(path, 7, 8, prelude) as process:
        said = process.stderr.read()
        assert process.wait() != 0
    assert "EmitError" in said
    assert "only 10 of" in said
    assert path.read_bytes() == before


def test_paths_that_cannot_be_written_or_read_are_named(tmp_path):
    for path in (tmp_path / "absent" / "events.jsonl", tmp_path):
        with pytest.raises(EmitError, match=str(path)):
            emit.append_line(path, to_json(EVENT))
        with pytest.raises(EventLogError, match=str(path)):
            emit.read(path)


def test_damage_before_the_last_line_is_an_error_not_a_tear(tmp_path):
    path = tmp_path / "events.jsonl"
    for number in (1, 2):
        emit.append_line(path, to_json(numbered(number)))
    first, second, _ = path.read_bytes().split(b"\n")
    for bad in (first[:-9], b"", b"[]", b'{"run":1}', b'{"run":NaN}', b"\xff", b"[" * 100_000):
        path.write_bytes(b"\n".join([first, bad, second, b""]))
        with pytest.raises(EventLogError, match="line 2"):
            emit.read(path)


def test_an_event_beyond_the_limit_is_refused(tmp_path):
    path = tmp_path / "events.jsonl"
    huge = replace(EVENT, phase=Phase.FAIL, error="x" * emit.MAX_LINE_BYTES)
    with pytest.raises(EmitError, match="at most"):
        emit.append_line(path, to_json(huge))
    assert not path.exists()


def test_a_file_of_something_else_is_not_cut(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(b"\0" * (emit.MAX_LINE_BYTES + 1))
    with pytest.raises(EmitError, match="no file of events"):
        emit.append_line(path, to_json(EVENT))
    assert path.stat().st_size == emit.MAX_LINE_BYTES + 1
