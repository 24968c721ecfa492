"""ROS 2 bags: a folder whose metadata.yaml lists storage files in SQLite or MCAP."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from validators.documents import DocumentError, parse_yaml
from validators.errors import UnreadableDataset
from validators.extras import need
from validators.files import Files, at
from validators.readers.bags.mcap import Mcap
from validators.readers.bags.message import Bag, Raw, Say
from validators.readers.bags.sqlite import MAX_TOPIC, Sqlite

METADATA = "metadata.yaml"
KEY = "rosbag2_bagfile_information"
MAX_METADATA = 16 << 20
_MAX_FILE = 64 << 30  # bytes that one compressed storage file may become


class Ros2(Bag):
    """One bag: a folder whose metadata.yaml lists storage files, read one after the other."""

    def __init__(self, files: Files, folder: str) -> None:
        """`folder` ends with `/`, or is empty. Raises `UnreadableDataset` when no storage file can be read."""
        super().__init__(folder + METADATA, "rosbag2")
        self._parts: list[Bag] = []
        information = self._information(files, folder)
        compression = str(information.get("compression_mode", "")).lower()
        for path in self._storage(files, folder, information):
            try:
                part = _opened(files, path, compression)
            except UnreadableDataset as error:
                if error.kind == "path-outside":
                    raise
                self.problems.append((error.kind, f"{path}: {error.detail}"))
                continue
            self.topics |= {len(self._parts) * MAX_TOPIC + key: topic for key, topic in part.topics.items()}
            self._parts.append(part)
            self.storage = (*self.storage, path)
            self.problems += part.problems
            self.tools |= part.tools
            self.notes |= part.notes
            self.has_publish_time |= part.has_publish_time
        if not self._parts:
            kind, message = (self.problems or [("file-missing", "no storage file is in the folder")])[0]
            raise UnreadableDataset(kind, message, path=files.where(folder + METADATA))
        starts = [p.start for p in self._parts if p.start is not None]
        ends = [p.end for p in self._parts if p.end is not None]
        self.start, self.end = min(starts, default=None), max(ends, default=None)
        if isinstance(distro := information.get("ros_distro"), str) and distro:
            self.tools["ros_distro"] = distro
        if isinstance(custom := information.get("custom_data"), dict):
            self.notes |= {str(k): str(v) for k, v in custom.items()}
        self._compared(information)

    def _information(self, files: Files, folder: str) -> Mapping[str, Any]:
        try:
            document = parse_yaml(files.text(folder + METADATA, MAX_METADATA))
            found = document.get(KEY) if isinstance(document, dict) else None
            kind, detail = "metadata-invalid", f"it holds no {KEY}"
        except DocumentError as error:
            found, kind, detail = None, "metadata-invalid", str(error)
        except UnreadableDataset as error:
            found, kind, detail = None, error.kind, error.detail
        if not isinstance(found, dict):
            self.problems.append((kind, f"{METADATA}: {detail}; the storage files beside it were read"))
            return {}
        self.tools["rosbag2"] = f"version {found.get('version')}"
        return found

    def _storage(self, files: Files, folder: str, information: Mapping[str, Any]) -> list[str]:
        listed = information.get("relative_file_paths")
        beside = [n for n in files.names(".db3", ".mcap", ".zstd") if n.rpartition("/")[0] == folder.rstrip("/")]
        if not isinstance(listed, list) or not all(isinstance(p, str) and p for p in listed):
            return beside
        paths = [folder + p.rpartition("/")[2] for p in listed]
        for missing in [p for p in paths if p not in beside]:
            self.problems.append(("file-missing", f"{METADATA} lists {missing}, which is not there"))
        for extra in [p for p in beside if p not in paths]:
            self.problems.append(("path-unexpected", f"{extra} is not listed in {METADATA}, so it was not read"))
        return [p for p in paths if p in beside]

    def _compared(self, information: Mapping[str, Any]) -> None:
        """Messages of each topic against those that metadata.yaml lists."""
        there: dict[str, int] = {}
        for topic in self.topics.values():
            there[topic.name] = there.get(topic.name, 0) + topic.messages
        listed = information.get("topics_with_message_count")
        for item in listed if isinstance(listed, list) else []:
            about = item.get("topic_metadata") if isinstance(item, dict) else None
            name = about.get("name") if isinstance(about, dict) else None
            number = item.get("message_count") if isinstance(item, dict) else None
            if isinstance(name, str) and isinstance(number, int) and number != there.get(name, 0):
                said = f"{METADATA} lists {number} messages of {name}, {there.get(name, 0)} are there"
                self.problems.append(("metadata-invalid", said))

    def read(self, wanted: Collection[int], say: Say) -> Iterator[Raw]:
        """The messages of those topics, storage file after storage file."""
        for i, part in enumerate(self._parts):
            own = _Own(wanted, i * MAX_TOPIC)
            for raw in part.read(own, partial(_said, say, part.path)):
                yield raw._replace(topic=i * MAX_TOPIC + raw.topic)


def _said(say: Say, path: str, kind: str, message: str) -> None:
    say(kind, f"{path}: {message}")


class _Own:
    """The keys of one storage file among those of the bag; follows the bag's as they shrink."""

    def __init__(self, wanted: Collection[int], base: int) -> None:
        self._wanted, self._base = wanted, base

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self._base + key in self._wanted

    def __iter__(self) -> Iterator[int]:
        return (key - self._base for key in self._wanted if 0 <= key - self._base < MAX_TOPIC)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _opened(files: Files, path: str, compression: str) -> Bag:
    if not path.lower().endswith(".zstd"):
        if path.lower().endswith(".mcap"):
            return Mcap(files, path)
        return Sqlite(path, files.local(path), files.where(path), compressed=compression == "message")
    target = files.scratch / "opened" / path.removesuffix(".zstd")
    target.parent.mkdir(parents=True, exist_ok=True)
    library = need("zstandard", "ros")
    written = 0
    try:
        with files.open(path) as packed, target.open("wb") as plain:
            for block in library.ZstdDecompressor().read_to_iter(packed):
                written += plain.write(block)
                if written > _MAX_FILE:
                    raise UnreadableDataset("too-large", f"becomes more than {_MAX_FILE} bytes", path=path)
    except (library.ZstdError, OSError) as error:
        raise UnreadableDataset("file-damaged", f"cannot be decompressed: {error}", path=path) from error
    if target.suffix.lower() == ".mcap":
        return Mcap(at(target), target.name)
    return Sqlite(path, target, files.where(path))
