"""Formats of ULog messages as numpy types: nested formats are flattened, so that rows are read without a loop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from validators.stream import Feature

CLOCK = "timestamp"
MAX_BYTES = (1 << 16) - 1  # of one message
MAX_COLUMNS = 4096
MAX_DEPTH, MAX_VISITS = 32, 20_000
_TYPES = {
    "int8_t": "<i1",
    "uint8_t": "<u1",
    "int16_t": "<i2",
    "uint16_t": "<u2",
    "int32_t": "<i4",
    "uint32_t": "<u4",
    "int64_t": "<i8",
    "uint64_t": "<u8",
    "float": "<f4",
    "double": "<f8",
    "bool": "?",
    "char": "S1",
}
_FIELD = re.compile(r"([A-Za-z]\w*)(?:\[(\d{1,5})\])? (\w+)")
_NAME = re.compile(r"[A-Za-z]\w*")


class Field(NamedTuple):
    """A field as the format has it: `type` a basic one or the name of a format, `length` None for a single value."""

    type: str
    length: int | None
    name: str


def parsed(text: str) -> tuple[str, tuple[Field, ...]]:
    """Name and fields of a format, `name:type field;type[n] field;…`. ValueError says what is none."""
    name, colon, rest = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise ValueError(f"{text[:60]!r} is no format")
    fields = []
    for part in rest.split(";"):
        if not part:
            continue
        found = _FIELD.fullmatch(part)
        if not found:
            raise ValueError(f"{part[:60]!r} is no field of the format {name}")
        fields.append(Field(found[1], int(found[2]) if found[2] else None, found[3]))
    return name, tuple(fields)


@dataclass(frozen=True)
class Layout:
    """One message type: `dtype` of its bytes without the padding at its end, and where its clock lies (None: none)."""

    dtype: np.dtype[np.void]
    longest: int  # bytes with padding
    clock: int | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the fields that are no padding."""
        return tuple(n for n in self.dtype.names or () if not n.rpartition(".")[2].startswith("_padding"))

    @property
    def features(self) -> dict[str, Feature]:
        """The columns as they are declared."""
        return {name: _feature(name, self.dtype[name]) for name in self.columns}

    def batch(self, rows: bytes) -> pa.RecordBatch:
        """Messages laid end to end as rows. ValueError when a clock is beyond 63 bits."""
        table = np.frombuffer(rows, self.dtype)
        return pa.RecordBatch.from_arrays([_arrow(table[name], name) for name in self.columns], list(self.columns))


def laid_out(name: str, formats: Mapping[str, tuple[Field, ...]]) -> Layout:
    """The layout of a format. ValueError when it is not complete, too deep or too wide."""
    fields = list(_flat(name, "", formats, 0, [MAX_VISITS]))
    longest = sum(size for *_, size in fields)
    while fields and fields[-1][0].startswith("_padding"):
        fields.pop()
    names = [n for n, *_ in fields]
    if not fields or len(fields) > MAX_COLUMNS or longest > MAX_BYTES or len(set(names)) != len(names):
        raise ValueError(f"{len(fields)} fields, {longest} bytes, {len(set(names))} names")
    offsets = dict(zip(names, np.cumsum([0, *(size for *_, size in fields)]).tolist(), strict=False))
    timed = any(n == CLOCK and kind == "<u8" for n, kind, _ in fields)
    dtype = np.dtype([(n, kind) for n, kind, _ in fields])
    return Layout(dtype, longest, offsets[CLOCK] if timed else None)


def _flat(
    name: str, prefix: str, formats: Mapping[str, tuple[Field, ...]], depth: int, budget: list[int]
) -> Iterator[tuple[str, object, int]]:
    """Name, numpy type and bytes of each field."""
    if name not in formats:
        raise ValueError(f"the format {name} is not in the file")
    if depth > MAX_DEPTH:
        raise ValueError(f"formats nest deeper than {MAX_DEPTH}")
    for field in formats[name]:
        own, count = prefix + field.name, 1 if field.length is None else field.length
        for i in range(1 if field.type in _TYPES else count):
            budget[0] -= 1
            if budget[0] < 0:
                raise ValueError(f"more than {MAX_VISITS} fields within fields")
            if field.type == "char" and count:
                yield own, f"S{count}", count
            elif field.type in _TYPES and count:
                kind = _TYPES[field.type]
                shaped: object = kind if field.length is None else (kind, (count,))
                yield own, shaped, count * np.dtype(kind).itemsize
            elif field.type not in _TYPES:
                at = f"{own}." if field.length is None else f"{own}[{i}]."
                yield from _flat(field.type, at, formats, depth + 1, budget)


def _feature(name: str, kind: np.dtype[np.generic]) -> Feature:
    if name == CLOCK:
        return Feature(name, "int64", units=("us",))
    if kind.kind == "S":
        return Feature(name, "string")
    return Feature(name, kind.base.name, kind.shape or (1,))


def _arrow(values: np.ndarray, name: str) -> pa.Array:
    if values.dtype.kind == "S":
        return pa.array([v.split(b"\0", 1)[0].decode("utf-8", "replace") for v in values.tolist()], pa.string())
    values = np.ascontiguousarray(values)
    if name == CLOCK and values.dtype.kind == "u":
        if values.size and int(values.max()) >= 1 << 63:
            raise ValueError(f"a message at {int(values.max())} us")
        values = values.astype(np.int64)
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
