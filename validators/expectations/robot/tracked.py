"""A point of the robot that an outside tracker sees: the rows of each rig with joints and tracker side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from validators.expectations.expectation import STATE, Expectation, Needs, Subject
from validators.expectations.robot.units import Mapped, extent_metrics, mapped, said
from validators.findings import NotEvaluable
from validators.metrics import channels
from validators.robot import RobotModel, Tracker
from validators.robot.kinematics import Array, Site
from validators.values import Values

LEAST_ROWS = 30


class Tracked(Expectation):
    """An expectation that needs an even sample of joints and tracker."""

    def needs(self, subject: Subject) -> Needs:
        seen = subject.feature(tracker(subject).column)
        if seen.width != 3:
            raise NotEvaluable(f"{seen.name} has {seen.width} channels, x y z in m were expected")
        sample = (*channels(subject.stream, subject.feature(STATE)), *channels(subject.stream, seen))
        return Needs(extent_metrics(subject, STATE), sample)


def tracked_robot(subject: Subject) -> RobotModel:
    """The robot's model, or `NotEvaluable`."""
    if subject.robot is None:
        raise NotEvaluable("no robot model is given (--robot FILE)")
    return subject.robot


def tracker(subject: Subject) -> Tracker:
    """The tracker that the robot's record names, or `NotEvaluable`."""
    robot = tracked_robot(subject)
    if robot.tracker is None:
        raise NotEvaluable(f"the record of {robot.name!r} names no tracker")
    return robot.tracker


def tracked_site(subject: Subject) -> Site:
    """The point that is tracked."""
    return tracked_robot(subject).tree.point(tracker(subject).point)


def on_the_way(subject: Subject, values: Values) -> list[Mapped]:
    """The joints between base and tracked point; `NotEvaluable` where one has no channel in rad, deg or m."""
    moving = set(tracked_robot(subject).tree.moving(tracked_site(subject)))
    found = [m for m in mapped(subject, values, STATE) if m.joint.name in moving]
    known = {m.joint.name for m in found if m.scale is not None}
    if missing := sorted(moving - known):
        raise NotEvaluable(f"no channel in rad, deg or m for {', '.join(missing)} ({said(found)})")
    return found


def _rig_groups(subject: Subject) -> dict[str, list[int]]:
    """Positions of the episodes of each rig; an episode that names none is its own group."""
    groups: dict[str, list[int]] = {}
    for position, episode in enumerate(subject.recording.episodes):
        rig = episode.provenance.get("rig")
        groups.setdefault(f"rig {rig}" if rig else f"episode {episode.index}", []).append(position)
    return groups


def _sampled_rows(subject: Subject, values: Values, found: Sequence[Mapped]) -> Array:
    """[rows, 1 + 3 + joints]: position of the episode, tracker m, joints rad or m; rows that are finite."""
    assert values.sampled is not None
    seen = channels(subject.stream, subject.feature(tracker(subject).column))
    table = values.sampled.select("position", *(c.name for c in seen), *(m.lift.name for m in found)).to_numpy()
    table = table.astype(np.float64)
    table[:, 4:] /= np.array([m.scale for m in found])
    whole: Array = table[np.isfinite(table).all(axis=1)]
    return whole


def rig_rows(subject: Subject, values: Values, found: Sequence[Mapped]) -> Iterator[tuple[str, list[int], Array]]:
    """Name, positions of the episodes, and rows of each rig; `NotEvaluable` where the rows are too few."""
    table = _sampled_rows(subject, values, found)
    for name, positions in _rig_groups(subject).items():
        chosen: Array = table[np.isin(table[:, 0], positions)]
        if len(chosen) < LEAST_ROWS:
            raise NotEvaluable(f"{name}: fewer than {LEAST_ROWS} finite rows of joints and tracker")
        yield name, positions, chosen


def joint_values(found: Sequence[Mapped], rows: Array) -> dict[str, Array]:
    """Joint → values [rows], rad or m."""
    return {m.joint.name: rows[:, 4 + i] for i, m in enumerate(found)}
