"""ONNX as protocol buffers: a whole model that names no file outside itself.

A tensor may keep its data in another file, which the runtime opens by a path from the model; such a file is not among
what was verified, so it is refused. Field numbers are those of onnx.proto. A number that no field can have is refused:
loaders cut it down to 32 bits, and so would read a field that was not looked at here.
"""

from __future__ import annotations

from mmap import mmap

from infra.edge.document import Unreadable

DEPTH = 64
LAST_FIELD = 2**29 - 1  # the largest number of a field
_MODEL: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL, _LOCATION = 13, 14  # of a tensor
_IR_VERSION, _GRAPH = 1, 7  # of a model


def require_self_contained(data: mmap | bytes) -> None:
    """Raise `Unreadable` for what is no ONNX model, or for one that refers to other files."""
    seen = _walk(data, 0, len(data), "Model", 0)
    if not {_IR_VERSION, _GRAPH} <= seen:
        raise Unreadable("it has no version and no graph")


def _walk(data: mmap | bytes, at: int, end: int, kind: str, depth: int) -> set[int]:
    if depth > DEPTH:
        raise Unreadable("its graphs are nested too deep")
    seen: set[int] = set()
    inner = _MODEL[kind]
    while at < end:
        key, at = _varint(data, at, end)
        field, wire = key >> 3, key & 7
        if not 0 < field <= LAST_FIELD:
            raise Unreadable("it is no protocol buffer")
        seen.add(field)
        begin, at = _value(data, at, end, wire)
        if kind == "Tensor" and (field == _EXTERNAL or (field == _LOCATION and data[begin:at] != b"\x00")):
            raise Unreadable("a tensor keeps its data in another file")
        if field in inner:
            if wire != 2:
                raise Unreadable(f"a {inner[field].lower()} is not a message")
            _walk(data, begin, at, inner[field], depth + 1)
    return seen


def _value(data: mmap | bytes, at: int, end: int, wire: int) -> tuple[int, int]:
    """Where a field's value begins and ends."""
    begin = at
    if wire == 0:
        _, at = _varint(data, at, end)
    elif wire == 2:
        length, begin = _varint(data, at, end)
        at = begin + length
    elif wire in {1, 5}:
        at += 8 if wire == 1 else 4
    else:
        raise Unreadable("it is no protocol buffer")
    if at > end:
        raise Unreadable("it is cut off")
    return begin, at


def _varint(data: mmap | bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise Unreadable("it is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise Unreadable("it is no protocol buffer")
