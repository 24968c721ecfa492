"""A LeRobot v2.1 or v2.0 dataset without some episodes: a file an episode, so files are copied under new numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from validators.clean import rows
from validators.clean.plan import Plan, Video, reading, write_lines
from validators.pictures.camera import VideoCamera
from validators.readers.lerobot import metadata
from validators.readers.lerobot.declared import LINES
from validators.readers.lerobot.metadata import STATS
from validators.readers.lerobot.v21 import EPISODES, TASKS, listed_episodes, locate


def write(plan: Plan, scratch: Path) -> tuple[int, list[Video]]:
    """Rows, videos and lists; how many rows, and what became of each video."""
    recording, chunk = plan.recording, plan.info.get("chunks_size") or 1000
    carried = _statistics(plan)
    written: list[Path] = []
    stats: list[dict[str, Any]] = []
    total = 0
    for new, episode in enumerate(plan.kept):
        plan.step("writing rows", new, len(plan.kept))
        source = recording.files.local(episode.path)
        with reading(recording, episode.path), pq.ParquetFile(source) as file:
            table = rows.renumbered(file.read(), new, total, plan.tasks)
        written.append(plan.file(scratch, locate(plan.info["data_path"], new, chunk)))
        pq.write_table(table, written[-1])
        own = rows.of_episode(recording, episode.index, episode.path, [table], quantiles=False)
        stats.append({**carried.get(episode.index, {}), **{f: rows.listed(s) for f, s in own.items()}})
        total += episode.length
    videos = _videos(plan, scratch, chunk)
    if recording.files.exists(LINES) or recording.format == "lerobot-v2.1":
        numbered = ({"episode_index": i, "stats": s} for i, s in enumerate(stats))
        write_lines(plan.file(scratch, LINES), numbered)
    if recording.files.exists(STATS) or recording.format == "lerobot-v2.0":
        whole = {f: rows.listed(s) for f, s in rows.of_files(recording, written).items()}
        rest = {f for f in stats[0] if f not in whole and all(f in s for s in stats)}
        whole |= {f: rows.pooled([s[f] for s in stats]) for f in sorted(rest)}
        plan.file(scratch, STATS).write_text(json.dumps(whole, indent=4, allow_nan=False) + "\n", encoding="utf-8")
    _lists(plan, scratch)
    totals = {"total_frames": total, "total_videos": len(videos), "total_chunks": (len(plan.kept) - 1) // chunk + 1}
    plan.write_info(scratch, totals)
    plan.replaced |= {EPISODES, LINES, STATS} | ({TASKS} if plan.tasks else set())
    return total, videos


def _statistics(plan: Plan) -> dict[int, dict[str, Any]]:
    """Those of pictures and other features that are no vectors: they stay as they are, episode by episode."""
    files = plan.recording.files
    if not files.exists(LINES):
        return {}
    vectors = {f.name for f in plan.recording.features.values() if f.width}
    return {
        line["episode_index"]: {f: s for f, s in line["stats"].items() if f not in vectors}
        for _, line in metadata.lines(files, LINES)
        if metadata.count(line.get("episode_index")) and isinstance(line.get("stats"), dict)
    }


def _videos(plan: Plan, scratch: Path, chunk: int) -> list[Video]:
    videos: list[Video] = []
    cameras = {n: c for n, c in plan.recording.cameras.items() if isinstance(c, VideoCamera)}
    for name, camera in sorted(cameras.items()):
        for new, episode in enumerate(plan.kept):
            plan.step("copying videos", len(videos), len(cameras) * len(plan.kept))
            source, target = camera.clips[episode.index].path, locate(plan.info["video_path"], new, chunk, name)
            shutil.copyfile(plan.recording.files.local(source), plan.file(scratch, target))
            videos.append(Video(target, source, "copied"))
    return videos


def _lists(plan: Plan, scratch: Path) -> None:
    listed = listed_episodes(plan.recording.files)
    lines = (
        {**listed.get(e.index, {"tasks": []}), "episode_index": i, "length": e.length} for i, e in enumerate(plan.kept)
    )
    write_lines(plan.file(scratch, EPISODES), lines)
    if plan.tasks:
        facts = plan.recording.facts
        text = dict(zip(facts.task_indices, facts.tasks, strict=True))
        write_lines(
            plan.file(scratch, TASKS), ({"task_index": new, "task": text[old]} for old, new in plan.tasks.items())
        )
