"""YAML as an action file needs it: mappings, lists and text, nothing that a reader could take for something else.

Every scalar is the text that stands there, so `on` is no boolean and `1.10` no number; an empty value is "". Anchors,
aliases, tags, doubled keys, several documents and deep nesting are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from infra.lakefs.errors import InvalidError

MAX_DEPTH = 12
Value = str | list["Value"] | dict[str, "Value"]


def load(text: str) -> Value:
    """The one document of `text`; InvalidError with the line of what is wrong."""
    try:
        return _document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise InvalidError(
            f"{where}not YAML: {getattr(error, 'problem', None) or 'a character that YAML forbids'}"
        ) from error


def _document(events: Iterator[Any]) -> Value:
    next(events)  # the start of the stream
    if isinstance(next(events), yaml.StreamEndEvent):
        return ""
    value = _value(events, next(events), 0)
    next(events)  # the end of the document
    after = next(events)
    if not isinstance(after, yaml.StreamEndEvent):
        raise _refusal(after, "a second document")
    return value


def _value(events: Iterator[Any], event: Any, depth: int) -> Value:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise _refusal(event, "anchors and aliases are not allowed")
    if event.tag is not None:
        raise _refusal(event, "tags are not allowed")
    if depth > MAX_DEPTH:
        raise _refusal(event, f"nested more than {MAX_DEPTH} deep")
    if isinstance(event, yaml.ScalarEvent):
        text: str = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _refusal(event, "half of a character")
        return "" if event.implicit[0] and text in ("~", "null") else text
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Value] = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_value(events, item, depth + 1))
        return items
    mapping: dict[str, Value] = {}
    while not isinstance(item := next(events), yaml.MappingEndEvent):
        name = _value(events, item, depth + 1)
        if not isinstance(name, str):
            raise _refusal(item, "a key that is no text")
        if name in mapping:
            raise _refusal(item, f"key '{name[:80]}' stands twice")
        mapping[name] = _value(events, next(events), depth + 1)
    return mapping


def _refusal(event: Any, why: str) -> InvalidError:
    return InvalidError(f"line {event.start_mark.line + 1}: {why}")
