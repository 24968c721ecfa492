"""A LeRobot v3.0 dataset without some episodes: rows filtered file by file, videos cut, lists and ranges made anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from validators.clean import rows, video
from validators.clean.plan import Plan, Video, reading
from validators.pictures.camera import Clip, VideoCamera
from validators.readers.lerobot import listing
from validators.readers.lerobot.metadata import STATS
from validators.recording import Episode
from validators.statistics.channels import Channels

BATCH_BYTES = 32 << 20  # of rows that are held together, uncompressed
TABLE = f"{listing.EPISODES}/chunk-000/file-000.parquet"


def write(plan: Plan, scratch: Path) -> tuple[int, list[Video]]:
    """Rows, videos and lists; how many rows, and what became of each video."""
    columns: dict[int, dict[str, Any]] = {new: {} for new in range(len(plan.kept))}  # of the new list, by episode
    stats: dict[int, Mapping[str, Mapping[str, Channels]]] = {}
    written: list[Path] = []
    total = 0
    for chunk, file, relative, held in _files(plan):
        plan.step("writing rows", total, sum(e.length for e in plan.kept))
        written.append(plan.file(scratch, listing.path(plan.info["data_path"], chunk, file)))
        for new, episode, tables in _copied(plan, relative, held, total, written[-1]):
            stats[new] = rows.of_episode(plan.recording, episode.index, relative, tables, quantiles=True)
            place = {"data/chunk_index": chunk, "data/file_index": file, "length": episode.length}
            columns[new] |= {**place, listing.FIRST: total, listing.END: total + episode.length}
            total += episode.length
    videos = []
    for name, camera in sorted(plan.recording.cameras.items()):
        if isinstance(camera, VideoCamera):
            videos += _videos(plan, scratch, name, camera, columns)
    carried = _list(plan, scratch, columns, stats)
    whole = {f: rows.listed(s) for f, s in rows.of_files(plan.recording, written).items()} | carried
    plan.file(scratch, STATS).write_text(json.dumps(whole, indent=4, allow_nan=False) + "\n", encoding="utf-8")
    if plan.tasks:
        text = dict(zip(plan.recording.facts.task_indices, plan.recording.facts.tasks, strict=True))
        _write_tasks(plan.file(scratch, listing.TASKS), [text[old] for old in plan.tasks])
    plan.write_info(scratch, {"total_frames": total})
    plan.replaced |= {listing.EPISODES, STATS} | ({listing.TASKS} if plan.tasks else set())
    return total, videos


def _files(plan: Plan) -> Iterator[tuple[int, int, str, list[tuple[int, int, Episode]]]]:
    """(chunk, file, old path, [(offset, new index, episode)]) of each data file of which something stays."""
    main = plan.recording.main
    assert main is not None
    offsets = {p.position: p.offset for t in main.tables for p in t.parts}
    position = {e.index: i for i, e in enumerate(plan.recording.episodes)}
    held: dict[str, list[tuple[int, int, Episode]]] = {}
    for new, episode in enumerate(plan.kept):
        held.setdefault(episode.path, []).append((offsets[position[episode.index]], new, episode))
    for number, relative in enumerate(sorted(held)):
        yield *_numbered(plan, number), relative, sorted(held[relative], key=lambda h: h[0])


def _numbered(plan: Plan, number: int) -> tuple[int, int]:
    """Chunk and place in it of the n-th file."""
    return divmod(number, plan.info.get("chunks_size") or 1000)


def _copied(
    plan: Plan, relative: str, held: Sequence[tuple[int, int, Episode]], total: int, target: Path
) -> Iterator[tuple[int, Episode, list[pa.Table]]]:
    """Writes the rows that stay, in their order; (new index, episode, its rows without pictures) as each is done."""
    numbers = [f.name for f in plan.recording.features.values() if f.width]
    source = plan.recording.files.local(relative)
    with reading(plan.recording, relative), pq.ParquetFile(source) as file:
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        step = max(1, min(1 << 16, BATCH_BYTES * file.metadata.num_rows // max(1, size)))
        batches = file.iter_batches(step, use_threads=False)
        schema, waiting, at = file.schema_arrow, list(held), 0
        kept: list[pa.Table] = []
        with pq.ParquetWriter(target, schema) as writer:
            for batch in batches:
                table = pa.Table.from_batches([batch], schema=schema)
                parts: list[pa.Table] = []  # written together, so that row groups do not shrink to episodes
                while waiting and waiting[0][0] < at + len(table):
                    offset, new, episode = waiting[0]
                    done = max(0, at - offset)
                    part = table.slice(max(0, offset - at), episode.length - done)
                    part = rows.renumbered(part, new, total + done, plan.tasks)
                    parts.append(part)
                    kept.append(part.select([n for n in numbers if n in part.schema.names]))
                    if done + len(part) < episode.length:
                        break
                    yield new, episode, kept
                    kept, total = [], total + episode.length
                    waiting.pop(0)
                if parts:
                    writer.write_table(pa.concat_tables(parts))
                at += len(table)


def _videos(
    plan: Plan, scratch: Path, name: str, camera: VideoCamera, columns: Mapping[int, dict[str, Any]]
) -> list[Video]:
    """Cuts the files of one camera; its ranges go into the columns of the new list."""
    held: dict[str, list[tuple[Clip, int]]] = {}
    for new, episode in enumerate(plan.kept):
        clip = camera.clips[episode.index]
        held.setdefault(clip.path, []).append((clip, new))
    stays = {e.index for e in plan.kept}
    gone = {c.path for i, c in camera.clips.items() if i not in stays}
    fps = plan.recording.facts.fps or 1.0
    videos = []
    for number, source in enumerate(sorted(held)):
        plan.step(f"cutting videos of {name}", number, len(held))
        chunk, file = _numbered(plan, number)
        relative = listing.path(plan.info["video_path"], chunk, file, name)
        clips = sorted(held[source], key=lambda h: (h[0].start_s, h[1]))
        cut = video.cut(
            plan.recording.files.local(source),
            plan.file(scratch, relative),
            [clip for clip, _ in clips],
            fps,
            whole=source not in gone,
        )
        videos.append(Video(relative, source, cut.how))
        for (_, new), (start, end) in zip(clips, cut.ranges, strict=True):
            place = {"chunk_index": chunk, "file_index": file, "from_timestamp": start, "to_timestamp": end}
            columns[new] |= {f"videos/{name}/{k}": v for k, v in place.items()}
    return videos


def _list(
    plan: Plan,
    scratch: Path,
    columns: Mapping[int, Mapping[str, Any]],
    stats: Mapping[int, Mapping[str, Mapping[str, Channels]]],
) -> dict[str, Any]:
    """Writes `meta/episodes`; returns the statistics, over all episodes, of features that are no vectors."""
    files = plan.recording.files
    with reading(plan.recording, listing.EPISODES):
        lists = [pq.ParquetFile(files.local(n)).read() for n in listing.tables(files)]
        old = pa.concat_tables(lists, promote_options="permissive")
    place = {index: row for row, index in enumerate(old.column("episode_index").to_pylist())}
    table = old.take([place[e.index] for e in plan.kept])
    number = len(plan.kept)
    made: dict[str, list[Any]] = {name: [columns[i][name] for i in range(number)] for name in columns[0]}
    made["episode_index"] = list(range(number))
    made |= {f"meta/episodes/{k}": [0] * number for k in ("chunk_index", "file_index")}
    for feature, named in stats[0].items():
        for name in named:
            made[f"stats/{feature}/{name}"] = [rows.listed(stats[i][feature])[name] for i in range(number)]
    for name, values in made.items():
        position = table.schema.get_field_index(name)
        array = pa.array(values)
        table = table.append_column(name, array) if position < 0 else table.set_column(position, name, array)
    pq.write_table(table, plan.file(scratch, TABLE))
    return _carried(table, set(stats[0]))


def _carried(table: pa.Table, done: set[str]) -> dict[str, Any]:
    parts: dict[str, dict[str, list[Any]]] = {}
    for column in table.schema.names:
        feature, _, name = column.removeprefix("stats/").rpartition("/")
        if column.startswith("stats/") and feature not in done and table.column(column).null_count == 0:
            parts.setdefault(feature, {})[name] = table.column(column).to_pylist()
    whole = {f: named for f, named in parts.items() if {"min", "max", "mean", "std", "count"} <= named.keys()}
    return {
        f: rows.pooled([{k: v[i] for k, v in named.items()} for i in range(len(table))]) for f, named in whole.items()
    }


def _write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """As pandas writes a table whose index, called task, is the text: LeRobot reads it so."""
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            _column("task_index", "int64", "int64"),
            _column("task", "unicode", "object"),
        ],
        "pandas_version": "2.0.0",
    }
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _column(name: str, kind: str, numpy: str) -> dict[str, Any]:
    return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
