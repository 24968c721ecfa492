"""Actions: commands that leap, in all channels together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.expectations.expectation import ACTION, Expectation, Needs, Subject
from validators.expectations.signal.scale import Channel, finite, judged, sample, scales
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, greatest, since_previous
from validators.values import Values


@dataclass(frozen=True)
class ExpectActionStepsBelow(Expectation):
    """Action jumps: the mean over channels of z = |Δ - m| / max(s, 0.2 % of the range) is at most `z` at every row.

    m and s: mean and standard deviation of Δaction without its outer 1 % over the recording. Hands, grippers and
    discrete channels are exempt. Unit: standard deviations. Default: 8. Source: a convention of data set linters; s is
    trimmed, so that jumps do not widen it. Resolves: a jump of 8 s in all channels at once, or 8 s · channels in one.
    Known false alarms: scripted set-points; the first step after a reset inside an episode.
    """

    type: ClassVar[str] = "expect_action_steps_below"
    check: ClassVar[str] = "action_jump"
    column: str = ACTION
    z: float = 8.0

    def __post_init__(self) -> None:
        if not 1 < self.z <= 1e6:
            raise ValueError("z must be above 1")

    def needs(self, subject: Subject) -> Needs:
        subject.feature(self.column)
        steps = [since_previous(c.lift) for c in judged(subject, self.column)]
        return Needs(tuple(greatest(Lift(f"|{s.name}|", s.column.abs(), (s,))) for s in steps))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        over = judged(subject, self.column)
        scale = scales(values, over)
        kept = [c for c in over if c.label in scale and not c.grips and not scale[c.label].discrete]
        if not kept or subject.stream.rows < 8:
            raise NotEvaluable(f"no channel of {self.column} moves continuously")
        steps = sample(values, over)
        typical = {
            c.label: _trimmed(finite(steps[since_previous(c.lift).name]), 0.002 * scale[c.label].own) for c in kept
        }
        highest = np.zeros(len(subject.recording.episodes))
        for c in kept:
            step = since_previous(c.lift)
            m, s = typical[c.label]
            top = values[greatest(Lift(f"|{step.name}|", step.column.abs(), (step,)))]
            with np.errstate(over="ignore"):  # infinite is far, too
                highest += np.nan_to_num((top + abs(m)) / s, posinf=np.inf) / len(kept)  # no row is above this
        failing = np.flatnonzero(highest > self.z).tolist()
        rows = values.rows(failing, [since_previous(c.lift) for c in kept]) if failing else {}
        findings = [f for i, frame in rows.items() for f in self._finding(subject, i, frame, kept, typical)]
        return Judgement(tuple(findings), f"{len(kept)} of {len(over)} channels judged")

    def _finding(
        self,
        subject: Subject,
        position: int,
        frame: pl.DataFrame,
        kept: Sequence[Channel],
        typical: Mapping[str, tuple[float, float]],
    ) -> list[Finding]:
        steps = frame.select(since_previous(c.lift).name for c in kept).to_numpy().astype(np.float64)
        m, s = np.array([typical[c.label] for c in kept]).T
        with np.errstate(over="ignore"):
            z = np.abs(np.nan_to_num(steps) - m) / s
        mean = z.mean(axis=1)
        mean[0] = 0.0
        at = np.flatnonzero(mean > self.z)
        if not at.size:
            return []
        worst = int(at[np.argmax(mean[at])])
        time = frame["t"] if "t" in frame.columns else None
        most = kept[int(np.argmax(z[worst]))].label
        return [
            Finding(
                self.check,
                self.column,
                f"{at.size} steps are far from the others: mean z {mean[worst]:.1f}, most in {most}",
                episode=subject.recording.episodes[position].index,
                start_s=None if time is None else float(time[worst - 1]),
                end_s=None if time is None else float(time[worst]),
                value=float(mean[worst]),
                limit=self.z,
                unit="standard deviations",
                resolves=f"{self.z:g} standard deviations in all channels",
            )
        ]


def _trimmed(step: NDArray[np.float64], floor: float) -> tuple[float, float]:
    """Mean and standard deviation of what lies between the 0.5th and 99.5th percentile."""
    low, high = np.quantile(step, [0.005, 0.995])
    inner = step[(step >= low) & (step <= high)]
    return float(inner.mean()), max(float(inner.std()), floor, 1e-300)
