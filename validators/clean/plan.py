"""What of a dataset stays and under which numbers, decided and refused before anything is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from validators.documents import parse_json
from validators.errors import UncleanableDataset
from validators.expectations.expectation import Progress
from validators.findings import Finding
from validators.readers.columns import READ_ERRORS
from validators.readers.lerobot import metadata
from validators.readers.lerobot.metadata import INFO, MAX_INFO, PROVENANCE
from validators.recording import Episode, Recording
from validators.stream import Feature

FORMATS = ("lerobot-v2.0", "lerobot-v2.1", "lerobot-v3.0")
FROM = "selected_from_episode"
RECORD = "meta/assay_clean.json"
TASK = "task_index"


@dataclass(frozen=True)
class Video:
    """A video that was written: `how` is copied, cut (between keyframes, pictures untouched) or encoded (again)."""

    path: str
    source: str
    how: str

    def to_dict(self) -> dict[str, str]:
        """JSON-able."""
        return asdict(self)


@dataclass
class Plan:
    """The kept episodes in order, an episode's place being its new index; `tasks` maps task indices, old to new."""

    recording: Recording
    info: dict[str, Any]
    kept: tuple[Episode, ...]
    dropped: tuple[int, ...]
    tasks: Mapping[int, int]
    splits: Mapping[str, str]
    why: Sequence[Finding] = ()
    progress: Progress | None = None
    replaced: set[str] = field(default_factory=lambda: {INFO, PROVENANCE, RECORD})  # metadata that is made anew

    def step(self, what: str, done: int, of: int) -> None:
        """Tell who waits."""
        if self.progress:
            self.progress(what, done, of)

    def file(self, scratch: Path, relative: str) -> Path:
        """Where a file of the new dataset goes; its folder is made."""
        target = scratch / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def write_info(self, scratch: Path, changed: Mapping[str, Any]) -> None:
        """`meta/info.json` with its counts as they are now."""
        totals = {"total_episodes": len(self.kept), "total_tasks": len(self.tasks), **changed}
        info = self.info | {k: v for k, v in totals.items() if k != "total_tasks" or self.tasks}
        info |= {"splits": dict(self.splits)}
        text = json.dumps(info, indent=4, ensure_ascii=False) + "\n"
        self.file(scratch, INFO).write_text(text, encoding="utf-8")

    def carry(self, scratch: Path, videos: Sequence[Video]) -> None:
        """Provenance, the record of the cleaning, and every other metadata file as it is."""
        kept = enumerate(self.kept)
        write_lines(
            self.file(scratch, PROVENANCE), ({**e.provenance, FROM: e.index, "episode_index": i} for i, e in kept)
        )
        record = json.dumps(self._record(videos), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.file(scratch, RECORD).write_text(record, encoding="utf-8")
        files = self.recording.files
        for other in files.names():
            if other.startswith("meta/") and not any(other == r or other.startswith(f"{r}/") for r in self.replaced):
                shutil.copyfile(files.local(other), self.file(scratch, other))

    def _record(self, videos: Sequence[Video]) -> dict[str, Any]:
        files = self.recording.files
        found: dict[str, Any] = {
            "schema": "assay-clean@1",
            "assay": version("assay-catalog"),
            "source": files.name,
            "episodes": len(self.kept),
            "dropped": [
                {"episode": i, "findings": [_said(f) for f in self.why if i in f.affected]} for i in self.dropped
            ],
            "videos": [v.to_dict() for v in videos],
        }
        if files.exists(RECORD):
            found["before"] = parse_json(files.text(RECORD, MAX_INFO))
        return found


@contextmanager
def reading(recording: Recording, relative: str) -> Iterator[None]:
    """Raises `UncleanableDataset` where a file's pages cannot be read; a disk that is full is another error."""
    try:
        yield
    except READ_ERRORS as error:
        if isinstance(error, OSError) and error.errno:
            raise
        reason = " ".join(str(error).split())[:200]
        detail = f"its data pages cannot be read ({reason}); copy it again, or drop its episodes too"
        raise UncleanableDataset("unreadable", detail, path=recording.files.where(relative)) from error


def _said(finding: Finding) -> dict[str, Any]:
    names = ("check", "severity", "stream", "message", "start_s", "end_s", "value", "limit", "unit")
    return {k: v for k, v in finding.to_dict().items() if k in names and v not in (None, "")}


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def plan(recording: Recording, out: Path, drop: Set[int], why: Sequence[Finding], progress: Progress | None) -> Plan:
    """What will be written. Raises `UncleanableDataset` where that is no valid dataset."""
    root = recording.files.where()
    if recording.format not in FORMATS:
        detail = f"LeRobot v2.0, v2.1 and v3.0 are written, this is {recording.format}"
        raise UncleanableDataset("format-unsupported", detail, path=root)
    if out.exists() or out.is_symlink():
        raise UncleanableDataset("out-exists", "already there; name a folder that is not", path=out)
    damaged = {i: p for p in recording.problems for i in p.affected}
    known = {e.index for e in recording.episodes} | damaged.keys()
    if unknown := sorted(drop - known):
        raise UncleanableDataset("episode-unknown", f"no episodes {unknown} are here to drop", path=root)
    for index in sorted(damaged.keys() - drop):
        problem = damaged[index]
        detail = f"{problem.path}: {problem.message}; drop episode {index} too"
        raise UncleanableDataset("unreadable", detail, path=root)
    kept = tuple(e for e in recording.episodes if e.index not in drop)
    if not kept:
        raise UncleanableDataset("nothing-left", "every episode would be dropped", path=root)
    for name, camera in recording.cameras.items():
        if without := [e.index for e in kept if e.index not in camera.episodes]:
            detail = f"{len(without)} episodes have no video of {name}: {without[:8]}; drop them too"
            raise UncleanableDataset("video-missing", detail, path=root)
    info = metadata.document(recording.files, INFO)
    splits = _splits(recording, info, kept)
    return Plan(recording, info, kept, tuple(sorted(drop)), _tasks(recording, kept), splits, why, progress)


def _tasks(recording: Recording, kept: Sequence[Episode]) -> dict[int, int]:
    """Old index → new of the tasks that are still used; all stay where other columns may name them by number."""
    known = recording.facts.task_indices
    if not known or any(name.startswith("annotation.") for name in recording.features):
        return {i: i for i in known}
    used = {recording.facts.tasks.index(e.task) for e in kept if e.task in recording.facts.tasks}
    numbers = {known[i] for i in used}
    if recording.main is not None and TASK in recording.main.columns:
        position = {e.index: i for i, e in enumerate(recording.episodes)}
        frame = recording.main.frames([position[e.index] for e in kept])
        (column,) = recording.main.unpacked(Feature(TASK, "int64")).values()
        with reading(recording, kept[0].path):
            found = frame.select(column.cast(pl.Int64, strict=False)).unique().collect().to_series()
        numbers |= {-1 if n is None else int(n) for n in found}
    if lost := sorted(numbers - set(known)):
        detail = f"rows name the tasks {lost[:8]}, which are not listed; drop their episodes too"
        raise UncleanableDataset("unreadable", detail, path=recording.files.where())
    return {old: new for new, old in enumerate(sorted(numbers))}


def _splits(recording: Recording, info: Mapping[str, Any], kept: Sequence[Episode]) -> dict[str, str]:
    """The splits over the new numbers; empty ones go."""
    named = info.get("splits") or {"train": f"0:{max(e.index for e in kept) + 1}"}
    declared = metadata.splits({"splits": named})
    if not isinstance(named, dict) or len(declared) != len(named):
        detail = f"splits are {named!r}; ranges of episodes such as 0:50 can be kept"
        raise UncleanableDataset("format-unsupported", detail, path=recording.files.where(INFO))
    found = {}
    for name, (first, end) in declared.items():
        inside = [new for new, e in enumerate(kept) if first <= e.index < end]
        if inside:
            found[name] = f"{inside[0]}:{inside[-1] + 1}"
    return found
