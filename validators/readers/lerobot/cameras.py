"""LeRobot's cameras: videos as `meta/info.json` declares them, or images in a column of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import Clip, MessageCamera, VideoCamera
from validators.pictures.message import Message
from validators.recording import CLOCK, Camera, Episode
from validators.stream import Stream

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
    return VideoCamera(name, files, clips, width, height, codec, float(rate), depth)


def of_columns(stream: Stream, info: Mapping[str, Any], episodes: tuple[Episode, ...]) -> dict[str, Camera]:
    """The cameras of features of dtype `image` that are stored: each row holds the bytes of one image file."""
    places = {e.index: i for i, e in enumerate(episodes)}
    found: dict[str, Camera] = {}
    for name, feature in stream.features.items():
        if feature.dtype == "image" and name in stream.columns and CLOCK in stream.columns:
            size, source = _shape(info["features"][name]), partial(_images, stream, name, places)
            width, height = size.get("width"), size.get("height")
            found[name] = MessageCamera(name, source, places.keys(), width, height, fps=float(info["fps"]))
    return found


def _images(stream: Stream, name: str, places: Mapping[int, int], episode: int) -> Iterator[Message]:
    position = places[episode]
    for table in stream.tables:
        for part in (p for p in table.parts if p.position == position):
            for first in range(part.offset, part.offset + part.rows, BATCH):
                wanted = pl.scan_parquet(part.path, glob=False).select(name, CLOCK)
                number = min(BATCH, part.offset + part.rows - first)
                for image, time_s in wanted.slice(first, number).collect().iter_rows():
                    data = image.get("bytes") if isinstance(image, dict) else image
                    if not isinstance(data, bytes) or not data:
                        detail = f"{name!r} of row {first} or one of the {number} from there holds no image"
                        raise UnreadableDataset("file-damaged", detail, path=part.path)
                    yield Message(float(time_s), data)


def _shape(feature: Mapping[str, Any]) -> dict[str, int]:
    """Width and height, where the names of the axes say which they are."""
    names, shape = feature.get("names"), feature.get("shape")
    if not isinstance(names, list) or not isinstance(shape, list) or len(names) != len(shape):
        return {}
    found = {n: s for n, s in zip(names, shape, strict=True) if n in ("width", "height")}
    return {n: size for n, s in found.items() if (size := _size(s))}


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SIZE else None
