"""What LeRobot's `meta/info.json` declares of a camera: its video's codec, size and rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validators.files import Files
from validators.pictures.camera import Clip, VideoCamera

MAX_SIZE, MAX_FPS = 1 << 16, 100_000


def camera(name: str, files: Files, clips: Mapping[int, Clip], info: Mapping[str, Any]) -> VideoCamera:
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


def _shape(feature: Mapping[str, Any]) -> dict[str, int]:
    """Width and height, where the names of the axes say which they are."""
    names, shape = feature.get("names"), feature.get("shape")
    if not isinstance(names, list) or not isinstance(shape, list) or len(names) != len(shape):
        return {}
    found = {n: s for n, s in zip(names, shape, strict=True) if n in ("width", "height")}
    return {n: size for n, s in found.items() if (size := _size(s))}


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SIZE else None
