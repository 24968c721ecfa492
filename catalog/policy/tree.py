"""The checked tree of a CEL expression, read from its serialised form.

The library shows no tree, only `Expression.serialize()`: a protobuf `Any` of `cel.expr.CheckedExpr`
(github.com/google/cel-spec, proto/cel/expr/{checked,syntax}.proto). This reads the few fields that matter from the
wire format; anything it does not know is `Unsupported`, and a rule that holds one is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DEPTH = 64
TYPE_URL = b"type.googleapis.com/cel.expr.CheckedExpr"


@dataclass(frozen=True)
class Constant:
    """A literal: bool, int, float or text."""

    value: bool | int | float | str


@dataclass(frozen=True)
class Ident:
    """A name."""

    name: str


@dataclass(frozen=True)
class Select:
    """`operand.field`; `test_only` is what `has()` becomes."""

    operand: Node
    field: str
    test_only: bool


@dataclass(frozen=True)
class Call:
    """A function or operator; the target of a method call comes first among the arguments."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class ListOf:
    """A list literal."""

    elements: tuple[Node, ...]


@dataclass(frozen=True)
class Comprehension:
    """What `all()` and `exists()` become."""

    variable: str
    over: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node


@dataclass(frozen=True)
class Unsupported:
    """Something that no rule may hold."""

    what: str


class Malformed(ValueError):
    """The bytes are no checked expression that this module knows."""


Node = Constant | Ident | Select | Call | ListOf | Comprehension | Unsupported
Fields = dict[int, list[int | bytes]]


def tree(serialised: bytes) -> Node:
    """The root of the checked expression; `Malformed` when the bytes are not a checked expression."""
    outer = _fields(serialised)
    if _bytes(outer, 1) != TYPE_URL:
        raise Malformed(f"not a checked expression: {_bytes(outer, 1)!r}")
    return _node(_bytes(_fields(_bytes(outer, 2)), 4), 0)


def _node(data: bytes, depth: int) -> Node:
    if depth > DEPTH:
        raise Malformed(f"nested deeper than {DEPTH}")
    kinds = [(number, values) for number, values in _fields(data).items() if number != 2]
    if len(kinds) != 1 or len(kinds[0][1]) != 1:
        raise Malformed("an expression is not exactly one thing")
    number, (value,) = kinds[0]
    read = READERS.get(number)
    return read(_fields(_as_bytes(value)), depth + 1) if read else Unsupported(f"expression kind {number}")


def _child(fields: Fields, number: int, depth: int) -> Node:
    return _node(_bytes(fields, number), depth)


def _children(fields: Fields, number: int, depth: int) -> tuple[Node, ...]:
    return tuple(_node(_as_bytes(value), depth) for value in fields.get(number, []))


def _ident(fields: Fields, _: int) -> Node:
    return Ident(_text(fields, 1))


def _select(fields: Fields, depth: int) -> Node:
    return Select(_child(fields, 1, depth), _text(fields, 2), test_only=3 in fields)


def _call(fields: Fields, depth: int) -> Node:
    return Call(_text(fields, 2), _children(fields, 1, depth) + _children(fields, 3, depth))


def _list(fields: Fields, depth: int) -> Node:
    return Unsupported("an optional list element") if 2 in fields else ListOf(_children(fields, 1, depth))


def _struct(_fields: Fields, _: int) -> Node:
    return Unsupported("a map or message literal")


def _comprehension(fields: Fields, depth: int) -> Node:
    if 8 in fields:
        return Unsupported("a loop over two variables")
    over, *parts = (_child(fields, number, depth) for number in (2, 4, 5, 6, 7))
    return Comprehension(_text(fields, 1), over, _text(fields, 3), *parts)


def _constant(fields: Fields, _: int) -> Node:
    (number, (value,)) = next(iter(fields.items()))
    match number, value:
        case 2, int():
            return Constant(bool(value))
        case 3, int():
            return Constant(value - 2**64 if value >= 2**63 else value)
        case 5, bytes():
            return Constant(float(struct.unpack("<d", value)[0]))
        case 6, bytes():
            return Constant(value.decode())
    return Unsupported({1: "null", 4: "an unsigned number", 7: "bytes"}.get(number, f"constant kind {number}"))


READERS: dict[int, Callable[[Fields, int], Node]] = {
    3: _constant,
    4: _ident,
    5: _select,
    6: _call,
    7: _list,
    8: _struct,
    9: _comprehension,
}


def _fields(data: bytes) -> Fields:
    fields: Fields = {}
    for number, value in _wire(data):
        fields.setdefault(number, []).append(value)
    return fields


def _wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Protobuf's wire format: varints as int, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, size = key & 7, 0
        if kind == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Malformed(f"wire type {kind}")
        if at + size > len(data):
            raise Malformed("cut short")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("cut short")
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def _bytes(fields: Fields, number: int) -> bytes:
    values = fields.get(number, [])
    if len(values) != 1:
        raise Malformed(f"field {number} appears {len(values)} times")
    return _as_bytes(values[0])


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("a number where a message belongs")
    return value


def _text(fields: Fields, number: int) -> str:
    return _bytes(fields, number).decode()
