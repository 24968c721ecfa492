"""Fields of a JSON object from a stranger: each is of its type or a defect with its place, never a crash."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from validators.labels import Defect

MAX_TEXT = 4096  # characters of a name
LISTED = 8  # places kept of one rule
_PLAIN = frozenset({int, float})


class Ledger:
    """What the files of one dataset say against their format's rules, counted by file and rule."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def add(self, source: str, rule: str, where: str, what: str, count: int = 1) -> None:
        """Notes that a rule is broken at a place."""
        key = (source, rule)
        self._counts[key] = self._counts.get(key, 0) + count
        examples = self._examples.setdefault(key, [])
        if len(examples) < LISTED:
            examples.append((where[:MAX_TEXT], what))

    @property
    def defects(self) -> tuple[Defect, ...]:
        """In the order in which rules were first broken."""
        return tuple(
            Defect(rule, source, count, tuple(self._examples[source, rule]))
            for (source, rule), count in self._counts.items()
        )


class Fields:
    """A JSON object at a place of a source; what is absent where `required`, or of another type, goes to the ledger."""

    def __init__(self, value: Any, source: str, where: str, ledger: Ledger) -> None:
        self.source, self.where, self._ledger = source, where, ledger
        self.value: Mapping[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.defect("type", "", f"an object was expected, {shown(value)} was found")

    def defect(self, rule: str, name: str, what: str) -> None:
        """Notes a broken rule at a field."""
        self._ledger.add(self.source, rule, ".".join(p for p in (self.where, name) if p), what)

    def _get(self, name: str, *, required: bool) -> Any:
        value = self.value.get(name)
        if value is None and required:
            self.defect("required field", name, "is null" if name in self.value else "is absent")
        return value

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A string."""
        value = self._get(name, required=required)
        return None if value is None else self._text(name, value)

    def _text(self, name: str, value: Any) -> str | None:
        if not isinstance(value, str):
            self.defect("type", name, f"text was expected, {shown(value)} was found")
            return None
        if len(value) > MAX_TEXT:
            self.defect("length", name, f"{len(value)} characters, {MAX_TEXT} are kept")
        return plain(value)

    def key(self, name: str, *, required: bool = True) -> str | None:
        """An id: text or an integer, as text."""
        value = self._get(name, required=required)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
            return str(value)
        return None if value is None else self._text(name, value)

    def number(self, name: str, *, required: bool = False) -> float | None:
        """A number; NaN and infinity are numbers here."""
        value = self._get(name, required=required)
        return None if value is None else self._number(name, value)

    def _number(self, name: str, value: Any) -> float | None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                return math.inf
        self.defect("type", name, f"a number was expected, {shown(value)} was found")
        return None

    def integer(self, name: str, *, required: bool = False) -> int | None:
        """A whole number of 64 bits."""
        value = self._get(name, required=required)
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63):
            return value
        if whole:
            return int(value)
        self.defect("type", name, f"a whole number was expected, {shown(value)} was found")
        return None

    def numbers(self, name: str, counts: Sequence[int] = (), *, required: bool = False) -> list[float] | None:
        """A list of numbers, as many as one of `counts` (any number when empty)."""
        value = self._get(name, required=required)
        return None if value is None else self.numbers_of(name, value, counts)

    def numbers_of(self, name: str, value: Any, counts: Sequence[int] = ()) -> list[float] | None:
        """The value found at a field as a list of numbers."""
        if not isinstance(value, list):
            self.defect("type", name, f"a list of numbers was expected, {shown(value)} was found")
            return None
        if counts and len(value) not in counts:
            wanted = " or ".join(str(c) for c in counts)
            self.defect("length", name, f"{len(value)} numbers, {wanted} were expected")
            return None
        if _PLAIN.issuperset(map(type, value)):  # most lists, and most of the time of reading polygons
            with suppress(OverflowError):
                return [float(v) for v in value]
        found = [self._number(f"{name}[{i}]", v) for i, v in enumerate(value)]
        return None if None in found else [f for f in found if f is not None]

    def list(self, name: str, *, required: bool = False) -> Sequence[Any]:
        """A list; empty where there is none."""
        value = self._get(name, required=required)
        if value is None or isinstance(value, list):
            return value or ()
        self.defect("type", name, f"a list was expected, {shown(value)} was found")
        return ()

    def object(self, name: str, *, required: bool = False) -> Fields:
        """The object at a field; an empty one where there is none."""
        value = self._get(name, required=required)
        where = ".".join(p for p in (self.where, name) if p)
        return Fields({} if value is None else value, self.source, where, self._ledger)

    def item(self, name: str, position: int, value: Any) -> Fields:
        """One item of a list of objects."""
        return Fields(value, self.source, f"{self.where}.{name}[{position}]".removeprefix("."), self._ledger)


def plain(text: str) -> str:
    """At most so much of the text, and nothing that is no Unicode (half of a surrogate pair)."""
    cut = text[:MAX_TEXT]
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()


def shown(value: Any) -> str:
    """A value in a message: its type, and itself where it is short."""
    kind = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}.get(type(value))
    spelled = plain(repr(value)[:40]) if isinstance(value, str | int | float) else ""
    return " ".join(p for p in (kind, spelled) if p)
