"""What lies in a ROS message, item after item, and what of it are columns; bounded, for definitions may be hostile."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from validators.readers.bags.definition import Definition, Field
from validators.readers.bags.message import MAX_DEPTH, MAX_LEAVES, MAX_WIDTH, Leaf

MAX_VISITS = 20_000  # messages within messages that are looked at to make one plan
FLAT = 16  # messages of a fixed array that get columns of their own, `name[0].field`
CODES = {"int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"}
CODES |= {"int64": "q", "uint64": "Q", "float32": "f", "float64": "d", "bool": "?"}
TIMES = {"time": "II", "duration": "iI"}  # seconds and nanoseconds


class Number(NamedTuple):
    """One number, `length` of them, or a time; one that is not `shown` is no column."""

    kind: str
    length: int | None
    shown: bool = True


@dataclass(frozen=True)
class Run:
    """Numbers that lie side by side."""

    numbers: list[Number] = field(default_factory=list)


@dataclass(frozen=True)
class Text:
    """A text; `count` of them (0: as many as the message says)."""

    count: int | None


@dataclass(frozen=True)
class Numbers:
    """A long array of numbers, or a sequence (`count` 0)."""

    kind: str
    count: int


@dataclass(frozen=True)
class Messages:
    """An array of messages, or a sequence (`count` 0)."""

    plan: Plan
    count: int


Item: TypeAlias = Run | Text | Numbers | Messages


class Plan:
    """The items of one message type, its leaves, and the `least` bytes that one message has."""

    def __init__(
        self, name: str, definition: Definition, *, ros1: bool, budget: list[int] | None = None, nested: int = 0
    ) -> None:
        """ValueError when the definition is not complete, too deep or too wide."""
        self.leaves: list[Leaf] = []
        self.items: list[Item] = []
        self.least = 0
        self._definition = definition
        self._ros1 = ros1
        self._nested = nested
        self._budget = budget if budget is not None else [MAX_VISITS]
        self._message(name, "", 0)

    def _message(self, name: str, prefix: str, depth: int) -> None:
        self._budget[0] -= 1
        if depth > MAX_DEPTH or self._budget[0] < 0:
            raise ValueError(f"messages nest deeper than {MAX_DEPTH}, or hold more than {MAX_VISITS} others")
        if name not in self._definition:
            raise ValueError(f"the definition of {name} is not in the file")
        if not self._definition[name] and not self._ros1:
            self._number(Number("uint8", None, shown=False))  # IDL knows no empty structure
        for item in self._definition[name]:
            self._field(item, prefix + item.name, depth)

    def _field(self, item: Field, name: str, depth: int) -> None:
        kind, count = item.type, item.length
        if kind == "string":
            self._leaf(Leaf(name, "string", "scalar" if count is None else "sequence"))
            self.items.append(Text(count))
            self.least += 4 * (1 if count is None else max(1, count))
        elif kind == "wstring" or (kind in TIMES and count is not None):
            raise ValueError(f"{name} is a {'wstring' if kind == 'wstring' else 'list of times'}, which is not read")
        elif kind in TIMES or (kind in CODES and count is None):
            self._leaf(Leaf(name, "time" if kind in TIMES else kind))
            self._number(Number(kind, None))
        elif kind in CODES and count is not None:
            self._array(name, kind, count)
        elif count is None:
            self._message(kind, f"{name}.", depth + 1)
        elif 0 < count <= FLAT:
            for i in range(count):
                self._message(kind, f"{name}[{i}].", depth + 1)
        else:
            self._leaf(Leaf(name, "items"))
            if self._nested >= MAX_DEPTH:
                raise ValueError(f"sequences of messages nest deeper than {MAX_DEPTH}")
            inner = Plan(kind, self._definition, ros1=self._ros1, budget=self._budget, nested=self._nested + 1)
            self.items.append(Messages(inner, count))
            self.least += 0 if count else 4

    def _array(self, name: str, kind: str, count: int) -> None:
        self._leaf(Leaf(name, kind, "array" if count else "sequence", count))
        if 0 < count <= MAX_WIDTH:
            self._number(Number(kind, count))
        else:
            self.items.append(Numbers(kind, count))
            self.least += count * struct.calcsize("<" + CODES[kind]) if count else 4

    def _leaf(self, leaf: Leaf) -> None:
        if len(self.leaves) >= MAX_LEAVES:
            raise ValueError(f"more than {MAX_LEAVES} values in a message")
        self.leaves.append(leaf)

    def _number(self, number: Number) -> None:
        run = self.items[-1] if self.items else None
        if not isinstance(run, Run):
            run = Run()
            self.items.append(run)
        run.numbers.append(number)
        self.least += struct.calcsize("<" + code(number))


def code(number: Number) -> str:
    """The format of a number for `struct`, without padding."""
    letter = TIMES.get(number.kind) or CODES[number.kind]
    return letter if number.length is None else f"{number.length}{letter}"
