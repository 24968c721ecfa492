"""Markers: how far from forward kinematics does an outside tracker see the robot?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from validators.expectations.expectation import STATE, Subject
from validators.expectations.robot.tracked import (
    Tracked,
    joint_values,
    on_the_way,
    rig_rows,
    tracked_robot,
    tracked_site,
)
from validators.expectations.robot.units import said
from validators.findings import Finding, Judgement
from validators.robot.kinematics import Array
from validators.values import Values


def residual(seen: Array, position: Array) -> tuple[float, Array]:
    """RMS of seen - position about its mean, m, and that mean [3], m: the tracker's own offset is no residual."""
    apart = seen - position
    offset = apart.mean(axis=0)
    return float(np.sqrt(((apart - offset) ** 2).sum(axis=1).mean())), offset


@dataclass(frozen=True)
class ExpectMarkerResidualBelow(Tracked):
    """Marker residual: RMS of |seen - b - FK(q)| over an even sample of rows, at most `limit_mm`.

    b is the tracker's own constant offset (the mean), one a rig (`rig` in the episodes' provenance; without it, one an
    episode). It says that the model, the joints and the tracker agree, not which is wrong: joint zero tells one cause.
    Unit: mm. Default: 20. Source: kinematic calibration by markers; q from observation.state, the point and its column
    from the robot record's `tracker`, m in the frame of the robot's base.
    Resolves: what moves the point by the limit beside the tracker's noise n, √(limit² - n²); a constant offset of the
    tracker is not seen. Known false alarms: arms that bend under load; a tracker and joints that are not synchronised.
    """

    type: ClassVar[str] = "expect_marker_residual_below"
    check: ClassVar[str] = "marker_residual"
    limit_mm: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.limit_mm <= 1000:
            raise ValueError("limit_mm must be above 0 and at most 1000")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        robot, found = tracked_robot(subject), on_the_way(subject, values)
        findings, observed = [], {}
        for name, positions, rows in rig_rows(subject, values, found):
            position, _ = robot.tree.forward(tracked_site(subject), joint_values(found, rows), len(rows))
            rms, offset = residual(rows[:, 1:4], position)
            observed[name] = rms * 1e3
            if rms * 1e3 > self.limit_mm:
                findings.append(self._finding(subject, name, positions, rms * 1e3, offset * 1e3))
        note = f"largest residual {max(observed.values()):.1f} mm, {len(observed)} groups; units: {said(found)}"
        return Judgement(tuple(findings), note, {"largest_mm": max(observed.values())})

    def _finding(self, subject: Subject, name: str, positions: list[int], rms: float, offset: Array) -> Finding:
        episodes = tuple(subject.recording.episodes[i].index for i in positions)
        by = ", ".join(f"{x:+.0f}" for x in offset)
        return Finding(
            self.check,
            STATE,
            f"{name}: the tracker sees the arm {rms:.1f} mm (RMS) from where its joints put it, beside ({by}) mm",
            episode=episodes[0] if len(episodes) == 1 else None,
            episodes=episodes if len(episodes) > 1 else (),
            value=rms,
            limit=self.limit_mm,
            unit="mm",
            resolves=f"what moves the point by {self.limit_mm:g} mm",
        )
