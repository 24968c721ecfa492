"""ROS message definitions: the text that a bag carries, `pkg/Name` and the messages in it, as lists of fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MAX_TEXT = 1 << 20  # bytes of one definition
_NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
PRIMITIVES: Mapping[str, str] = {n: n for n in _NUMBERS} | {"bool": "bool", "char": "uint8", "byte": "uint8"}
_ROS1_TIMES = ("time", "duration")
_ROS2_TIMES = {"builtin_interfaces/Time": "duration", "builtin_interfaces/Duration": "duration"}
_SEPARATOR = re.compile(r"^={3,}[ \t]*$", re.MULTILINE)
_HEAD = re.compile(r"\s*MSG:[ \t]+(\S+)[ \t]*(?:\n|$)")
_CONSTANT = re.compile(r"[A-Za-z]\w*(?:<=\d+)?\s+[A-Za-z]\w*\s*=")
_FIELD = re.compile(r"([A-Za-z][\w/]*)(?:<=\d{1,9})?(?:\[(<=)?(\d{0,9})\])?\s+([A-Za-z]\w*)(?:\s+\S.*)?")
_NAME = re.compile(r"[A-Za-z]\w*(?:/[A-Za-z]\w*){0,8}")


class Field(NamedTuple):
    """`type` is a primitive, `string`, `wstring`, `time`, `duration` or the name of a message; `length` None: scalar,
    0: a sequence, else an array of so many."""

    name: str
    type: str
    length: int | None = None


Definition = Mapping[str, tuple[Field, ...]]  # message → its fields


def parse(name: str, text: str, *, ros1: bool = False) -> Definition:
    """All messages of a definition, of which the first is `name`. ValueError says which line is none."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"a definition of {len(text)} characters, at most {MAX_TEXT} are read")
    found: dict[str, tuple[Field, ...]] = {}
    for position, section in enumerate(_SEPARATOR.split(text)):
        head = _HEAD.match(section)
        if position and not head:
            if section.strip():
                raise ValueError(f"section {position} of the definition has no line 'MSG: package/Name'")
            continue
        own = normal(head[1] if head else name)
        body = section[head.end() :] if head else section
        package = own.split("/", 1)[0]
        fields = tuple(f for line in body.splitlines() if (f := _field(line, package, ros1)))
        if len({f.name for f in fields}) != len(fields):
            raise ValueError(f"{own} names a field twice")
        if found.setdefault(own, fields) != fields:
            raise ValueError(f"{own} is defined twice, differently")
    return found


def normal(name: str) -> str:
    """`pkg/Name` of `pkg/msg/Name`. ValueError when it is no name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a message")
    parts = name.split("/")
    return f"{parts[0]}/{parts[-1]}" if len(parts) > 1 else name


def _field(line: str, package: str, ros1: bool) -> Field | None:
    line = line.strip()
    if not line or line.startswith("#") or _CONSTANT.match(line):
        return None
    found = _FIELD.fullmatch(line.split("#", 1)[0].strip())
    if not found:
        raise ValueError(f"{line[:80]!r} is no field of a message")
    kind, _, count, name = found.groups()
    bounded = found[2] is not None
    return Field(name, _type(kind, package, ros1), None if count is None else 0 if bounded else int(count or 0))


def _type(kind: str, package: str, ros1: bool) -> str:
    if ros1 and kind == "byte":
        return "int8"
    if kind in PRIMITIVES:
        return PRIMITIVES[kind]
    if kind in ("string", "wstring") or (ros1 and kind in _ROS1_TIMES):
        return kind
    if kind == "Header":
        return "std_msgs/Header"
    name = normal(kind) if "/" in kind else f"{package}/{kind}"
    return _ROS2_TIMES.get(name, name) if not ros1 else name
