"""LeRobot v2.1: `meta/info.json` declares, `meta/*.jsonl` list; a Parquet file, and a video a camera, an episode."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from validators.documents import DocumentError, parse_json, parse_jsonl
from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import Clip
from validators.readers import columns, lerobot_camera
from validators.recording import CLOCK, MAIN, Episode, Facts, Problem, Recording
from validators.stream import Clock, Feature, Part, Stream

FORMAT = "LeRobot v2.1 (meta/info.json)"
INFO, EPISODES, TASKS, PROVENANCE = (
    "meta/info.json",
    "meta/episodes.jsonl",
    "meta/tasks.jsonl",
    "meta/assay_episodes.jsonl",
)
MAX_INFO, MAX_LINES = 16 << 20, 512 << 20
MAX_EPISODES = 1_000_000
MAX_WIDTH = 4096
_FIELDS = {"episode_chunk", "episode_index", "video_key"}
_SPEC = re.compile(r"(0?[1-9])?d?")
_INDEX_COLUMNS = (CLOCK, "frame_index", "episode_index")


def recognises(files: Files) -> bool:
    """Whether the folder claims to be a LeRobot dataset, readable or not."""
    return files.is_folder("meta")


def read(files: Files) -> Recording:
    """Reads the metadata and every Parquet footer; no data page."""
    info = _info(files)
    features = _features(files, info)
    tasks = _tasks(files)
    listed = _listed(files)
    provenance = _provenance(files)
    found = _locate(files, info, listed)
    videos = {f.name: _clips(files, info, f.name, found) for f in features.values() if f.dtype == "video"}
    vectors = [f for f in features.values() if f.width]
    episodes: list[Episode] = []
    footers, problems = [], []
    for index, relative in found.items():
        try:
            footer = columns.footer(files.local(relative))
            if misfit := columns.misfit(footer, vectors):
                raise misfit
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problems.append(columns.unreadable(error, files, relative, index))
            continue
        footers.append((footer, [Part(footer.path, len(episodes), footer.rows)]))
        start, end = footer.span or (None, None)
        names = listed.get(index, {}).get("tasks")
        episodes.append(
            Episode(
                index=index,
                files=(relative, *(clips[index].path for _, clips in sorted(videos.items()) if index in clips)),
                length=footer.rows,
                start_s=start,
                end_s=end,
                task=str(names[0]) if isinstance(names, list) and names else None,
                provenance=provenance.get(index, {}),
            )
        )
    if not episodes:
        _nothing(files, info, problems)
    problems += _strays(files, info, set(found.values()))
    facts = replace(_facts(files, info), tasks=tasks, listed={i: line["length"] for i, line in listed.items()})
    return Recording(
        "lerobot-v2.1",
        files,
        facts,
        tuple(episodes),
        {MAIN: Stream(MAIN, features, columns.tables(footers), Clock(CLOCK), facts.fps)},
        {name: lerobot_camera.camera(name, files, clips, info) for name, clips in videos.items()},
        problems=tuple(problems),
    )


def _nothing(files: Files, info: Mapping[str, Any], problems: list[Problem]) -> None:
    if problems:
        first = problems[0]
        raise UnreadableDataset(
            first.kind, f"no episode can be read; the first: {first.message}", path=files.where(first.path)
        )
    there = next(iter(files.names(".parquet")), None)
    example = locate(info["data_path"], 0, info["chunks_size"])
    also = f"; {there} does not fit the template" if there else ""
    raise UnreadableDataset(
        "file-missing", f"data_path expects files like {example}, none is there{also}", path=files.where(INFO)
    )


def _invalid(path: str, message: str) -> UnreadableDataset:
    return UnreadableDataset("metadata-invalid", message, path=path)


def _info(files: Files) -> dict[str, Any]:
    path = files.where(INFO)
    try:
        info = parse_json(files.text(INFO, MAX_INFO))
    except DocumentError as error:
        raise _invalid(path, str(error)) from error
    if not isinstance(info, dict):
        raise _invalid(path, "an object was expected")
    version = info.get("codebase_version")
    if version != "v2.1":
        raise UnreadableDataset("format-unknown", f"codebase_version {version!r}; this reader knows 'v2.1'", path=path)
    for key, kind in (("fps", (int, float)), ("data_path", str), ("features", dict)):
        if not isinstance(info.get(key), kind) or isinstance(info[key], bool):
            raise _invalid(path, f"{key!r} is missing or of another type")
    if not 0 < info["fps"] <= 100_000:
        raise _invalid(path, f"fps {info['fps']} is no frame rate")
    if locate(info["data_path"], 1, 1000) == locate(info["data_path"], 2, 1000):
        raise _invalid(path, f"data_path {info['data_path']!r} is one file for all episodes, v2.1 has one for each")
    info.setdefault("chunks_size", 1000)
    if not isinstance(info["chunks_size"], int) or not 0 < info["chunks_size"] <= MAX_EPISODES:
        raise _invalid(path, f"chunks_size {info['chunks_size']!r} is no count")
    return info


def _facts(files: Files, info: Mapping[str, Any]) -> Facts:
    totals = {k: v for k, v in info.items() if k.startswith("total_")}
    for key, value in totals.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
            raise _invalid(files.where(INFO), f"{key} {value!r} is no count")
    robot = info.get("robot_type")
    if robot is not None and not isinstance(robot, str):
        raise _invalid(files.where(INFO), "robot_type is no text")
    return Facts(robot, float(info["fps"]), info["codebase_version"], totals)


def _features(files: Files, info: Mapping[str, Any]) -> dict[str, Feature]:
    features = {name: _feature(files, name, value) for name, value in info["features"].items()}
    for name in _INDEX_COLUMNS:
        features.setdefault(name, Feature(name, "float32" if name == CLOCK else "int64"))
    return features


def _feature(files: Files, name: str, value: object) -> Feature:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("dtype"), str)
        or not isinstance(value.get("shape"), list)
    ):
        raise _invalid(files.where(INFO), f"feature {name!r} needs a dtype and a shape")
    shape = value["shape"]
    if not all(isinstance(n, int) and not isinstance(n, bool) and 0 < n <= 1 << 20 for n in shape):
        raise _invalid(files.where(INFO), f"feature {name!r} has the shape {shape!r}")
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


def _lines(files: Files, relative: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from parse_jsonl(files.text(relative, MAX_LINES))
    except DocumentError as error:
        raise _invalid(files.where(relative), str(error)) from error


def _count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _listed(files: Files) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for number, line in _lines(files, EPISODES):
        index = line.get("episode_index")
        if not _count(index) or not _count(line.get("length")):
            raise _invalid(files.where(EPISODES), f"line {number}: episode_index and length must be counts")
        if index in found:
            raise _invalid(files.where(EPISODES), f"line {number}: episode {index} is listed twice")
        found[index] = line
        if len(found) > MAX_EPISODES:
            raise UnreadableDataset("too-large", f"more than {MAX_EPISODES} episodes", path=files.where(EPISODES))
    return dict(sorted(found.items()))


def _tasks(files: Files) -> tuple[str, ...]:
    if not files.exists(TASKS):
        return ()
    return tuple(str(line.get("task", "")) for _, line in _lines(files, TASKS))


def _provenance(files: Files) -> dict[int, Mapping[str, object]]:
    if not files.exists(PROVENANCE):
        return {}
    found: dict[int, Mapping[str, object]] = {}
    for number, line in _lines(files, PROVENANCE):
        index = line.get("episode_index")
        if not _count(index) or index in found:
            raise _invalid(files.where(PROVENANCE), f"line {number}: episode_index is missing or occurs twice")
        found[index] = line
    return found


def locate(template: str, index: int, chunk: int, camera: str = "") -> str:
    """The path that a LeRobot template gives for one episode; only its own three fields are filled in."""
    values = {"episode_chunk": index // chunk, "episode_index": index, "video_key": camera}
    parts = []
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            parts.append(literal)
            if name is None:
                continue
            if name not in _FIELDS or conversion or not _SPEC.fullmatch(spec or ""):
                raise _invalid(INFO, f"path template {template!r} uses {{{name}:{spec}}}")
            parts.append(format(values[name], spec or "") if name != "video_key" else camera)
    except ValueError as error:
        raise _invalid(INFO, f"path template {template!r}: {error}") from error
    return "".join(parts)


def _locate(files: Files, info: Mapping[str, Any], listed: Mapping[int, object]) -> dict[int, str]:
    """Index → relative path of the files on disk: the listed ones, and those beside them that nobody listed."""
    template, chunk = info["data_path"], info["chunks_size"]
    found = {}
    for index in listed:
        relative = locate(template, index, chunk)
        if files.is_file(relative):
            found[index] = relative
    known = set(found.values())
    for relative in files.names(".parquet"):
        number = re.search(r"(\d+)\D*\.parquet$", relative)
        if relative in known or number is None or len(number[1]) > 9:
            continue
        if locate(template, int(number[1]), chunk) == relative:
            found[int(number[1])] = relative
    return dict(sorted(found.items()))


def _strays(files: Files, info: Mapping[str, Any], known: set[str]) -> list[Problem]:
    """Parquet files beside the data that the template does not reach, so that they are not left out in silence."""
    top = info["data_path"].split("/")[0]
    message = f"does not fit data_path {info['data_path']!r}, so it was not read"
    strays = (path for path in files.names(".parquet") if path not in known and path.split("/")[0] == top)
    return [Problem("path-unexpected", path, message) for path in strays]


def _clips(files: Files, info: Mapping[str, Any], camera: str, episodes: Collection[int]) -> dict[int, Clip]:
    template = info.get("video_path")
    if not isinstance(template, str):
        return {}
    paths = {index: locate(template, index, info["chunks_size"], camera) for index in episodes}
    return {index: Clip(path) for index, path in paths.items() if files.is_file(path)}
