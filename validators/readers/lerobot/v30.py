"""LeRobot v3.0: tables in `meta/episodes` list; many episodes share a Parquet file by rows and a video by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures.camera import Clip
from validators.readers import columns
from validators.readers.lerobot import cameras, listing, metadata, modality
from validators.readers.lerobot.listing import EPISODES, Row
from validators.readers.lerobot.metadata import INFO
from validators.recording import CLOCK, MAIN, Episode, Problem, Recording
from validators.stream import NO_EPISODE, Clock, Part, Stream


def read(files: Files, info: dict[str, Any]) -> Recording:
    """Reads the lists, every Parquet footer and the clock."""
    for key in ("data_path", "video_path"):
        if key in info:
            listing.path(info[key], 0, 0, "camera")
    features, slices, problems = modality.read(files, metadata.features(files, info))
    videos = [f.name for f in features.values() if f.dtype == "video"]
    tasks = listing.listed_tasks(files)
    rows = listing.listed_episodes(files, info, videos)
    provenance = metadata.provenance(files)
    vectors = [f for f in features.values() if f.width]
    by_file: dict[str, list[Row]] = {}
    for row in rows:
        by_file.setdefault(row.path, []).append(row)
    here = {relative: held for relative, held in sorted(by_file.items()) if files.is_file(relative)}
    spans: dict[int, tuple[int, columns.Span]] = {}  # episode → rows found, and their clock
    placed: list[tuple[columns.Footer, list[tuple[int, int, int]]]] = []  # of each file: (episode, rows, offset)
    for relative, held in here.items():
        try:
            footer = columns.looked(files, relative, clock=None)
            if misfit := columns.misfit(footer, vectors):
                raise misfit
            parts, wrong = _placed(relative, footer, held)
            kept = [part for part in parts if part[0] != NO_EPISODE]
            with files.open(relative) as opened:
                clocks = columns.spans(footer, [(offset, number) for _, number, offset in kept], opened)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problem = columns.unreadable(error, files, relative, None)
            problems.append(replace(problem, episodes=tuple(r.index for r in held)))
            continue
        problems += wrong
        placed.append((footer, parts))
        spans |= {i: (number, span) for (i, number, _), span in zip(kept, clocks, strict=True)}
    clips = {name: {r.index: r.clips[name] for r in rows if name in r.clips} for name in videos}
    there = {p: files.is_file(p) for p in {c.path for found in clips.values() for c in found.values()}}
    clips = {name: {i: c for i, c in found.items() if there[c.path]} for name, found in clips.items()}
    episodes = [_episode(row, *spans[row.index], clips, provenance) for row in rows if row.index in spans]
    if not episodes:
        _nothing(files, info, by_file, problems)
    position = {e.index: i for i, e in enumerate(episodes)} | {NO_EPISODE: NO_EPISODE}
    problems += metadata.strays(files, info, set(by_file), lambda _: f"no episode in {EPISODES} lies in this file")
    footers = [(f, [Part(f.path, position[i], number, offset) for i, number, offset in ps]) for f, ps in placed]
    facts = metadata.facts(files, info)
    facts = replace(
        facts,
        totals={k: v for k, v in facts.totals.items() if k in ("total_episodes", "total_frames", "total_tasks")},
        tasks=tuple(tasks.values()),
        task_indices=tuple(tasks),
        listed={r.index: r.length for r in rows},
        first_rows={r.index: r.first for r in rows},
        slices=slices,
        statistics=cache(partial(listing.statistics, files)),
    )
    tables = columns.fetched(files, sorted({e.path for e in episodes}), columns.tables(footers))
    main = Stream(MAIN, features, tables, Clock(CLOCK), facts.fps)
    pictured = cameras.of_columns(main, info, tuple(episodes))
    return Recording(
        "lerobot-v3.0",
        files,
        facts,
        tuple(episodes),
        {MAIN: main},
        pictured | {name: cameras.of_video(files, info, name, found) for name, found in clips.items()},
        problems=tuple(problems),
    )


def _episode(
    row: Row,
    rows: int,
    span: columns.Span,
    clips: Mapping[str, Mapping[int, Clip]],
    provenance: Mapping[int, Mapping[str, object]],
) -> Episode:
    start, end = span or (None, None)
    videos = (found[row.index].path for _, found in sorted(clips.items()) if row.index in found)
    task = row.tasks[0] if row.tasks else None
    return Episode(row.index, (row.path, *videos), rows, start, end, task, provenance.get(row.index, {}))


def _placed(relative: str, footer: columns.Footer, rows: list[Row]) -> tuple[list[tuple[int, int, int]], list[Problem]]:
    """(episode, rows, offset) of the consecutive parts of a file, rows of no episode among them, and what does not fit.

    The file's first row has the number of the first episode in it; a lesser one where the column `index` says so and
    every range then still fits.
    """
    rows = sorted(rows, key=lambda r: (r.first, r.end, r.index))
    base = rows[0].first
    if footer.first_index is not None and max(r.end for r in rows) - footer.rows <= footer.first_index < base:
        base = footer.first_index
    parts: list[tuple[int, int, int]] = []
    problems: list[Problem] = []
    at = 0
    for row in rows:
        start, end = row.first - base, row.end - base
        if why := _misplaced(start, end, at, footer.rows):
            message = f"{EPISODES} gives episode {row.index} the rows {row.first} to {row.end}, {why}"
            problems.append(Problem("metadata-invalid", relative, message, row.index))
            continue
        if start > at:
            parts.append((NO_EPISODE, start - at, at))
        parts.append((row.index, end - start, start))
        at = end
    if at < footer.rows:
        parts.append((NO_EPISODE, footer.rows - at, at))
    return parts, problems


def _misplaced(start: int, end: int, at: int, rows: int) -> str:
    if end <= start:
        return "which are none"
    if start < at:
        return "of which another episode has some"
    return f"of which its file has only {max(0, rows - start)}" if end > rows else ""


def _nothing(files: Files, info: Mapping[str, Any], by_file: Mapping[str, object], problems: list[Problem]) -> None:
    if found := [p for p in problems if p.affected]:
        detail = f"no episode can be read; the first: {found[0].message}"
        raise UnreadableDataset(found[0].kind, detail, path=files.where(found[0].path))
    example = next(iter(sorted(by_file)), listing.path(info["data_path"], 0, 0))
    there = next((n for n in files.names(".parquet") if not n.startswith("meta/")), None)
    also = f"; {there} does not fit the template" if there else ""
    raise UnreadableDataset(
        "file-missing", f"data_path expects files like {example}, none is there{also}", path=files.where(INFO)
    )
