"""LeRobot v2.1 and v2.0: `meta/*.jsonl` list; a Parquet file, and a video a camera, an episode."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import Clip
from validators.readers import columns
from validators.readers.lerobot import cameras, declared, metadata, modality
from validators.readers.lerobot.metadata import INFO
from validators.recording import CLOCK, MAIN, Episode, Problem, Recording
from validators.stream import Clock, Part, Stream

EPISODES, TASKS = "meta/episodes.jsonl", "meta/tasks.jsonl"


def read(files: Files, info: dict[str, Any]) -> Recording:
    """Reads the lists, every Parquet footer and the clock."""
    if locate(info["data_path"], 1, 1000) == locate(info["data_path"], 2, 1000):
        detail = f"data_path {info['data_path']!r} is one file for all episodes, {info['codebase_version']} has one for"
        raise metadata.invalid(files.where(INFO), f"{detail} each")
    features, slices, problems = modality.read(files, metadata.features(files, info))
    tasks = _tasks(files)
    listed = listed_episodes(files)
    provenance = metadata.provenance(files)
    found = _locate(files, info, listed)
    videos = {f.name: _clips(files, info, f.name, found) for f in features.values() if f.dtype == "video"}
    vectors = [f for f in features.values() if f.width]
    episodes: list[Episode] = []
    footers = []
    for index, relative in found.items():
        try:
            footer = columns.looked(files, relative)
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
    why = f"does not fit data_path {info['data_path']!r}, so it was not read"
    problems += metadata.strays(files, info, set(found.values()), lambda _: why)
    facts = replace(
        metadata.facts(files, info),
        tasks=tuple(tasks.values()),
        task_indices=tuple(tasks),
        listed={i: line["length"] for i, line in listed.items()},
        slices=slices,
        statistics=cache(partial(declared.of_lines, files)),
    )
    tables = columns.fetched(files, [e.path for e in episodes], columns.tables(footers))
    main = Stream(MAIN, features, tables, Clock(CLOCK), facts.fps)
    pictured = cameras.of_columns(main, info, tuple(episodes))
    return Recording(
        f"lerobot-{info['codebase_version']}",
        files,
        facts,
        tuple(episodes),
        {MAIN: main},
        pictured | {name: cameras.of_video(files, info, name, clips) for name, clips in videos.items()},
        problems=tuple(problems),
    )


def _nothing(files: Files, info: Mapping[str, Any], problems: list[Problem]) -> None:
    if found := [p for p in problems if p.affected]:
        first = found[0]
        raise UnreadableDataset(
            first.kind, f"no episode can be read; the first: {first.message}", path=files.where(first.path)
        )
    there = next(iter(files.names(".parquet")), None)
    example = locate(info["data_path"], 0, info["chunks_size"])
    also = f"; {there} does not fit the template" if there else ""
    raise UnreadableDataset(
        "file-missing", f"data_path expects files like {example}, none is there{also}", path=files.where(INFO)
    )


def listed_episodes(files: Files) -> dict[int, dict[str, Any]]:
    """Episode index → its line of `meta/episodes.jsonl`, in order."""
    found: dict[int, dict[str, Any]] = {}
    for number, line in metadata.lines(files, EPISODES):
        index = line.get("episode_index")
        if not metadata.count(index) or not metadata.count(line.get("length")):
            raise metadata.invalid(files.where(EPISODES), f"line {number}: episode_index and length must be counts")
        if index in found:
            raise metadata.invalid(files.where(EPISODES), f"line {number}: episode {index} is listed twice")
        found[index] = line
        if len(found) > metadata.MAX_EPISODES:
            detail = f"more than {metadata.MAX_EPISODES} episodes"
            raise UnreadableDataset("too-large", detail, path=files.where(EPISODES))
    return dict(sorted(found.items()))


def _tasks(files: Files) -> dict[int, str]:
    if not files.exists(TASKS):
        return {}
    found: dict[int, str] = {}
    for number, line in metadata.lines(files, TASKS):
        index = line.get("task_index")
        if not metadata.count(index) or index in found:
            raise metadata.invalid(files.where(TASKS), f"line {number}: task_index is missing or occurs twice")
        found[index] = str(line.get("task", ""))
    return found


def locate(template: str, index: int, chunk: int, camera: str = "") -> str:
    """The path that a template gives for one episode."""
    values = (index // chunk, index, camera)
    return metadata.fill(template, dict(zip(metadata.BY_EPISODE, values, strict=True)))


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


def _clips(files: Files, info: Mapping[str, Any], camera: str, episodes: Collection[int]) -> dict[int, Clip]:
    if "video_path" not in info:
        return {}
    paths = {index: locate(info["video_path"], index, info["chunks_size"], camera) for index in episodes}
    return {index: Clip(path) for index, path in paths.items() if files.is_file(path)}
