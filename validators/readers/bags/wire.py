"""ROS messages from bytes to the values of their leaves: CDR as ROS 2 writes it, and the unpadded form of ROS 1.

Numbers that lie side by side are unpacked in one step, and every count is held against the bytes that are left, so a
damaged message is an error and never a long loop. Nothing of a message is run as code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from validators.readers.bags.definition import Definition
from validators.readers.bags.plan import CODES, TIMES, Item, Messages, Number, Numbers, Plan, Run, code

_SPARE = 8  # bytes that writers of CDR leave at the end of a message
_SECOND = 1_000_000_000

Order: TypeAlias = Literal["<", ">"]
Step: TypeAlias = Callable[[memoryview, int, list[Any]], int]  # data, position, values so far → next position


class Wire:
    """A decoder of one message type. ValueError when its definition is not complete, too deep or too wide."""

    def __init__(self, name: str, definition: Definition, *, ros1: bool = False) -> None:
        self._plan = Plan(name, definition, ros1=ros1)
        self.leaves = tuple(self._plan.leaves)
        self._ros1 = ros1
        self._steps: dict[tuple[Order, bool], list[Step]] = {}

    def __call__(self, data: memoryview) -> Sequence[Any]:
        return self._decode(data, deep=False)

    def whole(self, data: memoryview) -> Mapping[str, Any]:
        """The values by name; messages of a sequence as a list of mappings."""
        return _named(self._plan, self._decode(data, deep=True))

    def _start(self, data: memoryview) -> tuple[Order, int]:
        return ("<", 0) if self._ros1 else _encapsulation(data)

    def _decode(self, data: memoryview, *, deep: bool) -> list[Any]:
        order, position = self._start(data)
        steps = self._steps.get((order, deep))
        if steps is None:
            steps = self._steps[order, deep] = _steps(self._plan, order, position, deep)
        values: list[Any] = []
        for step in steps:
            position = step(data, position, values)
        if not 0 <= len(data) - position <= (0 if self._ros1 else _SPARE):
            raise ValueError(f"has {len(data)} bytes, {position} by its definition")
        return values


def _encapsulation(data: memoryview) -> tuple[Order, int]:
    if len(data) < 4 or data[0] or data[1] > 1:
        raise ValueError(f"starts with {bytes(data[:4]).hex() or 'nothing'}, which is no header of plain CDR")
    return ("<" if data[1] else ">"), 4


def _named(plan: Plan, values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip((leaf.name for leaf in plan.leaves), values, strict=True))


def _steps(plan: Plan, order: Order, base: int, deep: bool) -> list[Step]:
    """`base`: where alignment is counted from; 0 for ROS 1, which has none."""
    return [_step(item, order, base, deep) for item in plan.items]


def _step(item: Item, order: Order, base: int, deep: bool) -> Step:
    if isinstance(item, Run):
        return _run(item.numbers, order, base)
    count = struct.Struct(order + "I")
    if isinstance(item, Numbers):
        dtype = np.dtype(item.kind).newbyteorder(order)
        return partial(_numbers, dtype, item.count, base, count)
    if isinstance(item, Messages):
        inner = _steps(item.plan, order, base, deep)
        return partial(_messages, inner, item.plan, item.count, base, count, deep)
    if item.count is None:
        return partial(_text, base, count)
    return partial(_texts, item.count, base, count)


def _aligned(position: int, base: int, size: int) -> int:
    return position + (base - position) % size if base else position


def _run(numbers: Sequence[Number], order: Order, base: int) -> Step:
    known: dict[int, struct.Struct] = {}
    slots: list[tuple[int, int, str]] = []  # first value, after the last one, what
    at = 0
    for number in numbers:
        width = 2 if number.kind in TIMES else number.length or 1
        what = "time" if number.kind in TIMES else "one" if number.length is None else "array"
        if number.shown:
            slots.append((at, at + width, what))
        at += width
    plain = len(slots) == at and all(what == "one" for *_, what in slots)

    def step(data: memoryview, position: int, values: list[Any]) -> int:
        offset = (position - base) % 8 if base else 0
        packed = known.get(offset)
        if packed is None:
            packed = known[offset] = struct.Struct(order + _format(numbers, offset, padded=bool(base)))
        found = packed.unpack_from(data, position)
        if plain:
            values.extend(found)
        else:
            values.extend(
                found[a] if what == "one" else found[a:b] if what == "array" else found[a] * _SECOND + found[a + 1]
                for a, b, what in slots
            )
        return position + packed.size

    return step


def _format(numbers: Sequence[Number], offset: int, *, padded: bool) -> str:
    parts = []
    for number in numbers:
        size = 4 if number.kind in TIMES else struct.calcsize("<" + CODES[number.kind])
        if padded and offset % size:
            parts.append(f"{-offset % size}x")
            offset += -offset % size
        parts.append(code(number))
        offset += struct.calcsize("<" + code(number))
    return "".join(parts)


def _counted(data: memoryview, position: int, base: int, count: struct.Struct) -> tuple[int, int]:
    position = _aligned(position, base, 4)
    (number,) = count.unpack_from(data, position)
    return number, position + 4


def _text(base: int, count: struct.Struct, data: memoryview, position: int, values: list[Any]) -> int:
    size, position = _counted(data, position, base, count)
    end = position + size
    if end > len(data):
        raise ValueError(f"a text of {size} bytes, {len(data) - position} are left")
    values.append(str(data[position : end - 1 if base and size else end], "utf-8"))
    return end


def _texts(fixed: int, base: int, count: struct.Struct, data: memoryview, position: int, values: list[Any]) -> int:
    number, position = (fixed, position) if fixed else _counted(data, position, base, count)
    if 4 * number > len(data) - position:
        raise ValueError(f"{number} texts, {len(data) - position} bytes are left")
    found: list[Any] = []
    for _ in range(number):
        position = _text(base, count, data, position, found)
    values.append(found)
    return position


def _numbers(
    dtype: np.dtype[Any],
    fixed: int,
    base: int,
    count: struct.Struct,
    data: memoryview,
    position: int,
    values: list[Any],
) -> int:
    number, position = (fixed, position) if fixed else _counted(data, position, base, count)
    if number:
        position = _aligned(position, base, dtype.itemsize)
    if number * dtype.itemsize > len(data) - position:
        raise ValueError(f"{number} times {dtype.name}, {len(data) - position} bytes are left")
    values.append(np.frombuffer(data, dtype, number, position) if number else np.empty(0, dtype))
    return position + number * dtype.itemsize


def _messages(
    steps: Sequence[Step],
    plan: Plan,
    fixed: int,
    base: int,
    count: struct.Struct,
    deep: bool,
    data: memoryview,
    position: int,
    values: list[Any],
) -> int:
    number, position = (fixed, position) if fixed else _counted(data, position, base, count)
    if number * plan.least > len(data) - position:
        raise ValueError(f"{number} messages of at least {plan.least} bytes, {len(data) - position} are left")
    kept = []
    for _ in range(number if plan.least else 0):
        found: list[Any] = []
        for step in steps:
            position = step(data, position, found)
        if deep:
            kept.append(_named(plan, found))
    values.append(kept if deep else number)
    return position
