"""What somebody else wrote is read strictly: one schema, exactly its fields, each of its own type, no surprise.

Canonical JSON is sorted keys, no spaces, UTF-8, finite numbers; times are UTC with microseconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from infra.edge.errors import Refused

LIMIT = 64 * 2**20  # bytes of any document
COUNT_LIMIT = 10**12
TEXT_LIMIT = 4000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,54}[a-z0-9])?")
_RELEASE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
T = TypeVar("T")


class Unreadable(ValueError):
    """A document is not what it must be; the message names the part."""


def canonical(data: Any) -> bytes:
    """Canonical JSON bytes of plain data; refuses what is not finite."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """`sha256:…` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def utc_text(value: datetime) -> str:
    """UTC with microseconds, so that texts sort as times do."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def strict_json(data: bytes, limit: int = LIMIT) -> Any:
    """JSON without duplicate keys, NaN or overflow; raises `Unreadable`."""
    if len(data) > limit:
        raise Unreadable(f"larger than {limit} bytes")
    try:
        return json.loads(data, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not strict JSON: {error}") from error


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(items)
    if len(out) != len(items):
        raise ValueError("a key appears twice")
    return out


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} overflows")
    return value


def read(data: bytes, what: str, build: Callable[[Any], T]) -> T:
    """The document built from these bytes; raises `Refused("document-invalid")` naming the part that is wrong."""
    try:
        return build(strict_json(data))
    except Unreadable as error:
        do = "publish it again with a catalog that writes what this client reads"
        raise Refused("document-invalid", f"{what}: {error}", do) from error


def closed(data: Any, *names: str, schema: str | None = None) -> dict[str, Any]:
    """The object with exactly these fields, of this schema."""
    if not isinstance(data, dict):
        raise Unreadable("not an object")
    if schema is not None:
        if data.get("schema") != schema:
            raise Unreadable(f"schema is {str(data.get('schema'))[:60]!r}, not {schema!r}")
        names = ("schema", *names)
    if set(data) != set(names):
        odd = sorted(set(data) ^ set(names))[0]
        raise Unreadable(f"field {odd[:60]!r} is {'unknown' if odd in data else 'missing'}")
    return data


def text(value: Any, what: str, limit: int = TEXT_LIMIT) -> str:
    """A text within a limit, without unpaired surrogates."""
    if not isinstance(value, str) or len(value) > limit or not _encodable(value):
        raise Unreadable(f"{what} is no text of at most {limit} characters")
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def digest(value: Any, what: str) -> str:
    """A `sha256:…`."""
    return _matched(_DIGEST, value, what, "a digest")


def slug(value: Any, what: str) -> str:
    """Lower case letters, digits and hyphens."""
    return _matched(_SLUG, value, what, "a name of lower case letters, digits and hyphens")


def release_id(value: Any, what: str) -> str:
    """The id of a release; it becomes a folder's name, so it is nothing else."""
    return _matched(_RELEASE, value, what, "the id of a release")


def _matched(pattern: re.Pattern[str], value: Any, what: str, meant: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Unreadable(f"{what} is not {meant}")
    return value


def count(value: Any, what: str, least: int = 0, most: int = COUNT_LIMIT) -> int:
    """A whole number within bounds; `true` is none."""
    if type(value) is not int or not least <= value <= most:
        raise Unreadable(f"{what} is no whole number from {least} to {most}")
    return value


def flag(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Unreadable(f"{what} is neither true nor false")
    return value


def moment(value: Any, what: str) -> datetime:
    """A time in UTC with microseconds."""
    said = _matched(_MOMENT, value, what, "a UTC time with microseconds")
    try:
        return datetime.fromisoformat(said)
    except ValueError as error:
        raise Unreadable(f"{what} is no time: {error}") from error


def listing(value: Any, what: str, limit: int = 100_000) -> list[Any]:
    """A list within a limit."""
    if not isinstance(value, list) or len(value) > limit:
        raise Unreadable(f"{what} is no list of at most {limit}")
    return value


def mapping(value: Any, what: str, limit: int = 100_000) -> dict[str, Any]:
    """An object within a limit."""
    if not isinstance(value, dict) or len(value) > limit:
        raise Unreadable(f"{what} is no object of at most {limit} fields")
    return value
