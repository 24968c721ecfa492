"""MCAP files: the summary at the end says what is in them; without it, or after damage, records are read one by one."""

from __future__ import annotations

import bisect
import io
import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from typing import IO, Any

from validators.errors import UnreadableDataset
from validators.extras import need
from validators.files import Files
from validators.readers.bags.container import MAX_RECORD, decompressed
from validators.readers.bags.encodings import decoder
from validators.readers.bags.message import DECODE_ERRORS, MAX_TOPICS, Bag, Raw, Say, Topic, silent

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, CHUNK_INDEX = 1, 2, 3, 4, 5, 6, 8
STATISTICS, METADATA, METADATA_INDEX, DATA_END = 11, 12, 13, 15
_READ = {HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, METADATA}
_HEAD, _MESSAGE, _CHUNK = struct.Struct("<BQ"), struct.Struct("<HIQQ"), struct.Struct("<QQQI")
_FOOTER = 9 + 20 + len(MAGIC)  # bytes of the footer record and the closing magic
_MAX_SUMMARY, _BLOCK = 512 << 20, 4 << 20


class Mcap(Bag):
    """One MCAP file. Topics are its channels, by their id."""

    def __init__(self, files: Files, path: str) -> None:
        """Raises `UnreadableDataset` when it is no MCAP file."""
        super().__init__(path, "mcap", has_publish_time=True)
        self._files = files
        self._records = need("mcap.records", "mcap")
        self._stream = need("mcap.data_stream", "mcap").ReadDataStream
        self._errors = (*DECODE_ERRORS, need("mcap.exceptions", "mcap").McapError)
        self._size = files.size(path)
        self._end = self._size
        self._schemas: dict[int, Any] = {}
        self._channels: dict[int, Any] = {}
        self._chunks: dict[int, frozenset[int]] = {}  # offset → channels in it; empty where the index does not say
        with files.open(path) as file:
            if file.read(len(MAGIC)) != MAGIC:
                why = "has no bytes" if not self._size else "does not start as an MCAP file does"
                raise UnreadableDataset("file-damaged", f"{why}; copy it again", path=files.where(path))
            summarised = self._summary(file)
        self._sample(summarised)

    def _say(self, kind: str, message: str) -> None:
        self.problems.append((kind, message))

    def _summary(self, file: IO[bytes]) -> bool:
        """Reads the summary; False when there is none that can be trusted, which is then a problem."""
        try:
            file.seek(max(0, self._size - _FOOTER))
            tail = file.read(_FOOTER)
            if len(tail) < _FOOTER or not tail.endswith(MAGIC) or _HEAD.unpack_from(tail) != (FOOTER, 20):
                raise ValueError("the file ends without a footer: it is cut, or was never closed")
            start, _, crc = struct.unpack_from("<QQI", tail, 9)
            end = self._size - _FOOTER
            if not start:
                raise ValueError("it was written without a summary")
            if not len(MAGIC) < start <= end or end - start > _MAX_SUMMARY:
                raise ValueError(f"the footer says that the summary starts at byte {start} of {self._size}")
            file.seek(start)
            content = file.read(end - start)
            if crc and zlib.crc32(content + tail[: 9 + 16]) != crc:
                raise ValueError("the summary does not match its checksum")
            self._summarised(memoryview(content))
            self._end = start
        except self._errors as error:
            for known in (self._schemas, self._channels, self._chunks, self.topics):
                known.clear()
            self.start = self.end = None
            self._say("file-damaged", f"no summary: {error}; it was read from its start, record by record")
            return False
        return True

    def _summarised(self, content: memoryview) -> None:
        counts: dict[int, int] | None = None
        for opcode, _, body in _inside(content):
            if opcode in (SCHEMA, CHANNEL):
                self._declared(opcode, body, self._say)
            elif opcode == CHUNK_INDEX:
                index = self._record("ChunkIndex", body)
                self._chunks[index.chunk_start_offset] = frozenset(index.message_index_offsets)
            elif opcode == STATISTICS:
                found = self._record("Statistics", body)
                counts = dict(found.channel_message_counts)
                if found.message_count:
                    self.start, self.end = found.message_start_time, found.message_end_time
            elif opcode == METADATA_INDEX:
                self._noted(self._record("MetadataIndex", body))
        if counts is None:
            raise ValueError("it has no statistics")
        for key, topic in self.topics.items():
            topic.messages = counts.get(key, 0)

    def _noted(self, index: Any) -> None:
        with self._files.open(self.path) as file:
            file.seek(min(index.offset, self._size))
            head = file.read(_HEAD.size)
            if len(head) == _HEAD.size and head[0] == METADATA and (size := _HEAD.unpack(head)[1]) <= 1 << 20:
                self._note(file.read(size))

    def _note(self, body: bytes) -> None:
        record = self._record("Metadata", memoryview(body))
        self.notes |= {f"{record.name}.{key}": value for key, value in record.metadata.items()}

    def _record(self, kind: str, body: memoryview) -> Any:
        return getattr(self._records, kind).read(self._stream(io.BytesIO(body)))

    def _declared(self, opcode: int, body: memoryview, say: Say) -> None:
        """A schema or channel. The first of an id holds; a second that differs is said."""
        record = self._record("Schema" if opcode == SCHEMA else "Channel", body)
        known = self._schemas if opcode == SCHEMA else self._channels
        if (before := known.setdefault(record.id, record)) is not record:
            if before != record:
                word = "schema" if opcode == SCHEMA else "channel"
                say("metadata-invalid", f"{word} {record.id} is declared twice, differently; the first one was used")
        elif opcode == CHANNEL:
            if len(self.topics) >= MAX_TOPICS:
                raise UnreadableDataset("too-large", f"more than {MAX_TOPICS} channels", path=self._where)
            schema = self._schemas.get(record.schema_id)
            topic = Topic(record.topic, schema.name if schema else "", record.message_encoding)
            self.topics[record.id] = topic

    @property
    def _where(self) -> str:
        return self._files.where(self.path)

    def _sample(self, summarised: bool) -> None:
        """The first message of each topic; without a summary all are counted. Damage is said when rows are read."""
        if summarised:
            left = {key for key, topic in self.topics.items() if topic.messages}
            for raw in self.read(left, silent):
                self.topics[raw.topic].first = raw._replace(data=memoryview(bytes(raw.data)))
                left.discard(raw.topic)
                if not left:
                    break
        else:
            for raw in self.read(_All(), silent, self._note):
                topic = self.topics[raw.topic]
                topic.messages += 1
                if topic.first is None:
                    topic.first = raw._replace(data=memoryview(bytes(raw.data)))
                self.start = raw.log_time if self.start is None else min(self.start, raw.log_time)
                self.end = raw.log_time if self.end is None else max(self.end, raw.log_time)
        with self._files.open(self.path) as file:
            file.seek(len(MAGIC))
            head = file.read(_HEAD.size)
            if len(head) == _HEAD.size and head[0] == HEADER and _HEAD.unpack(head)[1] < 1 << 16:
                self._made(memoryview(file.read(_HEAD.unpack(head)[1])))
        for key, topic in self.topics.items():
            if topic.first is not None:
                channel = self._channels[key]
                schema = self._schemas.get(channel.schema_id)
                topic.decode, topic.why = decoder(channel.message_encoding, schema, topic.first.data, self._errors)

    def _made(self, body: memoryview) -> None:
        try:
            header = self._record("Header", body)
        except self._errors as error:
            self._say("metadata-invalid", f"its header cannot be read: {error}")
            return
        self.tools |= {k: v for k, v in (("recorder", header.library), ("profile", header.profile)) if v}

    def read(self, wanted: Collection[int], say: Say, note: Callable[[bytes], None] | None = None) -> Iterator[Raw]:
        """The messages of those channels as they lie in the file; `wanted` may shrink meanwhile."""
        strangers = 0
        with self._files.open(self.path) as file:
            for opcode, offset, body in self._walk(file, wanted, say):
                for inner, at, content in self._opened(opcode, offset, body, say):
                    if inner == MESSAGE and len(content) >= _MESSAGE.size:
                        key, _, log, published = _MESSAGE.unpack_from(content)
                        if key not in self.topics:
                            strangers += 1
                        elif key in wanted:
                            yield Raw(key, log, published, content[_MESSAGE.size :])
                    else:
                        self._other(inner, at, content, say, note)
        if strangers:
            say("file-damaged", f"{strangers} messages belong to no channel of the file")

    def _other(self, opcode: int, at: int, body: memoryview, say: Say, note: Callable[[bytes], None] | None) -> None:
        try:
            if opcode in (SCHEMA, CHANNEL):
                self._declared(opcode, body, say)
            elif opcode == METADATA and note:
                note(bytes(body))
        except self._errors as error:
            say("file-damaged", f"the record of kind {opcode} at byte {at} cannot be read: {error}")

    def _walk(self, file: IO[bytes], wanted: Collection[int], say: Say) -> Iterator[tuple[int, int, memoryview]]:
        """Records of the data section; what is none is said, and reading goes on at the next chunk of the index."""
        at, offsets = len(MAGIC), sorted(self._chunks)
        while at < self._end:
            file.seek(at)
            head = file.read(_HEAD.size)
            opcode, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
            after = at + _HEAD.size + length
            if opcode == DATA_END:
                self._sealed(file, at, file.read(min(length, 4)), say)
                return
            if not opcode or after > self._end:
                later = bisect.bisect_right(offsets, at)
                on = offsets[later] if later < len(offsets) else self._end
                rest = f"{on - at} bytes from there on were not read"
                say("file-damaged", f"no whole record at byte {at} of {self._size}: cut or overwritten; {rest}")
                at = on
                continue
            channels = self._chunks.get(at)
            if opcode in _READ and not (opcode == CHUNK and channels and not any(c in wanted for c in channels)):
                if length > MAX_RECORD + 1024:
                    say("too-large", f"the record at byte {at} has {length} bytes, at most {MAX_RECORD} are read")
                else:
                    yield opcode, at, memoryview(file.read(length))
            at = after

    def _sealed(self, file: IO[bytes], end: int, body: bytes, say: Say) -> None:
        """Messages outside of chunks have no checksum but that of the whole data section, where the writer made one."""
        (expected,) = struct.unpack("<I", body) if len(body) == 4 else (0,)
        if expected and not self._chunks:
            file.seek(0)
            found = 0
            for start in range(0, end, _BLOCK):
                found = zlib.crc32(file.read(min(_BLOCK, end - start)), found)
            if found != expected:
                say(
                    "file-damaged",
                    "its messages do not match their checksum: some may hold wrong values; copy it again",
                )

    def _opened(self, opcode: int, offset: int, body: memoryview, say: Say) -> Iterator[tuple[int, int, memoryview]]:
        """The record, or those in it when it is a chunk."""
        if opcode != CHUNK:
            yield opcode, offset, body
            return
        try:
            _, _, size, crc = _CHUNK.unpack_from(body)
            (named,) = struct.unpack_from("<I", body, _CHUNK.size)
            compression = bytes(body[_CHUNK.size + 4 :][:named]).decode()
            (length,) = struct.unpack_from("<Q", body, _CHUNK.size + 4 + named)
            data = body[_CHUNK.size + 12 + named :]
            if length != len(data):
                raise ValueError(f"{length} bytes are declared, {len(data)} are there")
            content = decompressed(bytes(data), compression, size, "mcap")
            if crc and zlib.crc32(content) != crc:
                raise ValueError("it does not match its checksum")
            yield from _inside(content)
        except DECODE_ERRORS as error:
            say("file-damaged", f"the chunk at byte {offset} cannot be read: {error}")


class _All:
    """Every channel."""

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _inside(content: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Opcode, offset and body of each record. ValueError where one is cut."""
    at = 0
    while at < len(content):
        if at + _HEAD.size > len(content):
            raise ValueError(f"its record at byte {at} is cut")
        opcode, length = _HEAD.unpack_from(content, at)
        body = at + _HEAD.size
        if body + length > len(content):
            raise ValueError(f"its record at byte {at} claims {length} bytes, {len(content) - body} are there")
        yield opcode, at, content[body : body + length]
        at = body + length
