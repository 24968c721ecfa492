"""JSON messages: their leaves are those of the topic's first message; a JSON Schema says which numbers are integers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from validators.readers.bags.message import MAX_DEPTH, MAX_LEAVES, MAX_TIME, Leaf

_EXACT = 1 << 53  # integers beyond are no float64
_TIMES = ({"sec", "nsec"}, {"sec", "nanosec"}, {"secs", "nsecs"}, {"seconds", "nanos"})
_MISSING = object()


class _Column(NamedTuple):
    leaf: Leaf
    path: tuple[str, ...]
    value: Callable[[Any], Any]


class Document:
    """A decoder of JSON objects. A member that is absent is null; one of another type is an error."""

    def __init__(self, first: memoryview, schema: object = None) -> None:
        self._columns = list(_columns(_parsed(first), (), schema))
        self.leaves = tuple(c.leaf for c in self._columns)
        if len(self.leaves) > MAX_LEAVES or len({leaf.name for leaf in self.leaves}) != len(self.leaves):
            raise ValueError(f"more than {MAX_LEAVES} values in a message, or two of one name")

    def __call__(self, data: memoryview) -> Sequence[Any]:
        document = _parsed(data)
        found = []
        for column in self._columns:
            value: Any = document
            for key in column.path:
                value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
                if value is _MISSING:
                    break
            found.append(None if value is _MISSING or value is None else column.value(value))
        return found

    def whole(self, data: memoryview) -> Mapping[str, Any]:
        """The values by name; lists of objects as they are."""
        document = _parsed(data)
        values = dict(zip((leaf.name for leaf in self.leaves), self(data), strict=True))
        for column in self._columns:
            if column.leaf.dtype == "items":
                value = document
                for key in column.path:
                    value = value.get(key, {}) if isinstance(value, dict) else {}
                values[column.leaf.name] = value
        return values


def _parsed(data: memoryview) -> dict[str, Any]:
    document = json.loads(bytes(data))
    return document if isinstance(document, dict) else {"value": document}


def _columns(value: object, path: tuple[str, ...], schema: object) -> Iterator[_Column]:
    name = ".".join(path)
    if len(path) > MAX_DEPTH:
        raise ValueError(f"objects nest deeper than {MAX_DEPTH}")
    if isinstance(value, dict) and path and set(value) in _TIMES:
        yield _Column(Leaf(name, "time"), path, _time)
    elif isinstance(value, dict):
        inner = schema.get("properties") if isinstance(schema, dict) else None
        for key, member in value.items():
            yield from _columns(member, (*path, key), inner.get(key) if isinstance(inner, dict) else None)
    elif isinstance(value, bool):
        yield _Column(Leaf(name, "bool"), path, _boolean)
    elif isinstance(value, str):
        yield _Column(Leaf(name, "string"), path, _text)
    elif isinstance(value, list):
        yield _list(value, name, path)
    elif _integral(value, schema):
        yield _Column(Leaf(name, "int64"), path, _integer)
    else:
        yield _Column(Leaf(name, "float64"), path, _number)


def _list(value: list[Any], name: str, path: tuple[str, ...]) -> _Column:
    if value and all(isinstance(v, str) for v in value):
        return _Column(Leaf(name, "string", "sequence"), path, lambda found: [_text(v) for v in found])
    if value and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        return _Column(Leaf(name, "float64", "sequence", 0), path, lambda found: [_number(v) for v in found])
    return _Column(Leaf(name, "items"), path, len)


def _integral(value: object, schema: object) -> bool:
    declared = schema.get("type") if isinstance(schema, dict) else None
    return declared == "integer" or (isinstance(value, int) and abs(value) >= _EXACT)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:40]!r} where a number was expected")
    return float(value)


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= MAX_TIME:
        raise TypeError(f"{str(value)[:40]!r} where an integer of 64 bits was expected")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} where true or false was expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} where a text was expected")
    value.encode()  # a lone surrogate is no text
    return value


def _time(value: object) -> int:
    if not isinstance(value, dict) or set(value) not in _TIMES:
        raise TypeError(f"{str(value)[:40]!r} where a time was expected")
    nanoseconds = next(_integer(value[key]) for key in ("nsec", "nanosec", "nsecs", "nanos") if key in value)
    seconds = next(_integer(value[key]) for key in ("sec", "secs", "seconds") if key in value)
    return _integer(seconds * 1_000_000_000 + nanoseconds)
