"""The file format ULog (docs.px4.io/main/en/dev_log/ulog_file_format): messages of a size, a type and a body.

Read in blocks, so that memory stays flat. After damage reading goes on at the next synchronisation message.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.ulog.layout import Field, Layout, laid_out, parsed

MAGIC = b"ULog\x01\x12\x35"
SYNC = b"\x08\x00S\x2f\x73\x13\x20\x25\x0c\xbb\x12"
_HEAD = struct.Struct("<HB")
_KNOWN = frozenset(b"BFIMPQARDLCSO")
_BLOCK = 4 << 20
_APPENDED = 1  # the one incompatible flag that is known
MAX_FORMATS, MAX_STREAMS, MAX_KEPT = 4096, 4096, 100_000
MAX_TIME = 1 << 63

Say = Callable[[str, str], None]  # kind of an `UnreadableDataset`, what is wrong


@dataclass
class Topic:
    """A subscription: a message type and its instance, and how many `messages` of it are in the file."""

    name: str
    instance: int
    layout: Layout
    messages: int = 0

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return f"{self.name}.{self.instance}"


@dataclass
class Log:
    """What one file says of itself. Times in µs since boot; `start` is when logging began."""

    path: str
    start: int = 0
    end: int = 0
    version: int = 0
    info: dict[str, str | int | float] = field(default_factory=dict)
    parameters: dict[str, int | float] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    dropouts: list[tuple[int, int]] = field(default_factory=list)  # time µs, duration ms
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """Of all topics."""
        return sum(topic.messages for topic in self.topics.values())

    @property
    def digest(self) -> str:
        """Of all parameters, so that two configurations can be told apart."""
        text = "\n".join(f"{k}={v!r}" for k, v in sorted(self.parameters.items()))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def looked_at(files: Files, path: str) -> Log:
    """One pass over the messages, which have no index. Raises `UnreadableDataset` when it is no log."""
    log = Log(path)
    with files.open(path) as file:
        head = file.read(16)
        if len(head) < 16 or not head.startswith(MAGIC):
            why = "has no bytes" if not head else "does not start as a ULog does"
            raise UnreadableDataset("file-damaged", f"{why}; copy it again", path=files.where(path))
    log.version, log.start = head[7], struct.unpack_from("<Q", head, 8)[0]
    if log.start >= MAX_TIME:
        raise UnreadableDataset("file-damaged", f"says that it begins at {log.start} us", path=files.where(path))
    log.end = log.start
    _Look(log, files.where(path)).read(files)
    return log


class _Look:
    """Gathers what a log declares; unusable messages are counted by reason and told at the end."""

    def __init__(self, log: Log, where: str) -> None:
        self._log = log
        self._where = where
        self._formats: dict[str, tuple[Field, ...]] = {}
        self._times: deque[int] = deque([log.start], maxlen=32)  # of the latest messages
        self._lost: dict[str, int] = {}

    def read(self, files: Files) -> None:
        log = self._log
        for kind, body in messages(files, log.path, lambda k, m: log.problems.append((k, m))):
            try:
                self._one(chr(kind), body)
            except (ValueError, IndexError, struct.error) as error:
                why = f"{chr(kind)}: {error}"[:200]
                if why in self._lost or len(self._lost) < 1000:
                    self._lost[why] = 1 + self._lost.get(why, 0)
        log.end = max(log.start, self._now)
        log.problems += [("file-damaged", f"{n} messages cannot be used: {why}") for why, n in self._lost.items()]

    def _one(self, kind: str, body: memoryview) -> None:
        if kind == "D":
            self._data(body)
        elif kind == "O":
            (duration,) = struct.unpack_from("<H", body)
            if len(self._log.dropouts) < MAX_KEPT:
                self._log.dropouts.append((self._now, duration))
        elif kind == "F":
            name, fields = parsed(str(body, "utf-8"))
            if self._formats.setdefault(name, fields) != fields:
                raise ValueError(f"the format {name} is declared twice, differently; the first one was used")
            self._few(self._formats, MAX_FORMATS)
        elif kind == "A":
            self._subscribed(body)
        elif kind in "IP":
            self._told(kind, body)
        elif kind == "B" and (body[8] & ~_APPENDED or any(body[9:16])):
            detail = "sets an incompatible flag that is not known here; a newer reader is needed"
            raise UnreadableDataset("format-unknown", detail, path=self._where)

    def _few(self, kept: dict[str, tuple[Field, ...]] | dict[int, Topic], most: int) -> None:
        if len(kept) > most:
            raise UnreadableDataset("too-large", f"more than {most} formats or topics", path=self._where)

    def _subscribed(self, body: memoryview) -> None:
        instance, key = struct.unpack_from("<BH", body)
        topic = Topic(str(body[3:], "utf-8"), instance, laid_out(str(body[3:], "utf-8"), self._formats))
        before = self._log.topics.setdefault(key, topic)
        if (before.name, before.instance) != (topic.name, topic.instance):
            raise ValueError(f"number {key} is given to {before.stream} and to {topic.stream}; the first one holds")
        self._few(self._log.topics, MAX_STREAMS)

    def _data(self, body: memoryview) -> None:
        (key,) = struct.unpack_from("<H", body)
        topic = self._log.topics.get(key)
        if topic is None:
            raise ValueError(f"no topic has the number {key}")
        if why := unfit(topic, body):
            raise ValueError(why)
        topic.messages += 1
        if topic.layout.clock is not None:
            self._times.append(struct.unpack_from("<Q", body, 2 + topic.layout.clock)[0])

    @property
    def _now(self) -> int:
        """µs: the latest time of the latest messages. Some are logged late, and what is restored from the memory card
        keeps its time of another boot, so more than a second beyond their median is not believed."""
        middle = sorted(self._times)[len(self._times) // 2]
        return max(t for t in self._times if t <= middle + 1_000_000)

    def _told(self, kind: str, body: memoryview) -> None:
        size = body[0]
        if 1 + size > len(body):
            raise ValueError(f"a name of {size} bytes in {len(body)}")
        declared, _, name = str(body[1 : 1 + size], "utf-8").partition(" ")
        value = body[1 + size :]
        kept: dict[str, str | int | float] | dict[str, int | float]
        kept = self._log.info if kind == "I" else self._log.parameters
        if declared.startswith("char["):
            if kind == "I" and len(kept) < MAX_KEPT:
                self._log.info.setdefault(name, str(value, "utf-8", "replace").rstrip("\0"))
            return
        codes = {"int32_t": "i", "uint32_t": "I", "float": "f", "double": "d", "int64_t": "q", "uint64_t": "Q"}
        if declared in codes and len(kept) < MAX_KEPT:
            kept.setdefault(name, struct.unpack_from("<" + codes[declared], value)[0])


def unfit(topic: Topic, body: memoryview) -> str:
    """Why the data of a message cannot be a row of its topic; empty when they are one."""
    size = len(body) - 2
    if not topic.layout.dtype.itemsize <= size <= topic.layout.longest:
        return f"{topic.stream} has {size} bytes, {topic.layout.dtype.itemsize} by its format"
    if topic.layout.clock is not None and body[2 + topic.layout.clock + 7] & 0x80:
        return f"{topic.stream} has a time beyond 63 bits"
    return ""


def messages(files: Files, path: str, say: Say) -> Iterator[tuple[int, memoryview]]:
    """Type and body of each message; what is none is said, and reading goes on at the next synchronisation message."""
    size = files.size(path)
    with files.open(path) as file:
        jumps = _appended(file)
        at, block, base = 16, memoryview(b""), 16
        while at + _HEAD.size <= size:
            if at + _HEAD.size + MAX_MESSAGE > base + len(block) and base + len(block) < size:
                file.seek(at)
                block, base = memoryview(file.read(_BLOCK)), at
                if not block:
                    break
            length, kind = _HEAD.unpack_from(block, at - base)
            after = at + _HEAD.size + length
            if jumps and after > jumps[0]:
                if at != jumps[0]:
                    say(
                        "file-damaged",
                        f"{jumps[0] - at} bytes before the part appended at byte {jumps[0]} are no message",
                    )
                at = jumps.pop(0)
                block = memoryview(b"")
                continue
            if after > size or (kind not in _KNOWN and not _plausible(block, after - base, after, size)):
                on = _next(file, at + 1, size)
                rest = f"{on - at} bytes from there on were not read"
                say("file-damaged", f"no whole message at byte {at} of {size}: cut or overwritten; {rest}")
                at, block = on, memoryview(b"")
                continue
            if kind in _KNOWN:
                yield kind, block[at - base + _HEAD.size : after - base]
            at = after
        if at < size:
            say("file-damaged", f"{size - at} bytes at the end are no message: the file is cut")


MAX_MESSAGE = (1 << 16) - 1


def _plausible(block: memoryview, at: int, position: int, size: int) -> bool:
    """Whether a message of an unknown type ends where another begins, so that it is new and not damage."""
    return position == size or (at + _HEAD.size <= len(block) and block[at + 2] in _KNOWN)


def _appended(file: IO[bytes]) -> list[int]:
    """Offsets at which data were appended later (after a crash), as the flags say."""
    file.seek(16)
    head = file.read(_HEAD.size + 40)
    if len(head) < _HEAD.size + 40 or head[2:3] != b"B" or not head[_HEAD.size + 8] & _APPENDED:
        return []
    offsets = struct.unpack_from("<QQQ", head, _HEAD.size + 16)
    return sorted({o for o in offsets if o > 16 + len(head)})


def _next(file: IO[bytes], start: int, size: int) -> int:
    """The next synchronisation message, or the end."""
    at = start
    while at < size:
        file.seek(at)
        block = file.read(_BLOCK)
        if len(block) < len(SYNC):
            break
        found = block.find(SYNC)
        if found >= 0:
            return at + found
        at += len(block) - len(SYNC) + 1
    return size
