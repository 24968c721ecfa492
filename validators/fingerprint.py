"""`fingerprint@1`: the same motion has the same digest under any file name, encoding or numbering."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.documents import canonical
from validators.errors import UnreadableDataset
from validators.readers.columns import page_damage
from validators.recording import Recording
from validators.stream import EPISODE

SCHEMA = "fingerprint@1"
STATE, ACTION = "observation.state", "action"  # of this schema, whatever other columns come to be called
STEP = 1e-4
NAN, NEGATIVE, POSITIVE = np.iinfo(np.int64).min, np.iinfo(np.int64).min + 1, np.iinfo(np.int64).max
_FARTHEST = float(2**62)
BATCH = 256  # episodes read together


def fingerprints(recording: Recording, positions: Sequence[int] | None = None) -> dict[int, str]:
    """Episode index → `sha256:…`, of all or of those at `positions`. Without state and action there are none.

    The digest is over canonical JSON {"action": width, "schema": "fingerprint@1", "state": width}, a newline, then row
    by row the values of `observation.state` and `action` as float32, each as `np.round(float64(x) / 1e-4)` in
    little-endian int64. NaN and null are the least int64, -inf the next, +inf the greatest; finite values are clipped
    at ±2^62. An absent column has width 0. Neither index nor clock enter; a trimmed or resampled copy is another.
    """
    stream = recording.main
    features = [recording.features.get(name) for name in (STATE, ACTION)]
    widths = [f.width if f else 0 for f in features]
    if stream is None or not any(widths):
        return {}
    columns = [e.alias(n) for f in features if f and f.width for n, e in stream.unpacked(f).items()]
    found: dict[int, str] = {}
    wanted = range(len(recording.episodes)) if positions is None else positions
    for first in range(0, len(wanted), BATCH):
        batch = wanted[first : first + BATCH]
        frame = stream.frames(batch).select(EPISODE, *(c.cast(pl.Float32) for c in columns))
        try:
            parts = frame.collect(engine="streaming").partition_by(EPISODE, as_dict=True, include_key=False)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise _damaged(recording, [f.name for f in features if f], error) from error
        for position in batch:
            if (position,) in parts:
                found[recording.episodes[position].index] = _digest(parts[(position,)], *widths)
    return found


def _damaged(recording: Recording, columns: list[str], error: BaseException) -> UnreadableDataset:
    """The first file whose pages cannot be read, named."""
    for table in recording.main.tables if recording.main else ():
        for part in table.parts:
            if reason := page_damage(part.path, columns, table.format):
                return UnreadableDataset("file-damaged", f"its data pages cannot be read ({reason})", path=part.path)
    return UnreadableDataset("file-damaged", f"frames cannot be read: {error}", path=recording.files.where())


def _digest(rows: pl.DataFrame, state: int, action: int) -> str:
    header = canonical({"schema": SCHEMA, "state": state, "action": action}) + "\n"
    values = rows.fill_null(float("nan")).to_numpy().astype(np.float32, copy=False)
    return "sha256:" + hashlib.sha256(header.encode() + quantised(values).tobytes()).hexdigest()


def quantised(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Steps of 1e-4, little-endian int64 [rows, channels] in row order; see `fingerprints` for what is not finite."""
    wide = values.astype(np.float64)
    steps = np.clip(np.round(np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0) / STEP), -_FARTHEST, _FARTHEST)
    whole = np.ascontiguousarray(steps.astype("<i8"))
    whole[np.isnan(wide)] = NAN
    whole[np.isneginf(wide)] = NEGATIVE
    whole[np.isposinf(wide)] = POSITIVE
    return whole
