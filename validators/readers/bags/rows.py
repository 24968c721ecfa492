"""Messages gathered into batches of rows: numbers and texts as columns, big payloads as their size and a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from validators.readers.bags.message import MAX_TIME, MAX_WIDTH, Leaf, Raw
from validators.readers.bags.variants import Names, Variant, naming
from validators.stream import EPISODE, ROW, START, Feature

LOG_TIME, PUBLISH_TIME = "log_time", "publish_time"  # columns, ns: when it was written, when it was sent
MAX_LENGTH = 1 << 14  # values of a sequence that are kept as a list
LONG_TEXT = 4096  # bytes of a topic's first text beyond which its texts are payloads
BATCH_ROWS, BATCH_BYTES = 8192, 2 << 20
_OCTETS = ("uint8", "int8")
_TAKEN = {LOG_TIME, PUBLISH_TIME, EPISODE, ROW, START}


class Column(NamedTuple):
    """One column of the table: its value from the leaf's, its type, and as what it is declared (None: not)."""

    leaf: int
    name: str
    type: pa.DataType
    value: Callable[[Any], Any]
    feature: Feature | None


class Layout:
    """The columns of one topic, from its leaves and the values of its first message."""

    def __init__(self, leaves: Sequence[Leaf], variant: Variant, *, published: bool, names: Names) -> None:
        prefix = leaves[at].name.rpartition(".")[0] if (at := naming(leaves)) is not None else ""
        given = (prefix, names) if len(set(names)) == len(names) else (prefix, ())
        columns = (_columns(i, leaf, variant.first[i], given) for i, leaf in enumerate(leaves))
        self.columns = [
            c._replace(feature=None) if i in variant.unsteady and c.name == leaves[i].name else c
            for i, own in enumerate(columns)
            for c in own
        ]
        self.times = (LOG_TIME, PUBLISH_TIME) if published else (LOG_TIME,)
        self.features = {name: Feature(name, "int64", units=("ns",)) for name in self.times}
        self.features |= {c.feature.name: c.feature for c in self.columns if c.feature}
        self.schema = pa.schema([(name, pa.int64()) for name in self.times] + [(c.name, c.type) for c in self.columns])
        names = self.schema.names
        if len(set(names)) != len(names):
            raise ValueError("two of its columns have one name")

    def same(self, other: Layout) -> bool:
        """Whether rows of both fit in one stream."""
        return bool(self.schema.equals(other.schema))


def _columns(i: int, leaf: Leaf, first: Any, given: tuple[str, Names]) -> list[Column]:
    name = f"message.{leaf.name}" if leaf.name in _TAKEN else leaf.name
    if leaf.dtype == "items":
        return [_count(i, f"{name}.length", _same)]
    if leaf.dtype == "string" and leaf.holds == "sequence":
        return [Column(i, name, pa.string(), ",".join, Feature(name, "string"))]
    if leaf.holds != "scalar":
        return _numbers(i, leaf, name, 0 if first is None else len(first), given)
    if leaf.dtype == "string" and isinstance(first, str) and len(first) > LONG_TEXT:
        return _payload(i, name, _encoded)
    dtype = "int64" if leaf.dtype == "time" else leaf.dtype
    kind = pa.string() if dtype == "string" else pa.from_numpy_dtype(dtype)
    return [Column(i, name, kind, _same, Feature(name, dtype, units=("ns",) if leaf.dtype == "time" else ()))]


def _numbers(i: int, leaf: Leaf, name: str, width: int, given: tuple[str, Names]) -> list[Column]:
    if width > MAX_WIDTH or (leaf.holds == "sequence" and leaf.dtype in _OCTETS):
        return _payload(i, name, _bytes)
    element = pa.from_numpy_dtype(leaf.dtype)
    kind = pa.list_(element, width) if leaf.holds == "array" else pa.list_(element)
    names = given[1] if given[0] == leaf.name.rpartition(".")[0] and len(given[1]) == width > 1 else ()
    return [Column(i, name, kind, _short, Feature(name, leaf.dtype, (width,), names) if width else None)]


def _payload(i: int, name: str, octets: Callable[[Any], Any]) -> list[Column]:
    digest = Column(i, f"{name}.digest", pa.string(), lambda value: _digest(octets(value)), None)
    size = _count(i, f"{name}.size", lambda value: len(octets(value)))
    return [size, digest._replace(feature=Feature(digest.name, "string"))]


def _count(i: int, name: str, value: Callable[[Any], int]) -> Column:
    return Column(i, name, pa.int64(), value, Feature(name, "int64"))


def _same(value: Any) -> Any:
    return value


def _short(value: Any) -> Any:
    if len(value) > MAX_LENGTH:
        raise ValueError(f"a sequence of {len(value)} values, at most {MAX_LENGTH} are kept where the first was short")
    return value.copy() if isinstance(value, np.ndarray) else value  # a view would keep the whole message


def _bytes(value: Any) -> Any:
    return np.ascontiguousarray(value).view(np.uint8)


def _encoded(value: str) -> bytes:
    return value.encode()


def _digest(octets: Any) -> str:
    """64 bits of BLAKE2b: tells payloads apart."""
    return hashlib.blake2b(octets, digest_size=8).hexdigest()


class Rows:
    """Rows of one topic until they make a batch."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._times: list[tuple[int, ...]] = []
        self._rows: list[list[Any]] = []
        self._bytes = 0
        self._payload = any(c.name.endswith(".digest") for c in layout.columns)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether a batch is there."""
        return len(self._rows) >= BATCH_ROWS or self._bytes >= BATCH_BYTES

    def add(self, raw: Raw, values: Sequence[Any]) -> None:
        """One message. ValueError when it does not fit; nothing is kept of it then."""
        times = (raw.log_time, raw.publish_time)[: len(self._layout.times)]
        if max(times) >= MAX_TIME:
            raise ValueError(f"its time is {max(times)} ns")
        row = [None if values[c.leaf] is None else c.value(values[c.leaf]) for c in self._layout.columns]
        self._rows.append(row)
        self._times.append(times)
        self._bytes += 48 * len(row) + (256 if self._payload else len(raw.data))

    def take(self) -> pa.RecordBatch:
        """The batch; the rows are forgotten."""
        columns = [pa.array(column, pa.int64()) for column in zip(*self._times, strict=True)]
        for column, values in zip(self._layout.columns, zip(*self._rows, strict=True), strict=True):
            columns.append(pa.array(values, column.type))
        self._times, self._rows, self._bytes = [], [], 0
        return pa.RecordBatch.from_arrays(columns, schema=self._layout.schema)
