"""Events as JSON lines in a file: an event is in the file whole and on disk when `append_line` returns, or not at all.

A caller that was interrupted appends the same event again; readers drop lines that repeat. A last line without its end
was never acknowledged, so a reader leaves it out and says so, and the next append cuts it off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.errors import EmitError, EventLogError

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class EventLog:
    """What a file of events holds. `torn`: what was wrong with its last line, None when it is whole."""

    events: tuple[dict[str, Any], ...]
    torn: str | None


def append_line(path: Path, text: str) -> None:
    """Append an event as `to_json` wrote it; the file is made when absent (mode 0600, in a folder that exists).

    Raises EmitError.
    """
    line = text.encode() + b"\n"
    if len(line) > MAX_LINE_BYTES or b"\n" in line[:-1]:
        raise EmitError(f"an event is one line of at most {MAX_LINE_BYTES} bytes, this one has {len(line)}")
    try:
        with _locked(path) as fd:
            _write(fd, line)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EmitError(f"{path}: {reason}; the event was not written, make room or access and repeat") from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_size == 0:
            _sync_folder(path.parent)
        yield fd
    finally:
        os.close(fd)


def _write(fd: int, line: bytes) -> None:
    end = _cut_torn_line(fd)
    try:
        _write_whole(fd, line)
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, end)
        raise


def _write_whole(fd: int, line: bytes) -> None:
    written = os.write(fd, line)
    if written != len(line):
        raise OSError(f"only {written} of {len(line)} bytes could be written")


def _cut_torn_line(fd: int) -> int:
    """Cut what follows the last line break; the size of the file then, in bytes."""
    size = os.fstat(fd).st_size
    if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
        return size
    start = max(0, size - MAX_LINE_BYTES)
    end = os.pread(fd, size - start, start).rfind(b"\n") + 1
    if end == 0 and start > 0:
        raise OSError(f"the last {MAX_LINE_BYTES} bytes hold no line break, so this is no file of events")
    os.ftruncate(fd, start + end)
    return start + end


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: Path) -> EventLog:
    """All events of the file in order, a repeated line once. Raises EventLogError, naming the line."""
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise EventLogError(f"{path}: {error.strerror or error}") from error
    torn = f"{path}: line {len(lines) + 1} was cut off after {len(last)} bytes and is left out" if last else None
    first: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        first.setdefault(line, number)
    return EventLog(tuple(_event(path, number, line) for line, number in first.items()), torn)


def _event(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise EventLogError(f"{path}: line {number} is damaged ({error}); restore the file") from error
    if not isinstance(event, dict) or not isinstance(event.get("run"), dict):
        raise EventLogError(f"{path}: line {number} is no OpenLineage run event")
    return event


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
