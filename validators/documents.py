"""JSON and YAML from strangers: no duplicate keys, no NaN, no anchors or tags, and a limit on size before parsing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

MAX_DEPTH = 64
MAX_EVENTS = 200_000  # of a YAML text, which its library reads at some 50,000 a second


class DocumentError(ValueError):
    """The text is no acceptable document; the message says where."""


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise DocumentError(f"key {key!r} occurs twice")
        found[key] = value
    return found


def _constant(text: str) -> NoReturn:
    raise DocumentError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DocumentError(f"{text} overflows")
    return number


def parse_json(text: str) -> Any:
    """The value of one strict JSON document."""
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise DocumentError(f"no JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError:
        raise DocumentError("nested too deeply") from None
    except ValueError as error:  # an integer of too many digits
        raise error if isinstance(error, DocumentError) else DocumentError(str(error)) from error


def parse_jsonl(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line that is not blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except DocumentError as error:
            raise DocumentError(f"line {number}: {error}") from error
        if not isinstance(value, dict):
            raise DocumentError(f"line {number}: an object was expected")
        yield number, value


def canonical(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, finite numbers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe types, with duplicate keys refused."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[str, object]:
    return _pairs([(str(loader.construct_object(k)), loader.construct_object(v, deep=True)) for k, v in node.value])


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str) -> Any:
    """The value of one strict YAML document (JSON is YAML); anchors, aliases, tags and second documents are refused."""
    try:
        depth = documents = 0
        for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            where = f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise DocumentError(f"{where}: anchors and aliases are not accepted")
            if getattr(event, "tag", None):
                raise DocumentError(f"{where}: tags are not accepted")
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if number > MAX_EVENTS:
                raise DocumentError(f"{where}: more than {MAX_EVENTS} values")
            if depth > MAX_DEPTH or documents > 1:
                raise DocumentError(f"{where}: {'a second document' if documents > 1 else 'nested too deeply'}")
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - the loader is SafeLoader with one rule more
    except yaml.YAMLError as error:
        raise DocumentError(" ".join(str(error).split())) from error
    except (ValueError, OverflowError) as error:  # no day of the calendar, an integer of too many digits
        raise error if isinstance(error, DocumentError) else DocumentError(str(error)) from error
