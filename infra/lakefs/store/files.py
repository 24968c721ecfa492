"""Hashed files as rows of a tree, column by column: there may be a million of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa

from infra.lakefs.store.entries import DEFAULT_TYPE, row_digests
from infra.lakefs.store.hashers import Job
from infra.lakefs.store.hashing import Columns
from infra.lakefs.store.rows import SCHEMA, Rows, column

PIECE = 2048  # files
METADATA = "{}"

Counted = Callable[[int], None]  # told of files done; may raise to stop the import


def rows_of_files(jobs: Sequence[Job], answers: Sequence[Sequence[Columns]], counted: Counted) -> Iterator[Rows]:
    """The rows of jobs that follow each other."""
    keys: list[bytes] = []
    columns: list[Columns] = []
    for job, answer in zip(jobs, answers, strict=True):
        for group, hashed in zip(job, answer, strict=True):
            keys.extend(group.destinations())
            columns.append(hashed)
        if len(keys) >= PIECE:
            counted(0)
            yield _rows(keys, columns)
            keys, columns = [], []
    if keys:
        yield _rows(keys, columns)


def _rows(keys: Sequence[bytes], columns: Sequence[Columns]) -> Rows:
    count = len(keys)
    sha256, md5, known = (b"".join(parts) for parts in zip(*columns, strict=True))
    identities = np.frombuffer(known, np.int64).reshape(count, 5)
    sizes, seconds = identities[:, 0], np.maximum(identities[:, 1] // 1_000_000_000, 0)
    digests = row_digests(
        zip(keys, _pieces(sha256, 32), _pieces(md5, 16), sizes.tolist(), strict=True), DEFAULT_TYPE, METADATA
    )
    values: dict[str, tuple[bytes, bytes]] = {
        "path": (b"".join(keys), array("i", accumulate(map(len, keys), initial=0)).tobytes()),
        "digest": (b"".join(digests), b""),
        "sha256": (sha256, b""),
        "md5": (md5, b""),
        "size": (sizes.tobytes(), b""),
        "mtime": (seconds.tobytes(), b""),
        "content_type": _constant(DEFAULT_TYPE, count),
        "metadata": _constant(METADATA, count),
    }
    arrays = [column(field.type, count, *values[field.name]) for field in SCHEMA]
    return Rows(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))


def _pieces(data: bytes, width: int) -> Iterator[bytes]:
    return (data[at : at + width] for at in range(0, len(data), width))


def _constant(text: str, count: int) -> tuple[bytes, bytes]:
    value = text.encode()
    return value * count, (np.arange(count + 1, dtype=np.int32) * len(value)).tobytes()
