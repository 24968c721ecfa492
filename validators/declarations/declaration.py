"""`declaration@1`: what the owner of a dataset says of it where its format cannot, in `assay.yaml`, read strictly.

At the root of a folder it is `assay.yaml`; beside a single file NAME it is `NAME.assay.yaml`.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from validators.documents import DocumentError, parse_yaml
from validators.errors import UnreadableDataset
from validators.files import Files
from validators.stream import Synchronised, Unit

SCHEMA = "declaration@1"
NAME = "assay.yaml"
MAX_BYTES = 1 << 20
MAX_ITEMS, MAX_TEXT = 10_000, 4096

Kind: TypeAlias = Literal["arm", "humanoid", "mobile", "vehicle", "factory", "flight", "images", "labels"]
Handled: TypeAlias = Literal["absent", "blurred", "removed", "consented", "present"]


@dataclass(frozen=True)
class DeclaredClock:
    """The column with the time; `unit` None where column type or name tell it."""

    column: str
    unit: Unit | None = None
    source: str | None = None
    synchronised: Synchronised = "unknown"


@dataclass(frozen=True)
class DeclaredSensor:
    """A sensor: `rate_hz` Hz, `tolerance_ms` ms to the other sensors of its rig; `calibration.date` is ISO text."""

    kind: str
    rate_hz: float | None = None
    calibration: Mapping[str, object] = field(default_factory=dict)
    tolerance_ms: float | None = None


@dataclass(frozen=True)
class DeclaredCamera:
    """A camera: pixels, Hz; `reference` is a picture of the unobstructed view, relative to the root."""

    width: int | None = None
    height: int | None = None
    codec: str | None = None
    fps: float | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Source:
    """Where data came from and on what terms; None is not declared. `consent` names its record, or says why none."""

    name: str
    licence: str | None = None
    consent: str | None = None
    retention_until: datetime.date | None = None
    faces: Handled | None = None
    plates: Handled | None = None


@dataclass(frozen=True)
class Declaration:
    """All that may be declared. `units` and `names` are of columns, one for each channel; `fps` in Hz.

    `episodes` is the column that separates episodes in a table; `training` and `evaluation` are files of fingerprints,
    one `sha256:…` a line, relative to the root; `where` is the file that said it, None when the caller did.
    """

    clock: DeclaredClock | None = None
    fps: float | None = None
    robot_type: str | None = None
    kind: Kind | None = None
    episodes: str | None = None
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sensors: Mapping[str, DeclaredSensor] = field(default_factory=dict)
    cameras: Mapping[str, DeclaredCamera] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    training: str | None = None
    evaluation: str | None = None
    where: str | None = None


class _Wrong(ValueError):
    """Names the place in the document and what was expected there."""


Parser: TypeAlias = Callable[[str, object], Any]


def find(files: Files) -> Declaration | None:
    """What is declared of these files, or None. Raises `UnreadableDataset` (`metadata-empty`, `metadata-invalid`)."""
    relative = f"{files.only}.{NAME}" if files.only else NAME
    return parse(files.text(relative, MAX_BYTES), files.where(relative)) if files.exists(relative) else None


def parse(text: str, where: str) -> Declaration:
    """The declaration in the text of the file `where`. Raises `UnreadableDataset` (`metadata-invalid`)."""
    try:
        found: Declaration = _declaration("", _body(parse_yaml(text)))
    except (DocumentError, _Wrong) as error:
        raise UnreadableDataset("metadata-invalid", str(error), path=where) from error
    return replace(found, where=where)


def _body(document: object) -> dict[str, object]:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _Wrong(f"a mapping with `schema: {SCHEMA}` was expected")
    return {k: v for k, v in document.items() if k != "schema"}


def clock(text: str) -> DeclaredClock:
    """The clock of `COLUMN` or `COLUMN:UNIT`, as on a command line. Raises `UnreadableDataset` (`metadata-invalid`)."""
    column, _, unit = text.rpartition(":") if text.rpartition(":")[2] in get_args(Unit) else (text, "", None)
    try:
        return DeclaredClock(_text("clock", column), unit)  # type: ignore[arg-type]  # the unit was looked up
    except _Wrong as error:
        raise UnreadableDataset("metadata-invalid", f"{error}; give COLUMN or COLUMN:UNIT") from error


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
        raise _Wrong(f"{where}: a text was expected, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return repr(value)[:60]


def _above_zero(limit: float) -> Parser:
    def parser(where: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= limit:
            raise _Wrong(f"{where}: a number above 0, at most {limit:g}, was expected, not {_shown(value)}")
        return float(value)

    return parser


def _count(where: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 1 << 20:
        raise _Wrong(f"{where}: a count was expected, not {_shown(value)}")
    return value


def _choice(hint: Any) -> Parser:
    known = get_args(hint)

    def parser(where: str, value: object) -> str:
        if value not in known:
            raise _Wrong(f"{where}: one of {', '.join(known)} was expected, not {_shown(value)}")
        return str(value)

    return parser


def _date(where: str, value: object) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise _Wrong(f"{where}: a date like 2027-12-31 was expected, not {_shown(value)}") from None


def _path(where: str, value: object) -> str:
    path = _text(where, value)
    if path.startswith("/") or ".." in path.split("/") or "\\" in path or re.match(r"\w+://", path):
        raise _Wrong(f"{where}: a path below the dataset was expected, not {_shown(value)}")
    return path


def _texts(where: str, value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or len(listed) > MAX_ITEMS:
        raise _Wrong(f"{where}: a text or a list of texts was expected, not {_shown(value)}")
    return tuple(_text(f"{where}[{i}]", item) for i, item in enumerate(listed))


def _plain(where: str, value: object) -> object:
    """Numbers, texts, dates (as ISO text) and what is built of them."""
    if isinstance(value, dict):
        return {_text(where, k): _plain(f"{where}.{k}", v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(f"{where}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise _Wrong(f"{where}: {value} is no number to declare")
    return value


def _calibration(where: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Wrong(f"{where}: a mapping was expected, not {_shown(value)}")
    if "date" in value:
        value = value | {"date": _date(f"{where}.date", value["date"])}
    if "file" in value:
        _path(f"{where}.file", value["file"])
    found = _plain(where, value)
    assert isinstance(found, dict)
    return found


def _mapping(item: Parser) -> Parser:
    def parser(where: str, value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            raise _Wrong(f"{where}: a mapping was expected, not {_shown(value)}")
        return {_text(where, k): item(f"{where}.{k}", v) for k, v in value.items()}

    return parser


def _list(item: Parser) -> Parser:
    def parser(where: str, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise _Wrong(f"{where}: a list was expected, not {_shown(value)}")
        return tuple(item(f"{where}[{i}]", v) for i, v in enumerate(value))

    return parser


def _record(made: type, required: str | None, keys: Mapping[str, Parser]) -> Parser:
    def parser(where: str, value: object) -> Any:
        if not isinstance(value, dict):
            raise _Wrong(f"{where}: a mapping with {', '.join(keys)} was expected, not {_shown(value)}")
        if unknown := [str(k) for k in value if k not in keys]:
            raise _Wrong(f"{where or 'the document'}: unknown keys {unknown[:5]}; known are {', '.join(keys)}")
        if required and required not in value:
            raise _Wrong(f"{where}: {required} is missing")
        return made(**{k: keys[k](f"{where}.{k}".lstrip("."), v) for k, v in value.items()})

    return parser


_rate = _above_zero(100_000)
_clock = _record(
    DeclaredClock,
    "column",
    {"column": _text, "unit": _choice(Unit), "source": _text, "synchronised": _choice(Synchronised)},
)
_sensor = _record(
    DeclaredSensor,
    "kind",
    {"kind": _text, "rate_hz": _rate, "calibration": _calibration, "tolerance_ms": _above_zero(60_000)},
)
_camera = _record(
    DeclaredCamera, None, {"width": _count, "height": _count, "codec": _text, "fps": _rate, "reference": _path}
)
_source = _record(
    Source,
    "name",
    {
        "name": _text,
        "licence": _text,
        "consent": _text,
        "retention_until": _date,
        "faces": _choice(Handled),
        "plates": _choice(Handled),
    },
)
_declaration = _record(
    Declaration,
    None,
    {
        "clock": _clock,
        "fps": _rate,
        "robot_type": _text,
        "kind": _choice(Kind),
        "episodes": _text,
        "units": _mapping(_texts),
        "names": _mapping(_texts),
        "sensors": _mapping(_sensor),
        "cameras": _mapping(_camera),
        "sources": _list(_source),
        "tools": _mapping(_text),
        "tasks": _texts,
        "training": _path,
        "evaluation": _path,
    },
)
