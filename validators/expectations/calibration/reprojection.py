"""Cameras and lidars: do calibrated sensors see the same points where the calibration says they are?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from validators.declarations.calibration import Calibration, Pairs, Transform
from validators.expectations.calibration.record import calibrations
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.robot.kinematics import Array
from validators.values import Values

AGREE_PX, AGREE_SHARE = 0.05, 0.10  # by which a declared RMS may differ from the one computed again
LEAST_POINTS = 6


def rms(residual: Array) -> float:
    """Root mean square length of residuals [n, 2] or [n, 3]; rows that are not finite count as infinite."""
    squares = (residual**2).sum(axis=1)
    return float(np.sqrt(squares.mean())) if np.isfinite(squares).all() else float("inf")


def reprojected(found: Calibration) -> Array | None:
    """Residuals [n, 2], px, of all views of a camera; None without a lens or views."""
    if found.lens is None or not found.views:
        return None
    lens = found.lens
    return np.concatenate([v.pixels - lens.project(v.board.apply(v.points)) for v in found.views])


@dataclass(frozen=True)
class ExpectReprojectionBelow(Expectation):
    """Reprojection RMS: the root mean square distance between where board points are seen and where they project.

    Computed again from the 3D points, poses and pixels of `calibration/*.json` where they are there (pinhole, OpenCV's
    distortion); otherwise the declared `reprojection_rms_px` is taken, and said. A declared value that differs from the
    computed one by more than 10 % and 0.05 px is found. Unit: px. Default: 1.0. Source: a convention; good calibrations
    of VGA to HD cameras reach 0.2 to 0.5 px. Resolves: ± RMS/√n of n points for the RMS itself, and a focal length off
    by 1.5 % at 0.4 px of noise (95 %, 4 views of 35 points); a small RMS over few, flat views proves little of the
    lens. Known false alarms: very high resolutions, where 1 px is a small angle.
    """

    type: ClassVar[str] = "expect_reprojection_below"
    check: ClassVar[str] = "reprojection"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    limit_px: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.limit_px <= 100:
            raise ValueError("limit_px must be above 0 and at most 100")

    def needs(self, subject: Subject) -> Needs:
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        known = calibrations(subject.recording)
        findings: list[Finding] = []
        notes, observed = [], {}
        for one in known:
            residual = reprojected(one)
            if residual is None and one.declared_px is None:
                continue
            if residual is None:
                assert one.declared_px is not None
                value, said, resolves = one.declared_px, "declared", "what was declared"
            else:
                value = rms(residual)
                said, resolves = f"{len(residual)} points", f"± {value / np.sqrt(len(residual)):.2g} px"
            notes.append(f"{one.sensor} {value:.2f} px ({said})")
            observed[one.sensor] = {"rms_px": value, "points": 0 if residual is None else len(residual)}
            findings += self._findings(one, value, said, resolves, computed=residual is not None)
        if not notes:
            raise NotEvaluable("no calibration has views (3D points and pixels) or a reprojection_rms_px")
        return Judgement(tuple(findings), "; ".join(notes[:12]), observed)

    def _findings(
        self, one: Calibration, value: float, said: str, resolves: str, *, computed: bool
    ) -> Iterator[Finding]:
        if value > self.limit_px:
            message = f"points lie {value:.2f} px from where they project ({said})"
            yield self._finding(one.sensor, message, value, self.limit_px, resolves)
        declared = one.declared_px
        if computed and declared is not None and abs(value - declared) > max(AGREE_PX, AGREE_SHARE * declared):
            message = f"{declared:.2f} px are declared, {value:.2f} px computed again"
            yield self._finding(one.sensor, message, value, declared, resolves)

    def _finding(self, sensor: str, message: str, value: float, limit: float, resolves: str) -> Finding:
        return Finding(self.check, sensor, message, value=value, limit=limit, unit="px", resolves=resolves)


@dataclass(frozen=True)
class ExpectSensorsAligned(Expectation):
    """Lidar and camera (any two sensors): the RMS distance of points that both saw, after the calibrated transform.

    Pairs and transforms come from `calibration/*.json`: points of one sensor (m), the same points as the other has them
    (m, or px through its lens). The finding says which constant shift explains how much. Unit: mm or px. Default: 30
    mm, 3 px. Source: a convention; a lidar's own range noise is 10 to 30 mm. Resolves: limit + 2 RMS/√n of n pairs for
    a constant shift. Pairs must not be those that the transform was fitted to: then the residual is too good. Known
    false alarms: pairs picked by hand, or on moving things.
    """

    type: ClassVar[str] = "expect_sensors_aligned"
    check: ClassVar[str] = "sensor_alignment"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    limit_mm: float = 30.0
    limit_px: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.limit_mm <= 10_000 or not 0 < self.limit_px <= 1000:
            raise ValueError("limit_mm must be above 0 and at most 10000, limit_px at most 1000")

    def needs(self, subject: Subject) -> Needs:
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        known = calibrations(subject.recording)
        listed = [p for one in known for p in one.pairs]
        if not listed:
            raise NotEvaluable("no calibration has pairs of points that two sensors saw")
        findings, notes, whys, observed = [], [], [], {}
        for pairs in listed:
            try:
                residual, unit = residuals(pairs, known)
            except NotEvaluable as why:
                whys.append(str(why))
                continue
            limit, value = (self.limit_mm if unit == "mm" else self.limit_px), rms(residual)
            name, resolved = f"{pairs.source} → {pairs.target}", limit + 2 * value / np.sqrt(len(residual))
            notes.append(f"{name} {value:.3g} {unit} over {len(residual)} pairs")
            observed[name] = {f"rms_{unit}": value, "pairs": len(residual)}
            if value > limit:
                shift = residual.mean(axis=0)
                left = ", ".join(f"{s:+.3g}" for s in shift)
                message = f"points lie {value:.3g} {unit} apart; a constant shift of ({left}) {unit} leaves "
                message += f"{rms(residual - shift):.3g} {unit}"
                resolves = f"a shift of {resolved:.3g} {unit}"
                findings.append(
                    Finding(self.check, name, message, value=value, limit=limit, unit=unit, resolves=resolves)
                )
        if not notes:
            raise NotEvaluable("; ".join(dict.fromkeys(whys)))
        return Judgement(tuple(findings), "; ".join([*notes, *(f"not evaluable: {w}" for w in whys)]), observed)


def residuals(pairs: Pairs, known: tuple[Calibration, ...]) -> tuple[Array, Literal["mm", "px"]]:
    """Residuals of the pairs, [n, 3] mm or [n, 2] px. Raises `NotEvaluable` without a transform, a lens or points."""
    if len(pairs.points) < LEAST_POINTS:
        raise NotEvaluable(f"{pairs.source} → {pairs.target}: fewer than {LEAST_POINTS} pairs")
    points = _between(pairs.source, pairs.target, known).apply(pairs.points)
    if pairs.seen.shape[1] == 3:
        return (pairs.seen - points) * 1e3, "mm"
    lens = next((c.lens for c in known if c.sensor == pairs.target and c.lens), None)
    if lens is None:
        raise NotEvaluable(f"no camera matrix of {pairs.target} is given")
    return pairs.seen - lens.project(points), "px"


def _between(source: str, target: str, known: tuple[Calibration, ...]) -> Transform:
    for t in (t for one in known for t in one.transforms):
        if (t.source, t.target) == (source, target):
            return t
        if (t.target, t.source) == (source, target):
            return Transform(source, target, t.rotation.T, -t.rotation.T @ t.translation)
    raise NotEvaluable(f"no transform between {source} and {target} is given")
