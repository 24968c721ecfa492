"""Joint zero: by how much is each encoder off, so that the arm stands where an outside tracker saw it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from validators.expectations.expectation import STATE, Subject
from validators.expectations.robot.tracked import (
    Tracked,
    joint_values,
    on_the_way,
    rig_rows,
    tracked_robot,
    tracked_site,
)
from validators.expectations.robot.units import Mapped, said
from validators.findings import Finding, Judgement
from validators.robot.kinematics import Array, Site, Tree
from validators.values import Values

FALSE_ALARMS, FOUND = 0.01, 0.95
STEPS = 6
CLUSTERS = 8  # of an episode's rows, when episodes are too few to be the clusters


@dataclass(frozen=True)
class Fit:
    """Joint-zero offsets of one group: δ and its standard error, rad, for each joint; residual RMS, m.

    `alarm` and `miss`: how many standard errors 1 % false alarms (two sides) and 95 % found take, by Student's t over
    the clusters.
    """

    offset: Array
    error: Array
    residual: float
    rows: int
    alarm: float
    miss: float


def fit(
    tree: Tree,
    site: Site,
    hinges: Mapping[str, Array],
    slides: Mapping[str, Array],
    seen: Array,
    cluster: NDArray[np.int64],
) -> Fit:
    """Least squares of δ and b in |seen - b - FK(q + δ)|² by Gauss-Newton; the error is robust to correlated rows.

    `hinges`: joint → q [rows], rad, each with a δ; `slides`: joint → [rows], m, taken as they are; `seen` [rows, 3], m;
    `cluster` [rows]: rows of one cluster may be correlated. A joint that the tracked point does not show gets the error
    infinity.
    """
    rows, names = len(seen), list(hinges)
    unknown = np.zeros(len(names) + 3)  # δ, rad, then b, m
    for _ in range(STEPS):
        turned = {n: hinges[n] + d for n, d in zip(names, unknown, strict=False)}
        position, slopes = tree.forward(site, {**slides, **turned}, rows)
        moved = np.stack([slopes[n] for n in names], axis=2)  # [rows, 3, joints], m per rad
        slope = np.concatenate([moved, np.broadcast_to(np.eye(3), (rows, 3, 3))], axis=2)
        residual = seen - unknown[-3:] - position
        normal = np.einsum("rij,rik->jk", slope, slope)
        shown, inverse = _inverse(normal, rows)
        step = inverse @ np.einsum("rij,ri->j", slope, residual)
        unknown = unknown + step
        if np.abs(step).max() < 1e-10:
            break
    score = np.einsum("rij,ri->rj", slope, residual)
    groups = np.unique(cluster, return_inverse=True)[1]
    summed = np.zeros((int(groups.max()) + 1, len(unknown)))
    np.add.at(summed, groups, score)
    number = len(summed)
    covariance = inverse @ (summed.T @ summed) @ inverse * number / max(1, number - 1)
    error = np.where(shown, np.sqrt(np.maximum(0, np.diag(covariance))), np.inf)
    joint = slice(len(names))
    return Fit(
        unknown[joint], error[joint], float(np.sqrt(np.mean(np.sum(residual**2, axis=1)))), rows, *_quantiles(number)
    )


def _quantiles(clusters: int) -> tuple[float, float]:
    from scipy.special import stdtrit  # a third of a second to import, and few recordings come here

    freedom = max(1, clusters - 1)
    return float(stdtrit(freedom, 1 - FALSE_ALARMS / 2)), float(stdtrit(freedom, FOUND))


def _inverse(normal: Array, rows: int) -> tuple[NDArray[np.bool_], Array]:
    """Pseudo-inverse, and which joints lie outside its null space: a point on an axis does not show that joint."""
    values, vectors = np.linalg.eigh(normal)
    kept = values > rows * 1e-6  # less than 1 mm of motion per rad is nothing a tracker shows
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    shown = (vectors[:, ~kept] ** 2).sum(axis=1) < 1e-6
    return shown, inverse


@dataclass(frozen=True)
class ExpectJointZeroBelow(Tracked):
    """Joint zero: the offsets δ for which |seen - b - FK(q + δ)|² over rows is least, seen by an outside tracker.

    b is the tracker's own constant offset (its registration), fitted along so that it is not blamed on a joint.
    One fit a rig (`rig` in the episodes' provenance; without it, one an episode) over an even sample of rows. Found
    when |δ| is above limit_deg and above t(0.995) standard errors s (1 % false alarms); s is robust to correlated
    rows (clusters: episodes; t has one degree of freedom fewer). Unit: degrees. Default: 1.0, because s knows of noise
    only: backlash (± 0.5° in servo arms) and link tolerances look like offsets of that size. Source: kinematic
    calibration by markers; q from observation.state, the point and its column from the robot record's `tracker`, m in
    the frame of the robot's base.
    Resolves: max(limit, t(0.995) s) + t(0.95) s, the least offset found in 95 % of cases.
    Known false alarms: a tracker whose frame is turned looks like an offset of the first joint; wrong link lengths.
    Smaller offsets than it resolves pass: that is said, not proven absent.
    """

    type: ClassVar[str] = "expect_joint_zero_below"
    check: ClassVar[str] = "joint_zero"
    limit_deg: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.limit_deg <= 90:
            raise ValueError("limit_deg must be above 0 and at most 90")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        robot = tracked_robot(subject)
        found = on_the_way(subject, values)
        findings, resolved, largest = [], [], 0.0
        for name, positions, rows in rig_rows(subject, values, found):
            result = self._fit(robot.tree, tracked_site(subject), found, rows)
            resolved.append(self._resolves(result))
            seen = np.abs(result.offset[np.isfinite(result.error)])
            largest = max(largest, float(np.rad2deg(seen).max(initial=0.0)))
            findings += self._findings(subject, name, positions, found, result)
        shown = np.array(resolved)
        blind = [
            m.label for m, column in zip(self._hinges(found), shown.T, strict=True) if not np.isfinite(column).all()
        ]
        note = f"largest offset {largest:.2f}°; resolves {_range(shown)}° at 95 %, {len(resolved)} groups"
        note += f"; units: {said(found)}" + (f"; not shown by the tracked point: {', '.join(blind)}" if blind else "")
        return Judgement(tuple(findings), note, {"largest_deg": largest})

    def _hinges(self, found: list[Mapped]) -> list[Mapped]:
        return [m for m in found if m.joint.motion == "hinge"]

    def _fit(self, tree: Tree, site: Site, found: list[Mapped], rows: Array) -> Fit:
        episodes = rows[:, 0].astype(np.int64)
        cluster = episodes
        if np.unique(episodes).size < CLUSTERS:
            cluster = np.arange(len(rows)) * CLUSTERS // len(rows)
        joints = joint_values(found, rows)
        hinges = {m.joint.name: joints[m.joint.name] for m in self._hinges(found)}
        slides = {k: v for k, v in joints.items() if k not in hinges}
        return fit(tree, site, hinges, slides, rows[:, 1:4], cluster)

    def _resolves(self, result: Fit) -> Array:
        """Least offset found in 95 % of cases, degrees, for each hinge."""
        error = np.rad2deg(result.error)
        least: Array = np.maximum(self.limit_deg, result.alarm * error) + result.miss * error
        return least

    def _findings(
        self, subject: Subject, name: str, positions: list[int], found: list[Mapped], result: Fit
    ) -> list[Finding]:
        resolves, error, offset = self._resolves(result), np.rad2deg(result.error), np.rad2deg(result.offset)
        episodes = tuple(subject.recording.episodes[i].index for i in positions)
        return [
            Finding(
                self.check,
                f"{STATE}.{m.label}",
                f"{name}: {m.joint.name} reads {-offset[i]:+.2f} ± {error[i]:.2f}° off, {len(episodes)} episodes",
                episode=episodes[0] if len(episodes) == 1 else None,
                episodes=episodes if len(episodes) > 1 else (),
                value=float(abs(offset[i])),
                limit=self.limit_deg,
                unit="deg",
                resolves=f"{resolves[i]:.2f}° (95 %, {result.rows} rows, residual {result.residual * 1e3:.1f} mm)",
            )
            for i, m in enumerate(self._hinges(found))
            if np.isfinite(error[i]) and abs(offset[i]) > max(self.limit_deg, result.alarm * error[i])
        ]


def _range(resolved: Array) -> str:
    finite = resolved[np.isfinite(resolved)]
    if not finite.size:
        return "nothing "
    low, high = float(finite.min()), float(finite.max())
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
