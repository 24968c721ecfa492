"""The statistics that a LeRobot dataset declares, read when a check asks: of episodes (v2.1, v3.0), of all (others)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from validators.files import Files
from validators.readers.lerobot import metadata
from validators.readers.lerobot.metadata import STATS
from validators.statistics.channels import Channels, Declared, Statistics

LINES = "meta/episodes_stats.jsonl"


def of_lines(files: Files) -> Declared:
    """Of a v2 dataset. Raises `UnreadableDataset` where a file cannot be understood."""
    episodes, skipped = {}, set[str]()
    for number, line in metadata.lines(files, LINES) if files.exists(LINES) else ():
        index, stats = line.get("episode_index"), line.get("stats")
        if not metadata.count(index) or index in episodes or not isinstance(stats, dict):
            detail = f"line {number}: episode_index is missing or occurs twice, or stats is no object"
            raise metadata.invalid(files.where(LINES), detail)
        episodes[index] = _statistics(files, LINES, stats, skipped)
    whole = _whole(files, skipped)
    return Declared(whole, episodes, tuple(sorted(skipped)))


def of_rows(files: Files, rows: Iterator[Mapping[str, Any]]) -> Declared:
    """Of a v3.0 dataset; a row has `episode_index` and columns `stats/FEATURE/STATISTIC`."""
    episodes, skipped = {}, set[str]()
    for row in rows:
        stats: dict[str, dict[str, object]] = {}
        for column, value in row.items():
            feature, _, name = column.removeprefix("stats/").rpartition("/")
            if column.startswith("stats/") and feature and value is not None:
                stats.setdefault(feature, {})[name] = value
        episodes[row["episode_index"]] = _statistics(files, "meta/episodes", stats, skipped)
    return Declared(_whole(files, skipped), episodes, tuple(sorted(skipped)))


def _whole(files: Files, skipped: set[str]) -> Statistics:
    return _statistics(files, STATS, metadata.document(files, STATS), skipped) if files.exists(STATS) else {}


def _statistics(files: Files, relative: str, stats: Mapping[str, Any], skipped: set[str]) -> Statistics:
    found: dict[str, dict[str, Channels]] = {}
    for feature, named in stats.items():
        if not isinstance(named, dict):
            raise metadata.invalid(files.where(relative), f"statistics of {feature!r} are no object")
        for name, value in named.items():
            channels = _channels(value)
            if channels is None:
                skipped.add(feature)
            else:
                found.setdefault(feature, {})[name] = channels
    return {f: named for f, named in found.items() if f not in skipped}


def _channels(value: object) -> Channels | None:
    """The numbers of a list, or one number; None for anything else."""
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if numbers.ndim == 1 and numbers.size <= metadata.MAX_WIDTH else None
