"""What every document has: strict types, finite numbers, one canonical form, one digest.

Canonical JSON is sorted keys, no spaces, UTF-8, finite numbers; whatever is signed or compared is digested in it.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from catalog.errors import Invalid

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,54}[a-z0-9])?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(max_length=4000)]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ObjectPath = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Count = Annotated[int, Field(ge=0, le=10**12)]


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() != UTC.utcoffset(None):
        raise ValueError("a time must be UTC")
    return value


def _from_text(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def utc_text(value: datetime) -> str:
    """UTC with microseconds, so that texts sort as times do."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


Utc = Annotated[datetime, BeforeValidator(_from_text), AfterValidator(_utc), PlainSerializer(utc_text)]


class Entity(BaseModel):
    """Base of every document: nothing extra, nothing coerced, nothing changed in place, nothing infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)

    def document(self) -> dict[str, Any]:
        """The JSON form, as plain data."""
        return self.model_dump(mode="json", by_alias=True)

    def canonical(self) -> bytes:
        """The canonical bytes of the document."""
        return canonical(self.document())

    def digest(self) -> str:
        """`sha256:…` of the canonical bytes."""
        return sha256(self.canonical())

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """From JSON text, strictly: no duplicate keys, no NaN, no overflow; raises `Invalid`."""
        return cls.of(strict_json(data, cls.__name__))

    @classmethod
    def of(cls, data: Any) -> Self:
        """From plain JSON data; raises `Invalid` naming the first bad part."""
        try:
            return cls.model_validate_json(json.dumps(data, allow_nan=False))
        except ValueError as error:
            raise Invalid(
                "document-invalid", f"not a valid {cls.__name__}: {first_fault(error)}", do="correct that field"
            ) from error


def first_fault(error: ValueError) -> str:
    """The first fault of a validation error in one line: where, and what."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    fault = errors()[0]
    return f"{'.'.join(str(p) for p in fault['loc']) or 'document'}: {fault['msg']}"


def canonical(data: Any) -> bytes:
    """Canonical JSON bytes of plain data; refuses what is not finite."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """`sha256:…` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """`sha256:…` of a file, read in parts."""
    with path.open("rb") as source:
        return "sha256:" + hashlib.file_digest(source, "sha256").hexdigest()


def strict_json(data: bytes | str, what: str, limit: int = 64 * 2**20) -> Any:
    """Parse JSON that somebody else wrote: no duplicate keys, no NaN, no number that overflows, a size limit."""
    if len(data) > limit:
        raise Invalid("document-invalid", f"{what} is larger than {limit} bytes")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in items:
            if key in out:
                raise ValueError(f"key {key!r} appears twice")
            out[key] = value
        return out

    def constant(text: str) -> Any:
        raise ValueError(f"{text} is not a number")

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"{text} overflows")
        return value

    try:
        return json.loads(data, object_pairs_hook=pairs, parse_constant=constant, parse_float=number)
    except (ValueError, RecursionError) as error:
        raise Invalid("document-invalid", f"{what} is not strict JSON: {error}", do="correct the document") from error
