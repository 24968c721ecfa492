"""YAML as plain data and nothing else: what two readers could read differently is refused.

Built on PyYAML's events, so that no constructor runs. Only `true`, `false`, `null` and JSON numbers are not strings;
any other plain word that some YAML reader would turn into something else (yes, 0x1F, 1_000, 12:30, .nan, dates, `<<`)
must be quoted. No tags, anchors, aliases, directives, second documents or duplicate keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from catalog.errors import Invalid

LIMIT = 256 * 1024
DEPTH = 16
WORDS = {"true": True, "false": False, "null": None}
_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"[-+]?0o[0-7]+")  # a number in YAML 1.2 only
_RESOLVER = yaml.resolver.Resolver()

Path = tuple[str | int, ...]


def load(text: str) -> tuple[Any, dict[Path, int]]:
    """The document as plain data, and the line (from 1) on which each of its parts begins, by path.

    Raises `Invalid("policy-invalid")` naming line and column.
    """
    if len(text) > LIMIT or len(text.encode("utf-8", "replace")) > LIMIT:
        raise Invalid("policy-invalid", f"the document is larger than {LIMIT} bytes", do="make it smaller")
    reader = _Reader(text)
    try:
        return reader.document(), reader.lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise Invalid("policy-invalid", f"not YAML: {what}", where=where, do="correct the document") from error


class _Reader:
    """One pass over the events of one document."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        self.lines: dict[Path, int] = {}

    def document(self) -> Any:
        next(self.events)  # stream start
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            raise Invalid("policy-invalid", "the document is empty", do="write a policy")
        if start.version is not None or start.tags:
            self.refuse(start, "directives are not accepted")
        data = self.node(next(self.events), ())
        next(self.events)  # document end
        end = next(self.events)
        if not isinstance(end, yaml.StreamEndEvent):
            self.refuse(end, "a second document is not accepted")
        return data

    def node(self, event: Any, path: Path) -> Any:
        self.lines[path] = event.start_mark.line + 1
        if len(path) > DEPTH:
            self.refuse(event, f"nested deeper than {DEPTH}")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self.refuse(event, "anchors and aliases are not accepted")
        if event.tag is not None:
            self.refuse(event, f"tags are not accepted: {event.tag!r}")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        return self.mapping(path)

    def sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, (*path, "?"))
            if not isinstance(key, str):
                self.refuse(event, f"a key must be text, not {key!r}")
            if key in items:
                self.refuse(event, f"key {key!r} appears twice")
            items[key] = self.node(next(self.events), (*path, key))
            self.lines[(*path, key)] = event.start_mark.line + 1
        return items

    def scalar(self, event: Any) -> Any:
        text: str = event.value
        if any("\ud800" <= c <= "\udfff" for c in text):
            self.refuse(event, "half of a surrogate pair is no text")
        if event.style is not None:
            return text
        if text in WORDS:
            return WORDS[text]
        if _INT.fullmatch(text):
            return self.integer(event, text)
        if _FLOAT.fullmatch(text):
            return self.number(event, text)
        tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # untyped in its stubs
        if tag != "tag:yaml.org,2002:str" or _OCTAL.fullmatch(text):
            self.refuse(event, f"{text!r} means different things to different readers", "quote it, or write true/false")
        return text

    def integer(self, event: Any, text: str) -> int:
        if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
            self.refuse(event, f"{text[:40]} does not fit 64 bits")
        return int(text)

    def number(self, event: Any, text: str) -> float:
        if not math.isfinite(value := float(text)):
            self.refuse(event, f"{text[:40]} overflows")
        return value

    def refuse(self, event: Any, what: str, do: str = "write it without") -> NoReturn:
        mark = event.start_mark
        raise Invalid("policy-invalid", what, where=f"line {mark.line + 1}, column {mark.column + 1}", do=do)
