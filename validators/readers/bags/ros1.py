"""ROS 1 bags (V2.0): the index at the end says what is in them; a bag that was not closed is read record by record."""

from __future__ import annotations

import bisect
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import IO

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.bags.container import MAX_RECORD, decompressed
from validators.readers.bags.definition import normal, parse
from validators.readers.bags.message import DECODE_ERRORS, MAX_TOPICS, Bag, Raw, Say, Topic, silent
from validators.readers.bags.wire import Wire

MAGIC = b"#ROSBAG V2.0\n"
MESSAGE, BAG, INDEX, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 4, 5, 6, 7
_OPCODES = {MESSAGE, BAG, INDEX, CHUNK, CHUNK_INFO, CONNECTION}
_SIZE, _TIME = struct.Struct("<I"), struct.Struct("<II")
_MAX_HEADER = 4 << 20


class Ros1(Bag):
    """One ROS 1 bag. Topics are its connections, by their number."""

    def __init__(self, files: Files, path: str) -> None:
        """Raises `UnreadableDataset` when it is no bag of this version."""
        super().__init__(path, "rosbag1")
        self._files = files
        self._size = files.size(path)
        self._chunks: dict[int, frozenset[int]] = {}  # offset → connections in it
        self._definitions: dict[int, tuple[str, ...]] = {}
        self._end = self._size
        with files.open(path) as file:
            if file.read(len(MAGIC)) != MAGIC:
                why = "has no bytes" if not self._size else "does not start as a bag of version 2.0 does"
                raise UnreadableDataset("file-damaged", f"{why}; copy it again", path=files.where(path))
            indexed = self._index(file)
        self._sample(indexed)

    def _say(self, kind: str, message: str) -> None:
        self.problems.append((kind, message))

    def _index(self, file: IO[bytes]) -> bool:
        try:
            header, _ = _record(file, self._size, BAG)
            (start,) = struct.unpack("<Q", header["index_pos"])
            if header.get("encryptor"):
                raise UnreadableDataset("format-unknown", "an encrypted bag is not read", path=self._where)
            if not start:
                raise ValueError("the bag was not closed")
            if not len(MAGIC) < start <= self._size:
                raise ValueError(f"it is said to start at byte {start} of {self._size}")
            file.seek(start)
            while file.tell() < self._size:
                header, body = _record(file, self._size)
                if _opcode(header) == CONNECTION:
                    self._connection(header, body, self._say)
                elif _opcode(header) == CHUNK_INFO:
                    self._chunk(header, body)
            self._end = start
        except DECODE_ERRORS as error:
            for known in (self.topics, self._chunks, self._definitions):
                known.clear()
            self.start = self.end = None
            self._say("file-damaged", f"no index: {error}; it was read from its start, record by record")
            return False
        return True

    def _chunk(self, header: Mapping[str, bytes], body: memoryview) -> None:
        (offset,) = struct.unpack("<Q", header["chunk_pos"])
        counts = dict(struct.iter_unpack("<II", body))
        self._chunks[offset] = frozenset(counts)
        for key, count in counts.items():
            if key not in self.topics:
                raise ValueError(f"connection {key} is not declared")
            self.topics[key].messages += count
        if counts:
            start, end = _time(header["start_time"]), _time(header["end_time"])
            self.start = start if self.start is None else min(self.start, start)
            self.end = end if self.end is None else max(self.end, end)

    def _connection(self, header: Mapping[str, bytes], body: memoryview, say: Say) -> None:
        (key,) = _SIZE.unpack(header["conn"])
        own = _fields(body)
        declared = tuple(own[name].decode() for name in ("type", "md5sum", "message_definition"))
        declared = (header["topic"].decode(), *declared)
        if (before := self._definitions.setdefault(key, declared)) is not declared:
            if before != declared:
                say("metadata-invalid", f"connection {key} is declared twice, differently; the first one was used")
            return
        if len(self.topics) >= MAX_TOPICS:
            raise UnreadableDataset("too-large", f"more than {MAX_TOPICS} connections", path=self._where)
        topic = Topic(declared[0], declared[1], "ros1")
        try:
            topic.decode = Wire(normal(declared[1]), parse(declared[1], declared[3], ros1=True), ros1=True)
        except DECODE_ERRORS as error:
            topic.why = f"its definition cannot be used: {error}"
        self.topics[key] = topic

    @property
    def _where(self) -> str:
        return self._files.where(self.path)

    def _sample(self, indexed: bool) -> None:
        """The first message of each topic; without an index all are counted. Damage is said when rows are read."""
        left = {key for key, topic in self.topics.items() if topic.messages}
        for raw in self._messages(left if indexed else None, silent):
            topic = self.topics[raw.topic]
            if topic.first is None:
                topic.first = raw._replace(data=memoryview(bytes(raw.data)))
            if indexed:
                left.discard(raw.topic)
                if not left:
                    break
            else:
                topic.messages += 1
                self.start = raw.log_time if self.start is None else min(self.start, raw.log_time)
                self.end = raw.log_time if self.end is None else max(self.end, raw.log_time)

    def read(self, wanted: Collection[int], say: Say) -> Iterator[Raw]:
        """The messages of those connections as they lie in the file."""
        yield from self._messages(wanted, say)

    def _messages(self, wanted: Collection[int] | None, say: Say) -> Iterator[Raw]:
        strangers = 0
        with self._files.open(self.path) as file:
            for header, body, offset in self._walk(file, wanted, say):
                for inner, data in self._opened(header, body, offset, say):
                    try:
                        opcode = _opcode(inner)
                        if opcode == CONNECTION:
                            self._connection(inner, data, say)
                        elif opcode == MESSAGE:
                            (key,) = _SIZE.unpack(inner["conn"])
                            time = _time(inner["time"])
                            if key not in self.topics:
                                strangers += 1
                            elif wanted is None or key in wanted:
                                yield Raw(key, time, time, data)
                    except DECODE_ERRORS as error:
                        say("file-damaged", f"a record of the chunk at byte {offset} cannot be read: {error!r}")
        if strangers:
            say("file-damaged", f"{strangers} messages belong to no connection of the file")

    def _walk(
        self, file: IO[bytes], wanted: Collection[int] | None, say: Say
    ) -> Iterator[tuple[Mapping[str, bytes], memoryview, int]]:
        """Records; what is none is said, and reading goes on at the next chunk of the index."""
        at, offsets = len(MAGIC), sorted(self._chunks)
        while at < self._end:
            connections = self._chunks.get(at)
            skip = wanted is not None and connections is not None and not any(c in wanted for c in connections)
            file.seek(at)
            try:
                header, body = _record(file, self._end, skip=skip)
                if _opcode(header) not in _OPCODES:
                    raise ValueError(f"its kind is {_opcode(header)}")
            except DECODE_ERRORS as error:
                later = bisect.bisect_right(offsets, at)
                on = offsets[later] if later < len(offsets) else self._end
                rest = f"{on - at} bytes from there on were not read"
                say("file-damaged", f"no whole record at byte {at} of {self._size}: {error}; {rest}")
                at = on
                continue
            after = file.tell()
            if not skip:
                yield header, body, at
            at = after

    def _opened(
        self, header: Mapping[str, bytes], body: memoryview, offset: int, say: Say
    ) -> Iterator[tuple[Mapping[str, bytes], memoryview]]:
        """The record, or those in it when it is a chunk."""
        if _opcode(header) != CHUNK:
            yield header, body
            return
        try:
            (size,) = _SIZE.unpack(header["size"])
            content = decompressed(bytes(body), header["compression"].decode(), size, "ros")
            at = 0
            while at < len(content):
                inner, at = _part(content, at)
                data, at = _part(content, at)
                yield _fields(inner), data
        except DECODE_ERRORS as error:
            say("file-damaged", f"the chunk at byte {offset} cannot be read: {error}")


