"""Recordings of messages: MCAP files, ROS 1 bags and ROS 2 bags, one or many; a stream a topic, an episode a bag."""

from __future__ import annotations

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.bags.assembly import assembled
from validators.readers.bags.mcap import MAGIC as MCAP
from validators.readers.bags.mcap import Mcap
from validators.readers.bags.message import Bag
from validators.readers.bags.ros1 import MAGIC as ROS1
from validators.readers.bags.ros1 import Ros1
from validators.readers.bags.ros2 import KEY, METADATA, Ros2
from validators.readers.bags.sqlite import MAGIC as SQLITE
from validators.readers.bags.sqlite import Sqlite
from validators.recording import Problem, Recording

FORMAT = "MCAP, ROS 1 and ROS 2 bags (.mcap, .bag, .db3, metadata.yaml)"
SUFFIXES = (".mcap", ".bag", ".db3")
MAX_BAGS = 100_000


def recognises(files: Files) -> bool:
    """Whether there is any file named as a bag; a single file of another name is known by how it starts."""
    if files.names(*SUFFIXES) or any(_described(files, name) for name in files.names(METADATA)):
        return True
    if files.only is None or not files.is_file(files.only):
        return False
    with files.open(files.only) as file:
        return file.read(16).startswith((MCAP, ROS1))


def _described(files: Files, name: str) -> bool:
    if name.rpartition("/")[2] != METADATA:
        return False
    with files.open(name) as file:
        return KEY.encode() in file.read(4096)


def read(files: Files) -> Recording:
    """Reads the summary or index of each file and the first message of each topic; rows are decoded when wanted."""
    bags: list[Bag] = []
    problems: list[Problem] = []
    for name in _found(files):
        try:
            bag = _opened(files, name)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problems.append(
                Problem(error.kind, name + METADATA if name.endswith("/") or not name else name, error.detail)
            )
            continue
        problems += [Problem(kind, bag.path, message, len(bags)) for kind, message in bag.problems]
        bags.append(bag)
    if not bags:
        detail = f"no bag can be read; the first: {problems[0].message}"
        raise UnreadableDataset(problems[0].kind, detail, path=files.where(problems[0].path))
    return assembled(files, bags, problems)


def _found(files: Files) -> list[str]:
    """Bags by path; a folder of ROS 2 by its own with `/` at the end, without the storage files in it."""
    if files.only is not None:
        return [files.only]
    folders = [n.removesuffix(METADATA) for n in files.names(METADATA) if n == METADATA or n.endswith(f"/{METADATA}")]
    folders = [f for f in folders if _is_bag(files, f)]
    alone = [n for n in files.names(*SUFFIXES) if n.rpartition("/")[0] + ("/" if "/" in n else "") not in folders]
    if len(folders) + len(alone) > MAX_BAGS:
        raise UnreadableDataset("too-large", f"more than {MAX_BAGS} bags", path=files.where())
    return sorted(folders + alone)


def _is_bag(files: Files, folder: str) -> bool:
    """A metadata.yaml that says so, or one that cannot (zero bytes, cut) beside storage files."""
    beside = any(n.rpartition("/")[0] == folder.rstrip("/") for n in files.names(".mcap", ".db3"))
    return beside or _described(files, folder + METADATA)


def _opened(files: Files, name: str) -> Bag:
    if not name or name.endswith("/"):
        return Ros2(files, name)
    with files.open(name) as file:
        start = file.read(16)
    if start.startswith(SQLITE) or name.lower().endswith(".db3"):
        return Sqlite(name, files.local(name), files.where(name))
    if start.startswith(ROS1) or (name.lower().endswith(".bag") and not start.startswith(MCAP)):
        return Ros1(files, name)
    return Mcap(files, name)
