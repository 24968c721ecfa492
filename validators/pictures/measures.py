"""Everything that the frame checks want of the pictures of one episode, measured in one pass.

A frame is compared whole with the one before. All else is measured on 64 to 128 of its rows, evenly spaced: on
640×480 the mean is then known to 0.3 grey levels. Grey levels are of full range, 0 to 255, whatever the video's.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from validators.errors import UnreadableDataset
from validators.pictures import Picture

ROWS = 64  # at least so many rows are looked at, where there are so many
GRID = (12, 16)  # cells of a thumbnail: rows, columns
DARK, BRIGHT = 5.0, 250.0  # at or beyond these levels a pixel is clipped
SHARPEST = 0.9  # of the cells are less sharp than the sharpest tenth
SHARP_EVERY = 4  # pictures: focus does not change from one to the next
KEPT = 256  # thumbnails of an episode that are kept at most
_COLUMNS = ("time_s", "distance", "mean", "deviation", "dark", "bright", "sharpness")


@dataclass(frozen=True)
class Measures:
    """Of each frame, arrays [frames]; grey levels 0..255.

    `repeated`: bit-identical to the one before. `distance`: greatest change of a thumbnail's cell since the one before,
    levels, NaN at the first. `mean`, `deviation`: of the luma, levels. `dark`, `bright`: share of clipped pixels.
    `sharpness`: variance of the Laplacian in the sharpest tenth of the cells, levels², of every fourth picture that is
    new, NaN of the others. `digest`: 64 bits of all planes. `thumbnails` [kept, rows, columns] are evenly spaced,
    levels. `sizes`: (width, height) that occur, in order.
    `damage`: why the pictures end where they do, None where they end rightly.
    """

    time_s: NDArray[np.float64]
    repeated: NDArray[np.bool_]
    distance: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    dark: NDArray[np.float32]
    bright: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    digest: NDArray[np.uint64]
    thumbnails: NDArray[np.float32] = field(repr=False)
    sizes: tuple[tuple[int, int], ...] = ()
    damage: UnreadableDataset | None = None

    def __len__(self) -> int:
        return int(self.repeated.size)


def measure(pictures: Iterable[Picture]) -> Measures:
    """One pass; of a picture nothing is kept but 41 bytes, and of an episode at most 256 thumbnails."""
    columns = {name: array("d" if name == "time_s" else "f") for name in _COLUMNS}
    repeated, digests, sizes = bytearray(), array("Q"), dict[tuple[int, int], None]()
    kept = _Thumbnails()
    before: Picture | None = None
    thumbnail: NDArray[np.float32] | None = None
    damage, new = None, 0
    try:
        for picture in pictures:
            same = before is not None and picture.planes == before.planes and picture.luma.shape == before.luma.shape
            if same:  # measured already
                values, digest = tuple(columns[n][-1] for n in _COLUMNS[2:]), digests[-1]
                distance = 0.0
            else:
                cells, values = _looked_at(picture, sharp=new % SHARP_EVERY == 0)
                distance = _distance(thumbnail, cells)
                thumbnail, digest = cells, _digest(picture.planes)
                new += 1
                sizes[picture.width, picture.height] = None
            before = picture
            time_s = float("nan") if picture.time_s is None else picture.time_s
            for name, value in zip(_COLUMNS, (time_s, distance, *values), strict=True):
                columns[name].append(value)
            repeated.append(same)
            digests.append(digest)
            if thumbnail is not None:
                kept.add(thumbnail)
    except UnreadableDataset as error:
        damage = error
    arrays = {name: np.array(column) for name, column in columns.items()}
    same_as_before = np.frombuffer(bytes(repeated), np.bool_)
    return Measures(
        repeated=same_as_before,
        digest=np.array(digests, dtype=np.uint64),
        thumbnails=kept.stacked(),
        sizes=tuple(sizes),
        damage=damage,
        **arrays,
    )


def _looked_at(picture: Picture, *, sharp: bool) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """The thumbnail, and mean, deviation, dark, bright and sharpness, in levels of full range."""
    luma = picture.luma
    height, width = luma.shape
    step = max(1, (height - 2) // ROWS)
    scale = 255.0 / (picture.white - picture.black)
    middle = luma[1:-1:step] if height > 2 else luma
    values = middle.astype(np.float32)
    cells = (_cells(values) - np.float32(picture.black)) * np.float32(scale)
    mean = float(values.mean())
    values -= mean
    deviation = float(np.sqrt(np.einsum("ij,ij->", values, values) / values.size)) * scale
    dark = np.count_nonzero(middle <= int(picture.black + DARK / scale)) / middle.size
    bright = np.count_nonzero(middle >= math.ceil(picture.black + BRIGHT / scale)) / middle.size
    sharpness = _sharpness(luma, step) * scale**2 if sharp and min(height, width) > 2 else float("nan")
    return cells, ((mean - picture.black) * scale, deviation, dark, bright, sharpness)


def _sharpness(luma: NDArray[np.uint8], step: int) -> float:
    """Variance of the 4-neighbour Laplacian over the rows 1, 1 + step, …, in each cell; the sharpest tenth's least."""
    above, middle, below = (luma[i : luma.shape[0] - 2 + i : step].astype(np.int16) for i in range(3))
    laplacian = above[:, 1:-1]
    laplacian += below[:, 1:-1]
    laplacian += middle[:, :-2]
    laplacian += middle[:, 2:]
    laplacian -= middle[:, 1:-1] << 2
    values = laplacian.astype(np.float32)
    mean = _cells(values)
    np.multiply(values, values, out=values)
    variance = (_cells(values) - mean * mean).ravel()
    least = int(SHARPEST * (variance.size - 1))
    return float(np.partition(variance, least)[least])