def _record(
    file: IO[bytes], end: int, opcode: int | None = None, *, skip: bool = False
) -> tuple[dict[str, bytes], memoryview]:
    """The header and the data of the record at the file's position; no data when it is skipped."""
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    if size > min(_MAX_HEADER, end - file.tell()):
        raise ValueError(f"a header of {size} bytes")
    header = _fields(memoryview(file.read(size)))
    if opcode is not None and _opcode(header) != opcode:
        raise ValueError(f"a record of the kind {_opcode(header)}, {opcode} was expected")
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    if size > min(MAX_RECORD, end - file.tell()):
        raise ValueError(f"data of {size} bytes, {end - file.tell()} are left")
    if skip:
        file.seek(size, 1)
        return header, memoryview(b"")
    return header, memoryview(file.read(size))


def _part(content: memoryview, at: int) -> tuple[memoryview, int]:
    (size,) = _SIZE.unpack_from(content, at)
    at += _SIZE.size
    if at + size > len(content):
        raise ValueError(f"its record at byte {at} claims {size} bytes, {len(content) - at} are there")
    return content[at : at + size], at + size


def _fields(header: memoryview) -> dict[str, bytes]:
    found, at = {}, 0
    while at < len(header):
        part, at = _part(header, at)
        name, equals, value = bytes(part).partition(b"=")
        if not equals:
            raise ValueError(f"a field {name[:20]!r} without a value")
        found[name.decode()] = value
    return found


def _opcode(header: Mapping[str, bytes]) -> int:
    found = header["op"]
    return found[0] if len(found) == 1 else 0


def _time(value: bytes) -> int:
    seconds, nanoseconds = _TIME.unpack(value)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
