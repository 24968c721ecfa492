"""LeRobot's cameras: videos as `meta/info.json` declares them, or images in a column of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import Clip, MessageCamera, VideoCamera
from validators.pictures.message import Message
from validators.readers.columns import READ_ERRORS
from validators.recording import CLOCK, Camera, Episode
from validators.stream import Part, Stream

MAX_SIZE, MAX_FPS = 1 << 16, 100_000


BATCH = 64  # images that are held together


def of_video(files: Files, info: Mapping[str, Any], name: str, clips: Mapping[int, Clip]) -> VideoCamera:
    """The camera of a feature of dtype `video`. `info` of the feature (`video_info` in old writers) declares the video,
    else its shape the size, else nothing is declared; the rate is the dataset's where the video has none of its own.
    """
    feature = info["features"][name]
    declared = next((d for key in ("info", "video_info") if isinstance(d := feature.get(key), dict)), {})
    sizes = _shape(feature)
    width, height = (_size(declared.get(f"video.{key}")) or sizes.get(key) for key in ("width", "height"))
    codec, fps = declared.get("video.codec"), declared.get("video.fps")
    rate = fps if isinstance(fps, int | float) and 0 < fps <= MAX_FPS else info["fps"]
    depth = declared.get("video.is_depth_map") is True
    codec = codec if isinstance(codec, str) else None
    return VideoCamera(name, files, clips, width=width, height=height, codec=codec, fps=float(rate), depth=depth)


def of_columns(stream: Stream, info: Mapping[str, Any], episodes: tuple[Episode, ...]) -> dict[str, Camera]:
    """The cameras of features of dtype `image` that are stored: each row holds the bytes of one image file."""
    places, paths = {e.index: i for i, e in enumerate(episodes)}, {e.index: e.path for e in episodes}
    found: dict[str, Camera] = {}
    for name, feature in stream.features.items():
        if feature.dtype == "image" and name in stream.columns and CLOCK in stream.columns:
            size, source = _shape(info["features"][name]), partial(_images, stream, name, places)
            width, height = size.get("width"), size.get("height")
            found[name] = MessageCamera(name, source, paths, width=width, height=height, fps=float(info["fps"]))
    return found


def _images(stream: Stream, name: str, places: Mapping[int, int], episode: int) -> Iterator[Message]:
    position = places[episode]
    for table in stream.tables:
        for part in (p for p in table.parts if p.position == position):
            try:
                yield from _rows(part, name)
            except READ_ERRORS as error:
                detail = f"column {name!r} cannot be read: {' '.join(str(error).split())[:200]}"
                raise UnreadableDataset("file-damaged", detail, path=part.path) from error


def _rows(part: Part, name: str) -> Iterator[Message]:
    """Reads the row groups of a part only, a few images at a time."""
    with pq.ParquetFile(part.path) as file:
        sizes = np.array([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])
        ends = np.cumsum(sizes)
        groups = np.flatnonzero((ends > part.offset) & (ends - sizes < part.offset + part.rows)).tolist()
        at = int(ends[groups[0]] - sizes[groups[0]])
        for batch in file.iter_batches(BATCH, row_groups=groups, columns=[name, CLOCK], use_threads=False):
            pairs = zip(batch.column(name).to_pylist(), batch.column(CLOCK).to_pylist(), strict=True)
            for row, (image, time_s) in enumerate(pairs, start=at):
                if part.offset <= row < part.offset + part.rows:
                    data = image.get("bytes") if isinstance(image, dict) else image
                    if not isinstance(data, bytes) or not data:
                        raise UnreadableDataset("file-damaged", f"{name!r} of row {row} is no image", path=part.path)
                    yield Message(time_s if isinstance(time_s, float) else None, data)
            at += batch.num_rows


def _shape(feature: Mapping[str, Any]) -> dict[str, int]:
    """Width and height, where the names of the axes say which they are."""
    names, shape = feature.get("names"), feature.get("shape")
    if not isinstance(names, list) or not isinstance(shape, list) or len(names) != len(shape):
        return {}
    found = {n: s for n, s in zip(names, shape, strict=True) if n in ("width", "height")}
    return {n: size for n, s in found.items() if (size := _size(s))}


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SIZE else None