def _cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each cell of the grid; rows and columns that do not divide are left out at the end."""
    height, width = values.shape
    rows, columns = min(GRID[0], height), min(GRID[1], width)
    tall, wide = height // rows, width // columns
    used = values[: rows * tall, : columns * wide].reshape(rows, tall, columns * wide).sum(axis=1)
    cells: NDArray[np.float32] = used.reshape(rows, columns, wide).sum(axis=2) / np.float32(tall * wide)
    return cells


def _distance(before: NDArray[np.float32] | None, cells: NDArray[np.float32]) -> float:
    """Greatest change of a cell, levels; NaN where there is nothing to compare with."""
    if before is None or before.shape != cells.shape:
        return float("nan")
    return float(np.abs(cells - before).max())


_WEIGHTS = np.random.PCG64(0).random_raw(1 << 13) | 1
_ODD, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def _digest(planes: Sequence[bytes]) -> int:
    """A 64-bit digest of all bytes: words times odd weights, in blocks. Tells pictures apart, resists no attacker."""
    digest = 0
    for plane in planes:
        padded = plane if len(plane) % 8 == 0 else plane + bytes(8 - len(plane) % 8)
        words = np.frombuffer(padded, np.uint64)
        whole = words.size - words.size % _WEIGHTS.size
        blocks = words[:whole].reshape(-1, _WEIGHTS.size) @ _WEIGHTS
        rest = words[whole:] @ _WEIGHTS[: words.size - whole]
        for sum_ in (*blocks.tolist(), int(rest), len(plane)):
            digest = (digest ^ sum_ ^ sum_ >> 29) * _ODD & _MASK
    return digest


class _Thumbnails:
    """At most `KEPT`, evenly spaced over however many there were."""

    def __init__(self) -> None:
        self._kept: list[NDArray[np.float32]] = []
        self._step = 1
        self._seen = 0

    def add(self, thumbnail: NDArray[np.float32]) -> None:
        if self._seen % self._step == 0:
            self._kept.append(thumbnail)
        self._seen += 1
        if len(self._kept) == KEPT:
            self._kept, self._step = self._kept[::2], self._step * 2

    def stacked(self) -> NDArray[np.float32]:
        """[kept, rows, columns]; those of another shape than the first are left out."""
        if not self._kept:
            return np.zeros((0, *GRID), np.float32)
        return np.stack([t for t in self._kept if t.shape == self._kept[0].shape])
