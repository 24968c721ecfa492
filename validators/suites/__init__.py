"""Suites: Great Expectations' JSON, read whole or refused; an unknown type or parameter is an error, never dropped."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from validators.documents import DocumentError, canonical, parse_json
from validators.errors import InvalidSuite
from validators.expectations import BY_TYPE
from validators.expectations.core.tables import REFUSED
from validators.expectations.expectation import STATE, Expectation
from validators.findings import Severity
from validators.recording import Recording

MAX_BYTES = 4 << 20
SHIPPED = Path(__file__).parent
_SEVERITIES: dict[str, Severity] = {"critical": "blocking", "warning": "warning"}
_SUITE_KEYS = {"name", "expectations", "meta", "notes", "id", "suite_parameters"}
_ENTRY_KEYS = {"type", "kwargs", "meta", "severity", "notes", "id", "description"}


@dataclass(frozen=True)
class Entry:
    """An expectation in its place: how grave a finding is, and whether "not evaluable" blocks."""

    expectation: Expectation
    severity: Severity
    required: bool
    config: dict[str, Any]  # as the file has it, for results in Great Expectations' shape


@dataclass(frozen=True)
class Suite:
    """Named expectations in order. `digest`: sha256 of its canonical JSON; `robot_types`, `formats`: what it is for."""

    name: str
    entries: tuple[Entry, ...]
    digest: str
    robot_types: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    one_table: bool = False  # made for one table of synchronised rows, not for many topics

    def for_robot_type(self, robot_type: str) -> bool:
        """Whether the suite is made for that robot."""
        return any(fnmatch.fnmatchcase(robot_type.lower(), pattern) for pattern in self.robot_types)

    def for_format(self, format: str) -> bool:  # noqa: A002 - the recording's own word
        """Whether the suite is made for recordings of that format."""
        return any(fnmatch.fnmatchcase(format.lower(), pattern) for pattern in self.formats)


def names() -> tuple[str, ...]:
    """The suites that come with the product."""
    return tuple(sorted(p.stem for p in SHIPPED.glob("*.json")))


def newest() -> tuple[str, ...]:
    """Of each shipped suite the name with the highest version; the older ones stay, for verdicts that name them."""
    versions: dict[str, int] = {}
    for name in names():
        base, _, version = name.partition("@")
        versions[base] = max(versions.get(base, 0), int(version))
    return tuple(f"{base}@{version}" for base, version in versions.items())


@cache
def _newest() -> tuple[Suite, ...]:
    return tuple(load(name) for name in newest())


def load(name_or_path: str | Path) -> Suite:
    """A shipped suite by its name, or any by its file. Raises `InvalidSuite`."""
    path = SHIPPED / f"{name_or_path}.json" if str(name_or_path) in names() else Path(name_or_path)
    if not path.is_file():
        shipped = ", ".join(names())
        raise InvalidSuite("suite-unknown", f"no suite {str(name_or_path)!r}; shipped are {shipped}, or give a file")
    if path.stat().st_size > MAX_BYTES:
        raise InvalidSuite("suite-invalid", f"larger than {MAX_BYTES} bytes", path=path)
    try:
        return parse(path.read_text(encoding="utf-8"))
    except InvalidSuite as error:
        raise InvalidSuite(error.kind, error.detail, path=path) from error
    except UnicodeDecodeError as error:
        raise InvalidSuite(
            "suite-invalid", f"no UTF-8 text: {error.reason} at byte {error.start}", path=path
        ) from error


def for_recording(recording: Recording) -> tuple[Suite, str]:
    """The newest shipped suite of the declared kind, else for the robot type, the format, or `recording`; and why."""
    facts, fitting = recording.facts, [s for s in _newest() if _one_table(recording) or not s.one_table]
    robot, kind = facts.robot_type, facts.kind
    for suite in fitting:
        if kind and suite.name.startswith(f"{kind}@"):
            return suite, f"{suite.name}, chosen for the declared kind {kind!r}"
    for suite in fitting:
        if robot and suite.for_robot_type(robot):
            return suite, f"{suite.name}, chosen for robot type {robot!r}"
    for suite in fitting:
        if suite.for_format(recording.format):
            return suite, f"{suite.name}, chosen for the format {recording.format}"
    suite = next(s for s in fitting if s.name.startswith("recording@"))
    for other in (s for s in _newest() if s not in fitting):
        if (kind and other.name.startswith(f"{kind}@")) or (robot and other.for_robot_type(robot)):
            return suite, f"{suite.name}, because {other.name} needs one table with {STATE}"
    said = f"no suite is made for robot type {robot!r}" if robot else "no robot type is declared"
    return suite, f"{suite.name}, because {said}"


def _one_table(recording: Recording) -> bool:
    """Whether it is one table as LeRobot has it, whose checks look for the state of the robot."""
    return recording.main is not None and STATE in recording.main.features


def parse(text: str) -> Suite:
    """The suite in the text of a file."""
    try:
        document = parse_json(text)
    except DocumentError as error:
        raise InvalidSuite("suite-invalid", str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        raise InvalidSuite("suite-invalid", "an object with a name was expected")
    if unknown := document.keys() - _SUITE_KEYS:
        raise InvalidSuite("suite-invalid", f"unknown keys {sorted(unknown)}")
    listed, meta = document.get("expectations"), document.get("meta", {})
    if not isinstance(listed, list) or not listed:
        raise InvalidSuite("suite-invalid", "expectations: a list that is not empty was expected")
    made_for = []
    for key in ("robot_types", "formats"):
        patterns = meta.get(key, []) if isinstance(meta, dict) else None
        if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
            raise InvalidSuite("suite-invalid", f"meta.{key}: a list of names was expected")
        made_for.append(tuple(p.lower() for p in patterns))
    digest = "sha256:" + hashlib.sha256(canonical(document).encode()).hexdigest()
    entries = tuple(_entry(i, item) for i, item in enumerate(listed))
    one_table = meta.get("one_table", False)
    if not isinstance(one_table, bool):
        raise InvalidSuite("suite-invalid", "meta.one_table must be true or false")
    robots, formats = made_for
    return Suite(document["name"], entries, digest, robots, formats, one_table)


def _entry(position: int, item: object) -> Entry:
    where = f"expectation {position}"
    if not isinstance(item, dict) or item.keys() - _ENTRY_KEYS:
        raise InvalidSuite("suite-invalid", f"{where}: an object with {', '.join(sorted(_ENTRY_KEYS))} was expected")
    kind, kwargs, meta = item.get("type"), item.get("kwargs", {}), item.get("meta", {})
    if isinstance(kind, str) and kind in REFUSED:
        raise InvalidSuite("expectation-unknown", f"{where}: {kind} is refused: {REFUSED[kind]}")
    if not isinstance(kind, str) or kind not in BY_TYPE:
        raise InvalidSuite("expectation-unknown", f"{where}: no expectation {kind!r} is known")
    if not isinstance(kwargs, dict) or not isinstance(meta, dict):
        raise InvalidSuite("suite-invalid", f"{where}: kwargs and meta are objects")
    severity = item.get("severity", "critical")
    if severity not in _SEVERITIES:
        raise InvalidSuite("suite-invalid", f"{where}: severity {severity!r}; critical and warning are known")
    required = meta.get("required", True)
    if not isinstance(required, bool):
        raise InvalidSuite("suite-invalid", f"{where}: meta.required must be true or false")
    return Entry(_expectation(where, BY_TYPE[kind], kwargs), _SEVERITIES[severity], required, item)


def _expectation(where: str, expectation: type[Expectation], kwargs: dict[str, object]) -> Expectation:
    hints = typing.get_type_hints(expectation)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(expectation)}
    if unknown := kwargs.keys() - fields:
        known = ", ".join(fields) or "none"
        raise InvalidSuite("parameter-unknown", f"{where}: {expectation.type} has no {sorted(unknown)}; it has {known}")
    checked: dict[str, Any] = {name: _typed(f"{where}: {name}", value, fields[name]) for name, value in kwargs.items()}
    try:
        return expectation(**checked)
    except (TypeError, ValueError) as error:
        raise InvalidSuite("parameter-invalid", f"{where}: {expectation.type}: {error}") from error


def _typed(where: str, value: object, hint: object) -> object:
    """The value when it is of the field's type; an integer serves as a float, a boolean as nothing else."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if typing.Any in kinds or (value is None and types.NoneType in kinds):
        _verify_json(where, value)
        return tuple(value) if isinstance(value, list) else value
    for kind in kinds:
        if isinstance(value, list) and typing.get_origin(kind) is tuple:
            return tuple(_typed(f"{where}[{i}]", item, typing.get_args(kind)[0]) for i, item in enumerate(value))
        if isinstance(value, dict) and typing.get_origin(kind) is Mapping:
            _verify_json(where, value)
            return value
    if _number(value):
        if isinstance(value, int) and int in kinds:
            return value
        if float in kinds:
            return float(typing.cast(float, value))
    if (isinstance(value, str) and str in kinds) or (isinstance(value, bool) and bool in kinds):
        return value
    raise InvalidSuite("parameter-invalid", f"{where} is {value!r}, {hint} was expected")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300


def _verify_json(where: str, value: object) -> None:
    """Refuses numbers that no column holds, however deep."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            _verify_json(f"{where}[{key!r}]", item)
    elif not (value is None or isinstance(value, str | bool) or _number(value)):
        raise InvalidSuite("parameter-invalid", f"{where} is {value!r}, a number below 1e300 was expected")
