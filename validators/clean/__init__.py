"""Writes a LeRobot dataset without some episodes, videos included, re-indexed, complete at once or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validators.clean import v21, v30
from validators.clean.plan import Video, plan
from validators.expectations.expectation import Progress
from validators.findings import Finding
from validators.recording import Recording


@dataclass(frozen=True)
class CleanReport:
    """What was written: `kept` maps each new index to the old one; `dropped` are old indices."""

    out: Path
    kept: Mapping[int, int]
    dropped: tuple[int, ...]
    frames: int
    videos: tuple[Video, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        kept = {str(new): old for new, old in self.kept.items()}
        found = {"schema": "clean-report@1", "kept": kept, "dropped": list(self.dropped), "frames": self.frames}
        return found | {"videos": [v.to_dict() for v in self.videos]}


def clean(
    recording: Recording,
    out: Path,
    drop: Set[int],
    why: Sequence[Finding] = (),
    progress: Progress | None = None,
) -> CleanReport:
    """Copies every episode but those in `drop` (indices) to the new folder `out`. Raises `UncleanableDataset`.

    Rows are copied as they are but for `episode_index`, `index` and `task_index`; statistics are recomputed; other
    metadata files are carried. Videos are copied, cut between keyframes, or where that cannot be encoded again, which
    `meta/assay_clean.json` says beside what was dropped and why. Each line of `meta/assay_episodes.jsonl` keeps the
    original index as `selected_from_episode`.
    """
    planned = plan(recording, out, drop, why, progress)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        frames, videos = (v30 if recording.format == "lerobot-v3.0" else v21).write(planned, scratch)
        planned.carry(scratch, videos)
        scratch.chmod(0o755)
        scratch.rename(out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    indices = {new: episode.index for new, episode in enumerate(planned.kept)}
    return CleanReport(out, indices, tuple(sorted(drop)), frames, tuple(videos))
