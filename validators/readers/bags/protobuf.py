"""Protobuf messages: leaves are those of the descriptor that the file carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

import numpy as np

from validators.extras import need
from validators.readers.bags.message import MAX_DEPTH, MAX_LEAVES, MAX_TIME, Leaf

_TIMES = ("google.protobuf.Timestamp", "google.protobuf.Duration")
_SECOND = 1_000_000_000
MAX_VISITS = 20_000  # fields within fields that are looked at to make one decoder


class Protobuf:
    """A decoder of one message type. A message that holds itself is not followed. ValueError for a bad descriptor."""

    def __init__(self, schema: Any) -> None:
        """`schema` is a record of the library `mcap`."""
        factory = need("mcap_protobuf.decoder", "mcap").DecoderFactory()
        library = need("google.protobuf.message", "mcap")
        exceptions = need("mcap.exceptions", "mcap")
        self._error = library.DecodeError
        try:
            self._parse = factory.decoder_for("protobuf", schema)
            if self._parse is None:
                raise ValueError(f"its schema is of the encoding {schema.encoding!r}")
            descriptor = self._parse(b"").DESCRIPTOR
        except (library.Error, exceptions.McapError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"its descriptor cannot be read: {' '.join(str(error).split())[:200]}") from error
        found = list(islice(_leaves(descriptor, "", (descriptor.full_name,), [MAX_VISITS]), MAX_LEAVES + 1))
        if not found or len(found) > MAX_LEAVES:
            raise ValueError(f"a message of {len(found)} values, 1 to {MAX_LEAVES} are read")
        self.leaves = tuple(leaf for leaf, _ in found)
        self._changes = [(i, change) for i, (_, change) in enumerate(found) if change]
        self._get = attrgetter(*(leaf.name for leaf in self.leaves))

    def __call__(self, data: memoryview) -> Sequence[Any]:
        try:
            found = self._get(self._parse(bytes(data)))
        except self._error as error:
            raise ValueError(str(error)) from error
        values = list(found) if len(self.leaves) > 1 else [found]
        for i, change in self._changes:
            values[i] = change(values[i])
        return values

    def whole(self, data: memoryview) -> Mapping[str, Any]:
        """The values by name; of repeated messages their number."""
        return dict(zip((leaf.name for leaf in self.leaves), self(data), strict=True))


def _leaves(
    descriptor: Any, prefix: str, within: tuple[str, ...], budget: list[int]
) -> Iterator[tuple[Leaf, Callable[[Any], Any] | None]]:
    if len(within) > MAX_DEPTH:
        raise ValueError(f"messages nest deeper than {MAX_DEPTH}")
    for field in descriptor.fields:
        budget[0] -= 1
        if budget[0] < 0:
            raise ValueError(f"more than {MAX_VISITS} fields within fields")
        name = prefix + field.name
        dtype = _dtype(field)
        if field.is_repeated and dtype is None:
            yield Leaf(name, "items"), len
        elif field.is_repeated and field.type == field.TYPE_STRING:
            yield Leaf(name, "string", "sequence"), list
        elif field.is_repeated and field.type == field.TYPE_BYTES:
            yield Leaf(name, "items"), len
        elif field.is_repeated:
            yield Leaf(name, str(dtype), "sequence", 0), _Array(str(dtype))
        elif field.type == field.TYPE_BYTES:
            yield Leaf(name, "uint8", "sequence", 0), _octets
        elif dtype is not None:
            yield Leaf(name, dtype), None
        elif field.message_type.full_name in _TIMES:
            yield Leaf(name, "time"), _time
        elif field.message_type.full_name not in within:
            yield from _leaves(field.message_type, f"{name}.", (*within, field.message_type.full_name), budget)


def _dtype(field: Any) -> str | None:
    """The numpy name of a number, `string`, `uint8` for bytes, None for a message."""
    names = {
        field.CPPTYPE_INT32: "int32",
        field.CPPTYPE_INT64: "int64",
        field.CPPTYPE_UINT32: "uint32",
        field.CPPTYPE_UINT64: "uint64",
        field.CPPTYPE_DOUBLE: "float64",
        field.CPPTYPE_FLOAT: "float32",
        field.CPPTYPE_BOOL: "bool",
        field.CPPTYPE_ENUM: "int32",
        field.CPPTYPE_STRING: "uint8" if field.type == field.TYPE_BYTES else "string",
    }
    return names.get(field.cpp_type)


class _Array:
    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def __call__(self, values: Any) -> Any:
        return np.fromiter(values, self._dtype, len(values))


def _octets(value: bytes) -> Any:
    return np.frombuffer(value, np.uint8)


def _time(value: Any) -> int:
    time = int(value.seconds) * _SECOND + int(value.nanos)
    if abs(time) >= MAX_TIME:
        raise ValueError(f"{value.seconds} s is no time")
    return time
