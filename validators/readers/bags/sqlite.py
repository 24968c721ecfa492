"""SQLite storage of ROS 2 bags (.db3): topics and messages as tables; without definitions in older files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from validators.errors import UnreadableDataset
from validators.extras import need
from validators.readers.bags.container import MAX_CHUNK
from validators.readers.bags.definition import Definition, normal, parse
from validators.readers.bags.message import DECODE_ERRORS, MAX_TIME, MAX_TOPICS, Bag, Raw, Say, Topic
from validators.readers.bags.wire import Wire

MAGIC = b"SQLite format 3\0"
MAX_TOPIC = 1 << 32  # above the number of any topic


class Sqlite(Bag):
    """One storage file in SQLite. Topics by their id in it; what is compressed message by message is opened here."""

    def __init__(self, path: str, local: Path, where: str, *, compressed: bool = False) -> None:
        """Raises `UnreadableDataset` when it is no SQLite file with topics and messages."""
        super().__init__(path, "rosbag2")
        self._address = f"file:{quote(str(local))}?immutable=1"
        self._where = where
        self._zstd = need("zstandard", "ros").ZstdDecompressor() if compressed else None
        try:
            with closing(self._connected()) as database:
                self._declared(database)
                self._counted(database)
        except (sqlite3.Error, *DECODE_ERRORS) as error:
            detail = f"no readable SQLite file of rosbag2 ({error}); copy it again"
            raise UnreadableDataset("file-damaged", detail, path=where) from error

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(f"{self._address}&mode=ro", uri=True)
        database.text_factory = bytes.decode
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CHUNK)
        return database

    def _declared(self, database: sqlite3.Connection) -> None:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"topics", "messages"} <= tables:
            raise ValueError("it has no tables of topics and messages")
        texts: dict[str, tuple[str, str]] = {}
        if "message_definitions" in tables:
            query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions LIMIT ?"
            texts = {kind: (encoding, text) for kind, encoding, text in database.execute(query, (MAX_TOPICS,))}
        if "schema" in tables:
            columns = {row[1] for row in database.execute("PRAGMA table_info(schema)")}
            for (distro,) in database.execute("SELECT ros_distro FROM schema") if "ros_distro" in columns else ():
                self.tools["ros_distro"] = str(distro)
        for key, name, kind, encoding in database.execute("SELECT id, name, type, serialization_format FROM topics"):
            if len(self.topics) >= MAX_TOPICS or not isinstance(key, int) or not 0 <= key < MAX_TOPIC:
                raise ValueError(f"more than {MAX_TOPICS} topics, or a topic without a number")
            topic = Topic(str(name), str(kind), str(encoding))
            topic.why = "" if encoding == "cdr" else f"messages of the encoding {encoding!r} are not read; cdr is"
            try:
                if not topic.why:
                    topic.decode = Wire(normal(topic.type), _definition(topic.type, texts))
            except DECODE_ERRORS as error:
                topic.why = f"its definition cannot be used: {error}"
            self.topics[key] = topic

    def _counted(self, database: sqlite3.Connection) -> None:
        query = "SELECT topic_id, count(*), min(timestamp), max(timestamp), min(id) FROM messages GROUP BY topic_id"
        for key, count, start, end, first in database.execute(query).fetchall():
            if key not in self.topics:
                self.problems.append(("file-damaged", f"{count} messages belong to topic {key}, which is not declared"))
                continue
            if not all(isinstance(t, int) and 0 <= t < MAX_TIME for t in (start, end)):
                raise ValueError(f"topic {self.topics[key].name} has a message at the time {start!r}")
            self.start = start if self.start is None else min(self.start, start)
            self.end = end if self.end is None else max(self.end, end)
            topic = self.topics[key]
            topic.messages = count
            row = database.execute("SELECT timestamp, data FROM messages WHERE id = ?", (first,)).fetchone()
            try:
                topic.first = Raw(key, row[0], row[0], memoryview(self._plain(row[1]))) if row else None
            except DECODE_ERRORS as error:
                self.problems.append(("file-damaged", f"the first message of {topic.name} cannot be read: {error}"))

    def _plain(self, data: object) -> bytes:
        if not isinstance(data, bytes):
            raise TypeError("its data is no blob")
        if self._zstd is None:
            return data
        library = need("zstandard", "ros")
        try:
            if library.get_frame_parameters(data).content_size > MAX_CHUNK:
                raise ValueError(f"claims more than {MAX_CHUNK} bytes")
            return bytes(self._zstd.decompress(data, max_output_size=MAX_CHUNK))
        except library.ZstdError as error:
            raise ValueError(f"cannot be decompressed: {error}") from error

    def read(self, wanted: Collection[int], say: Say) -> Iterator[Raw]:
        """The messages of those topics in the order in which they were written."""
        chosen = [key for key in self.topics if key in wanted]
        marks = ",".join("?" * len(chosen))
        query = f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) ORDER BY id"  # noqa: S608
        unread: dict[str, int] = {}
        try:
            with closing(self._connected()) as database:
                for key, time, data in database.execute(query, chosen):
                    try:
                        yield Raw(key, time, time, memoryview(self._plain(data)))
                    except DECODE_ERRORS as error:
                        unread[f"{self.topics[key].name}: {error}"] = 1 + unread.get(f"{key}: {error}", 0)
        except sqlite3.Error as error:
            say("file-damaged", f"its messages end where a page cannot be read: {error}")
        for why, count in unread.items():
            say("file-damaged", f"{count} messages of {why}")


def _definition(kind: str, texts: Mapping[str, tuple[str, str]]) -> Definition:
    """The one in the file; older files have none, then that of ROS 2 Humble's own messages."""
    if kind in texts:
        encoding, text = texts[kind]
        if encoding != "ros2msg":
            raise ValueError(f"it is {encoding}, which is not read")
        return parse(kind, text)
    store = need("rosbags.typesys", "ros").get_typestore(need("rosbags.typesys", "ros").Stores.ROS2_HUMBLE)
    if kind not in store.types:
        raise ValueError(f"neither the file nor ROS 2 Humble defines {kind}; record with a newer rosbag2, or as MCAP")
    return parse(kind, store.generate_msgdef(kind, ros_version=2)[0])
