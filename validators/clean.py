"""Writes a LeRobot v2.1 dataset without some episodes, re-indexed, complete at once or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from validators.documents import parse_json, parse_jsonl
from validators.errors import UncleanableDataset
from validators.readers.lerobot.metadata import INFO, MAX_INFO, MAX_LINES, PROVENANCE
from validators.readers.lerobot.v21 import EPISODES, locate
from validators.recording import Episode, Recording

DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
STATS = "meta/episodes_stats.jsonl"
CHUNK = 1000
FROM = "selected_from_episode"


@dataclass(frozen=True)
class CleanReport:
    """What was written: `kept` maps each new index to the old one; `dropped` are old indices."""

    out: Path
    kept: Mapping[int, int]
    dropped: tuple[int, ...]
    frames: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        kept = {str(new): old for new, old in self.kept.items()}
        return {"schema": "clean-report@1", "kept": kept, "dropped": list(self.dropped), "frames": self.frames}


def clean(recording: Recording, out: Path, drop: set[int]) -> CleanReport:
    """Copies every episode but those in `drop` (indices) to the new folder `out`. Raises `UncleanableDataset`.

    Rows are copied as they are but for `episode_index` and `index`; statistics are recomputed; other metadata files are
    carried. Each line of `meta/assay_episodes.jsonl` keeps the original index as `selected_from_episode`.
    """
    kept = _kept(recording, out, drop)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        frames = _write(recording, scratch, kept)
        scratch.chmod(0o755)
        scratch.rename(out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    indices = {new: episode.index for new, episode in enumerate(kept)}
    return CleanReport(out, indices, tuple(sorted(drop)), frames)


def _kept(recording: Recording, out: Path, drop: set[int]) -> list[Episode]:
    root = recording.files.where()
    if recording.format != "lerobot-v2.1":
        raise UncleanableDataset(
            "format-unsupported", f"only LeRobot v2.1 is written, this is {recording.format}", path=root
        )
    if recording.cameras:
        cameras = ", ".join(recording.cameras)
        detail = f"has video ({cameras}); datasets with video cannot be written yet, quarantine the episodes instead"
        raise UncleanableDataset("has-video", detail, path=root)
    if out.exists():
        raise UncleanableDataset("out-exists", "already there; name a folder that is not", path=out)
    damaged = {p.episode: p for p in recording.problems if p.episode is not None}
    known = {e.index for e in recording.episodes} | damaged.keys()
    if unknown := sorted(drop - known):
        raise UncleanableDataset("episode-unknown", f"no episodes {unknown} are here to drop", path=root)
    for index in damaged.keys() - drop:
        problem = damaged[index]
        raise UncleanableDataset(
            "unreadable", f"{problem.path}: {problem.message}; drop episode {index} too", path=root
        )
    kept = [e for e in recording.episodes if e.index not in drop]
    if not kept:
        raise UncleanableDataset("nothing-left", "every episode would be dropped", path=root)
    return kept


def _write(recording: Recording, scratch: Path, kept: list[Episode]) -> int:
    (scratch / "meta").mkdir()
    stats, total = [], 0
    for new, episode in enumerate(kept):
        table = pq.ParquetFile(recording.files.local(episode.path)).read()
        table = _set(table, "episode_index", np.full(episode.length, new))
        table = _set(table, "index", np.arange(total, total + episode.length))
        target = scratch / locate(DATA, new, CHUNK)
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, target)
        stats.append({"episode_index": new, "stats": _stats(recording, table, episode)})
        total += episode.length
    _metadata(recording, scratch, kept, total)
    _lines(scratch / STATS, stats)
    return total


def _set(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    """The table with that column's values replaced, its type kept; a table without it stays so."""
    position = table.schema.get_field_index(name)
    if position < 0:
        return table
    field = table.schema.field(position)
    return table.set_column(position, field, pa.array(values).cast(field.type))


def _metadata(recording: Recording, scratch: Path, kept: list[Episode], total: int) -> None:
    files, number = recording.files, len(kept)
    info = parse_json(files.text(INFO, MAX_INFO))
    chunks = (number - 1) // CHUNK + 1
    info |= {"total_episodes": number, "total_frames": total, "total_videos": 0, "total_chunks": chunks}
    info |= {"chunks_size": CHUNK, "data_path": DATA, "splits": {"train": f"0:{number}"}}
    (scratch / INFO).write_text(json.dumps(info, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    listed = {line["episode_index"]: line for _, line in parse_jsonl(files.text(EPISODES, MAX_LINES))}
    _lines(
        scratch / EPISODES,
        ({**listed.get(e.index, {"tasks": []}), "episode_index": i, "length": e.length} for i, e in enumerate(kept)),
    )
    _lines(
        scratch / PROVENANCE,
        ({**e.provenance, FROM: e.index, "episode_index": i} for i, e in enumerate(kept)),
    )
    replaced = {Path(name).name for name in (INFO, EPISODES, PROVENANCE, STATS)}
    for other in (n for n in files.names() if n.startswith("meta/") and n.removeprefix("meta/") not in replaced):
        (scratch / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.local(other), scratch / other)


def _lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def _stats(recording: Recording, table: pa.Table, episode: Episode) -> dict[str, dict[str, list[float]]]:
    """LeRobot's statistics of an episode: min, max, mean, std of each channel, and the count of rows."""
    frame = pl.DataFrame(table).lazy()
    found = {}
    for feature in (f for f in recording.features.values() if f.width):
        assert recording.main is not None
        columns = [e.alias(n) for n, e in recording.main.unpacked(feature).items()]
        values = frame.select(columns).collect().cast(pl.Float64).fill_null(np.nan).to_numpy()
        if not np.isfinite(values).all():
            detail = f"{feature.name} of episode {episode.index} holds NaN, null or infinity; drop it too"
            raise UncleanableDataset("not-finite", detail, path=recording.files.where(episode.path))
        numbers = {"min": values.min(axis=0), "max": values.max(axis=0), "mean": values.mean(axis=0)}
        numbers["std"] = values.std(axis=0)
        found[feature.name] = {k: v.tolist() for k, v in numbers.items()} | {"count": [len(values)]}
    return found
