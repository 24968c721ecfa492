"""What all versions of LeRobot share: `meta/info.json`, its features and path templates, and the lines beside it."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from validators.documents import DocumentError, parse_json, parse_jsonl
from validators.errors import UnreadableDataset
from validators.files import Files
from validators.recording import CLOCK, Facts, Problem
from validators.stream import Feature

INFO, PROVENANCE, STATS = "meta/info.json", "meta/assay_episodes.jsonl", "meta/stats.json"
MAX_INFO, MAX_LINES = 16 << 20, 512 << 20
MAX_EPISODES = 1_000_000
MAX_WIDTH = 4096
VERSIONS = ("v2.0", "v2.1", "v3.0")
BY_EPISODE = ("episode_chunk", "episode_index", "video_key")  # fields of the path templates of v2
BY_FILE = ("chunk_index", "file_index", "video_key")  # and of v3
_SPEC = re.compile(r"(0?[1-9])?d?")
_INDEX_COLUMNS = (CLOCK, "frame_index", "episode_index")
_SPLIT = re.compile(r"(\d{1,9}):(\d{1,9})")


def invalid(path: str, message: str) -> UnreadableDataset:
    """The refusal of a metadata file."""
    return UnreadableDataset("metadata-invalid", message, path=path)


def info(files: Files) -> dict[str, Any]:
    """`meta/info.json`, its version known, its rate, templates and features of the right types."""
    path = files.where(INFO)
    found = document(files, INFO)
    version = found.get("codebase_version")
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise UnreadableDataset("format-unknown", f"codebase_version {version!r}; known are {known}", path=path)
    for key, kind in (("fps", (int, float)), ("data_path", str), ("features", dict)):
        if not isinstance(found.get(key), kind) or isinstance(found[key], bool):
            raise invalid(path, f"{key!r} is missing or of another type")
    if not 0 < found["fps"] <= 100_000:
        raise invalid(path, f"fps {found['fps']} is no frame rate")
    for key in ("chunks_size", "video_path"):
        if found.get(key) is None:
            found.pop(key, None)
    found.setdefault("chunks_size", 1000)
    if not count(found["chunks_size"]) or not 0 < found["chunks_size"] <= MAX_EPISODES:
        raise invalid(path, f"chunks_size {found['chunks_size']!r} is no count")
    if not isinstance(found.get("video_path", ""), str):
        raise invalid(path, "video_path is no text")
    return found


def document(files: Files, relative: str) -> dict[str, Any]:
    """The object in a JSON file of `meta/`."""
    try:
        found = parse_json(files.text(relative, MAX_INFO))
    except DocumentError as error:
        raise invalid(files.where(relative), str(error)) from error
    if not isinstance(found, dict):
        raise invalid(files.where(relative), "an object was expected")
    return found


def facts(files: Files, info: Mapping[str, Any]) -> Facts:
    """What info.json says beside the features."""
    totals = {k: v for k, v in info.items() if k.startswith("total_")}
    for key, value in totals.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
            raise invalid(files.where(INFO), f"{key} {value!r} is no count")
    robot, version = info.get("robot_type"), info["codebase_version"]
    if robot is not None and not isinstance(robot, str):
        raise invalid(files.where(INFO), "robot_type is no text")
    return Facts(robot, float(info["fps"]), version, totals, tools={"lerobot": version}, splits=splits(info))


def splits(info: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Name → first episode and the one after the last, of the splits that are written so."""
    named = info.get("splits")
    found = {}
    for name, text in named.items() if isinstance(named, dict) else ():
        if isinstance(text, str) and (match := _SPLIT.fullmatch(text)):
            found[str(name)] = (int(match[1]), int(match[2]))
    return found


def features(files: Files, info: Mapping[str, Any]) -> dict[str, Feature]:
    """The declared columns; those that every LeRobot table has are added."""
    found = {name: _feature(files, name, value) for name, value in info["features"].items()}
    for name in _INDEX_COLUMNS:
        found.setdefault(name, Feature(name, "float32" if name == CLOCK else "int64"))
    return found


def _feature(files: Files, name: str, value: object) -> Feature:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("dtype"), str)
        or not isinstance(value.get("shape"), list)
    ):
        raise invalid(files.where(INFO), f"feature {name!r} needs a dtype and a shape")
    shape = value["shape"]
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 < n <= 1 << 20 for n in shape):
        raise invalid(files.where(INFO), f"feature {name!r} has the shape {shape!r}")
    feature = Feature(name, value["dtype"], tuple(shape) or (1,))
    if feature.width > MAX_WIDTH:
        raise UnreadableDataset(
            "too-large", f"feature {name!r} claims {feature.width} channels", path=files.where(INFO)
        )
    names, units = (tuple(_leaves(value.get(key))) for key in ("names", "units"))
    return Feature(
        name,
        feature.dtype,
        feature.shape,
        names if len(names) == feature.width else (),
        units if len(units) == feature.width else (),
    )


def _leaves(names: object) -> Iterator[str]:
    """Names come as a list, a list of lists, or a mapping of lists ({"motors": […]})."""
    if isinstance(names, str):
        yield names
    elif isinstance(names, list | dict):
        for item in names.values() if isinstance(names, dict) else names:
            yield from _leaves(item)


def lines(files: Files, relative: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of each line of a JSONL file of `meta/`."""
    try:
        yield from parse_jsonl(files.text(relative, MAX_LINES))
    except DocumentError as error:
        raise invalid(files.where(relative), str(error)) from error


def count(value: object) -> TypeGuard[int]:
    """Whether a value of a document is a count that anything here can have."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def provenance(files: Files) -> dict[int, Mapping[str, object]]:
    """Episode index → its line of `meta/assay_episodes.jsonl`; none without that file."""
    if not files.exists(PROVENANCE):
        return {}
    found: dict[int, Mapping[str, object]] = {}
    for number, line in lines(files, PROVENANCE):
        index = line.get("episode_index")
        if not count(index) or index in found:
            raise invalid(files.where(PROVENANCE), f"line {number}: episode_index is missing or occurs twice")
        found[index] = line
    return found


def fill(template: str, values: Mapping[str, int | str]) -> str:
    """The path that a template gives; only the fields in `values` are filled in, and only as numbers."""
    parts = []
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            parts.append(literal)
            if name is None:
                continue
            if name not in values or conversion or not _SPEC.fullmatch(spec or ""):
                raise invalid(INFO, f"path template {template!r} uses {{{name}:{spec}}}")
            value = values[name]
            parts.append(value if isinstance(value, str) else format(value, spec or ""))
    except ValueError as error:
        raise invalid(INFO, f"path template {template!r}: {error}") from error
    return "".join(parts)


def strays(files: Files, info: Mapping[str, Any], known: set[str], why: Callable[[str], str]) -> list[Problem]:
    """Parquet files beside the data that nothing reaches, so that they are not left out in silence."""
    top = info["data_path"].split("/")[0]
    found = (path for path in files.names(".parquet") if path not in known and path.split("/")[0] == top)
    return [Problem("path-unexpected", path, why(path)) for path in found]
