"""Rows and pictures of HDF5 demonstrations, read slice by slice; what is damaged inside is said when it is met."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import MessageCamera
from validators.pictures.message import Message
from validators.readers.hdf5 import tree
from validators.readers.hdf5.tree import Leaf
from validators.readers.spool import Decoded, Spool
from validators.recording import CLOCK, MAIN, Camera, Problem
from validators.stream import Feature

MAX_WIDTH = 4096  # channels of one column
BATCH = 16 << 20  # bytes that are decoded together
LEAST_SIDE = 8  # pixels: smaller arrays are numbers, not pictures
_PICTURES = ("image", "rgb", "cam", "color", "colour")
_LAYOUTS = {1: "mono8", 3: "rgb8", 4: "rgba8"}


@dataclass(frozen=True)
class Demo:
    """One episode: the group that holds it (`""` is the file), its columns and its pictures, by name."""

    index: int
    relative: str
    group: str
    rows: int
    columns: Mapping[str, Leaf]
    pictures: Mapping[str, Leaf]

    def path(self, leaf: Leaf) -> str:
        """The dataset's path in the file."""
        return f"{self.group}/{leaf.path}" if self.group else leaf.path


def numeric(leaf: Leaf) -> bool:
    """Whether it holds numbers (booleans count as such)."""
    return not leaf.strings and leaf.dtype.kind in "iufb"


def word(leaf: Leaf) -> str:
    """The type of its values as they are decoded, in LeRobot's words."""
    if not numeric(leaf):
        return "string"
    return str(_plain(leaf.dtype))


def _plain(kind: Any) -> np.dtype[Any]:
    """Booleans as uint8, floats of 32 or 64 bits, everything in the machine's order of bytes."""
    if kind.kind == "b":
        return np.dtype(np.uint8)
    if kind.kind == "f":
        return np.dtype(np.float32 if kind.itemsize <= 4 else np.float64)
    plain: np.dtype[Any] = kind.newbyteorder("=")
    return plain


def shape(leaf: Leaf) -> tuple[int, ...]:
    """The feature's: matrices become vectors, what is too wide for channels keeps its own shape and is not judged."""
    width = math.prod(leaf.shape[1:])
    return (width,) if 0 < width <= MAX_WIDTH else leaf.shape[1:]


def encoding(leaf: Leaf) -> str:
    """How pictures lie in a dataset: rows × columns × channels, planes, gray or compressed; empty when it has none."""
    named = any(part in leaf.path.lower() for part in _PICTURES)
    sides = leaf.shape[1:]
    if leaf.strings or leaf.dtype.kind == "V":
        return "compressed" if named and len(leaf.shape) == 1 else ""
    if leaf.dtype != np.uint8:
        return ""
    if len(sides) == 3 and sides[2] in _LAYOUTS and min(sides[:2]) >= LEAST_SIDE:
        return "interleaved"
    if len(sides) == 3 and sides[0] in _LAYOUTS and min(sides[1:]) >= LEAST_SIDE:
        return "planes"
    if len(sides) == 2 and min(sides) >= LEAST_SIDE and named:
        return "gray"
    return "compressed" if len(sides) == 1 and named and sides[0] > 100 else ""


def span(files: Files, demo: Demo, column: str | None) -> tuple[float, float] | None:
    """First and last value of a series, exact; None where they are no finite numbers."""
    if column is None or column not in demo.columns:
        return None
    with tree.opened(files, demo.relative) as file:
        dataset = file[demo.path(demo.columns[column])]
        ends = [np.asarray(dataset[i]).item() for i in (0, demo.rows - 1)]
    return (ends[0], ends[1]) if all(np.isfinite(ends)) else None


class Rows(Decoded):
    """The rows of all episodes, a batch at a time."""

    def __init__(self, files: Files, demos: Sequence[Demo], features: Sequence[Feature], fps: float | None) -> None:
        super().__init__(files)
        self._demos, self._features, self._fps = demos, features, fps

    def decode(self, spool: Spool) -> None:
        """An episode ends where it is damaged."""
        for position, demo in enumerate(self._demos):
            try:
                with tree.opened(self._files, demo.relative) as file:
                    for batch in self._batches(file, demo):
                        spool.write(MAIN, position, batch)
            except UnreadableDataset as error:
                detail = f"{demo.group or 'the root'}: {error.detail}; rows from there on were not judged"
                self._problems.append(Problem(error.kind, demo.relative, detail, demo.index))

    def _batches(self, file: Any, demo: Demo) -> Iterator[pa.RecordBatch]:
        leaves = {f.name: demo.columns[f.name] for f in self._features if f.name in demo.columns}
        width = sum(leaf.row_bytes for leaf in leaves.values())
        step = max(1, min(65_536, BATCH // max(1, width)))
        for start in range(0, demo.rows, step):
            end = min(start + step, demo.rows)
            arrays = {n: _read(file[demo.path(leaf)], leaf, start, end) for n, leaf in leaves.items()}
            if CLOCK not in arrays and self._features[0].name == CLOCK and self._fps:
                arrays = {CLOCK: pa.array(np.arange(start, end) / self._fps), **arrays}
            yield pa.RecordBatch.from_pydict(arrays)


def _read(dataset: Any, leaf: Leaf, start: int, end: int) -> pa.Array:
    values: NDArray[Any] = np.ascontiguousarray(dataset[start:end]).astype(_plain(leaf.dtype), copy=False)
    width = math.prod(leaf.shape[1:])
    flat = pa.array(values.reshape(-1))
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def cameras(files: Files, demos: Sequence[Demo], fps: float | None) -> dict[str, Camera]:
    """The cameras of all episodes, named as in the file; the size is that of the first episode's."""
    found: dict[str, Camera] = {}
    for name in dict.fromkeys(name for demo in demos for name in demo.pictures):
        having = {demo.index: demo for demo in demos if name in demo.pictures}
        paths = {index: demo.relative for index, demo in having.items()}
        leaf = next(iter(having.values())).pictures[name]
        how = encoding(leaf)
        sides = (
            leaf.shape[1:3] if how in ("interleaved", "gray") else leaf.shape[2:4] if how == "planes" else (None, None)
        )

        def messages(episode: int, having: Mapping[int, Demo] = having, name: str = name) -> Iterator[Message]:
            return _messages(files, having[episode], having[episode].pictures[name], fps)

        codec = None if how == "compressed" else "rawvideo"
        found[name] = MessageCamera(name, messages, paths, width=sides[1], height=sides[0], codec=codec, fps=fps)
    return found


def _messages(files: Files, demo: Demo, leaf: Leaf, fps: float | None) -> Iterator[Message]:
    """The pictures of one episode as they lie in the file."""
    how = encoding(leaf)
    with tree.opened(files, demo.relative) as file:
        dataset = file[demo.path(leaf)]
        for i in range(demo.rows):
            time_s = i / fps if fps else None
            value = np.asarray(dataset[i])
            if how == "compressed":
                yield Message(time_s, value.tobytes() if value.dtype != object else bytes(value.item()))
                continue
            pixels = value.transpose(1, 2, 0) if how == "planes" else value.reshape(*value.shape[:2], -1)
            height, width, channels = pixels.shape
            yield Message(time_s, np.ascontiguousarray(pixels).tobytes(), _LAYOUTS[channels], width, height)
