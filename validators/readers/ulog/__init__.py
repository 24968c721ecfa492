"""PX4 flight logs (ULog): a stream of each message type and instance, an episode of each log, on the time since boot.

`pyulog` holds a log whole in memory and tells little of damage, so the documented format is read here; the tests
compare both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.spool import Decoded, Spool
from validators.readers.ulog.facts import robot, sensors, tools
from validators.readers.ulog.layout import CLOCK, Layout
from validators.readers.ulog.log import MAGIC, Log, looked_at, messages, unfit
from validators.recording import Dropout, Episode, Facts, Problem, Recording
from validators.stream import Clock, Stream

FORMAT = "PX4 flight logs (.ulg)"
SUFFIX = ".ulg"
_BATCH = 2 << 20  # bytes of one topic


def recognises(files: Files) -> bool:
    """Whether there is any file named as a log; a single file of another name is known by how it starts."""
    if files.names(SUFFIX):
        return True
    if files.only is None or not files.is_file(files.only):
        return False
    with files.open(files.only) as file:
        return file.read(len(MAGIC)) == MAGIC


def read(files: Files) -> Recording:
    """One pass over each log, which has no index: what it declares, its dropouts and how many messages it holds."""
    logs: list[Log] = []
    problems: list[Problem] = []
    for path in (files.only,) if files.only is not None else files.names(SUFFIX):
        try:
            log = looked_at(files, path)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problems.append(Problem(error.kind, path, error.detail))
            continue
        problems += [Problem(kind, path, message, len(logs)) for kind, message in log.problems]
        logs.append(log)
    if not logs:
        detail = f"no log can be read; the first: {problems[0].message}"
        raise UnreadableDataset(problems[0].kind, detail, path=files.where(problems[0].path))
    origin = min(log.start for log in logs)
    layouts = _layouts(logs, problems)
    rows = _Rows(files, logs, layouts)
    streams = {
        name: Stream(name, layout.features, partial(rows.tables, name), _clock(layout, origin))
        for name, layout in sorted(layouts.items())
    }
    dropouts = [
        Dropout(i, (time - origin) / 1e6, duration / 1e3)
        for i, log in enumerate(logs)
        for time, duration in log.dropouts
    ]
    facts = Facts(robot(logs[0]), sensors=sensors(logs), tools=tools(logs[0]), dropouts=tuple(dropouts))
    episodes = tuple(
        Episode(i, (log.path,), log.messages, (log.start - origin) / 1e6, (log.end - origin) / 1e6)
        for i, log in enumerate(logs)
    )
    return Recording("ulog", files, facts, episodes, streams, problems=tuple(problems), late=rows.problems)


def _clock(layout: Layout, origin: int) -> Clock | None:
    return Clock(CLOCK, "us", "since boot", "none", origin) if layout.clock is not None else None


def _layouts(logs: list[Log], problems: list[Problem]) -> dict[str, Layout]:
    """Stream → its layout. A log whose firmware lays a message out otherwise has that stream under the log's name."""
    found: dict[str, Layout] = {}
    for position, log in enumerate(logs):
        for topic in log.topics.values():
            if topic.messages and found.setdefault(topic.stream, topic.layout) != topic.layout:
                detail = f"{topic.stream} has other fields than in {logs[0].path}, so it was not read"
                problems.append(Problem("column-type", log.path, detail, position))
    return found


class _Rows(Decoded):
    """The rows of all topics, from one more pass over each log."""

    def __init__(self, files: Files, logs: list[Log], layouts: Mapping[str, Layout]) -> None:
        super().__init__(files)
        self._logs = logs
        self._layouts = layouts

    def decode(self, spool: Spool) -> None:
        """What changed since the first pass is a problem."""
        for position, log in enumerate(self._logs):
            self._read(spool, position, log)

    def _read(self, spool: Spool, position: int, log: Log) -> None:
        wanted = {k: t for k, t in log.topics.items() if self._layouts.get(t.stream) == t.layout}
        kept = {topic.stream: bytearray() for topic in wanted.values()}
        number = 0
        for kind, body in messages(self._files, log.path, _silent):
            key = body[0] | body[1] << 8 if kind == ord("D") and len(body) > 2 else None
            topic = wanted.get(key) if key is not None else None
            if topic is None or unfit(topic, body):
                continue
            rows = kept[topic.stream]
            rows += body[2 : 2 + topic.layout.dtype.itemsize]
            number += 1
            if len(rows) > _BATCH:
                spool.write(topic.stream, position, self._batch(topic.stream, rows))
                rows.clear()
        for stream, rows in kept.items():
            spool.write(stream, position, self._batch(stream, rows))
            spool.close(stream, position)
        expected = sum(topic.messages for topic in wanted.values())
        if number != expected:
            detail = f"{expected} messages were there when it was opened, {number} when it was read"
            self._problems.append(Problem("file-damaged", log.path, detail, position))

    def _batch(self, stream: str, rows: bytearray) -> pa.RecordBatch:
        return self._layouts[stream].batch(bytes(rows))


def _silent(kind: str, message: str) -> None:
    """What was said when the log was opened."""
