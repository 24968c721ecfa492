"""Overlap: does an episode occur twice, or in what is set aside for evaluation? Known by fingerprint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.fingerprint import STEP, fingerprints
from validators.metrics import Lift, Metric, channels, greatest, least
from validators.values import Values

MAX_BYTES = 256 << 20
_MARK = re.compile(r"sha256:[0-9a-f]{64}")
_RESOLVES = "identical rows (to 1e-4); a trimmed or resampled copy is not claimed"


@dataclass(frozen=True)
class ExpectNoKnownOverlap(Expectation):
    """Overlap: no episode's fingerprint occurs twice in the recording, and none is in the file `against`.

    `against` is a text with fingerprints (`sha256:…`), one or more a line, such as those of an evaluation set. Two
    splits of one recording that share an episode are said as such. Fingerprints are computed of episodes that agree in
    length and in the extremes of every channel, and with `against` of all. Unit: episodes. Default: none twice.
    Source: fingerprint@1, docs/checks.md. Resolves: identical rows, to 1e-4; a trimmed or resampled copy is not
    claimed. Known false alarms: episodes in which nothing moves at all.
    """

    type: ClassVar[str] = "expect_no_known_overlap"
    check: ClassVar[str] = "overlap"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    against: str | None = None

    def __post_init__(self) -> None:
        if self.against is not None and not Path(self.against).is_file():
            raise ValueError(f"against: no file {self.against!r}")

    def _lifts(self, subject: Subject) -> tuple[Lift, ...]:
        features = [subject.stream.features.get(name) for name in (STATE, ACTION)]
        lifts = tuple(lift for f in features if f and f.width for lift in channels(subject.stream, f))
        if not lifts:
            raise NotEvaluable("without state and action an episode has no fingerprint")
        return lifts

    def _extremes(self, subject: Subject) -> list[Metric]:
        return [metric(lift) for lift in self._lifts(subject) for metric in (least, greatest)]

    def needs(self, subject: Subject) -> Needs:
        return Needs(tuple(self._extremes(subject)))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        known = self._known()
        positions = range(len(subject.recording.episodes)) if known else self._alike(subject, values)
        marks = fingerprints(subject.recording, positions)
        findings = [*self._twice(subject, marks), *self._against(marks, known)]
        note = f"{len(known)} fingerprints in {Path(self.against).name}" if self.against else ""
        return Judgement(tuple(findings), note)

    def _known(self) -> frozenset[str]:
        if self.against is None:
            return frozenset()
        path = Path(self.against)
        if path.stat().st_size > MAX_BYTES:
            raise NotEvaluable(f"{path.name} is larger than {MAX_BYTES} bytes")
        known = frozenset(_MARK.findall(path.read_text(encoding="utf-8", errors="replace")))
        if not known:
            raise NotEvaluable(f"{path.name} holds no fingerprint (sha256:…)")
        return known

    def _alike(self, subject: Subject, values: Values) -> list[int]:
        """Positions of episodes that agree with another in length and extremes: rounding keeps the order of values."""
        extremes = np.stack([values[m] for m in self._extremes(subject)], axis=1).astype(np.float32)
        with np.errstate(over="ignore"):  # what overflows is alike by being infinite
            steps = np.round(np.nan_to_num(extremes.astype(np.float64)) / STEP)
        seen: dict[bytes, list[int]] = {}
        for position, episode in enumerate(subject.recording.episodes):
            seen.setdefault(np.append(steps[position], episode.length).tobytes(), []).append(position)
        return sorted(p for positions in seen.values() if len(positions) > 1 for p in positions)

    def _twice(self, subject: Subject, marks: Mapping[int, str]) -> Iterator[Finding]:
        same: dict[str, list[int]] = {}
        for index, mark in marks.items():
            same.setdefault(mark, []).append(index)
        for indices in (tuple(sorted(i)) for i in same.values() if len(i) > 1):
            splits = {name for i in indices for name, (a, b) in subject.recording.facts.splits.items() if a <= i < b}
            shared = f", shared by the splits {', '.join(sorted(splits))}" if len(splits) > 1 else ""
            message = f"{len(indices)} episodes have the same rows: {', '.join(map(str, indices[:8]))}{shared}"
            yield self._finding(message, indices, float(len(indices)), 1.0)

    def _against(self, marks: Mapping[int, str], known: frozenset[str]) -> Iterator[Finding]:
        if found := tuple(sorted(i for i, mark in marks.items() if mark in known)):
            message = f"{len(found)} episodes are among the fingerprints of {Path(self.against or '').name}"
            yield self._finding(message, found, float(len(found)), 0.0)

    def _finding(self, message: str, episodes: tuple[int, ...], value: float, limit: float) -> Finding:
        return Finding(
            self.check, "", message, episodes=episodes, value=value, limit=limit, unit="episodes", resolves=_RESOLVES
        )
