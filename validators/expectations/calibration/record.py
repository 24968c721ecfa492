"""Calibration as a record: is there one for every sensor that needs it, and was it made near the recording?"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from validators.declarations import calibration
from validators.declarations.origin import day_of
from validators.errors import UnreadableDataset
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable, Severity
from validators.recording import Recording
from validators.stream import PER_SECOND
from validators.values import Values

SINCE_S = 946_684_800  # the year 2000; clocks that start earlier count from elsewhere
NAMED = 6  # sensors that a message names
HOW = "put calibration/NAME.json (calibration@1) into the dataset, or declare sensors in assay.yaml"
_CALIBRATED = ("camera", "lidar", "radar", "depth", "stereo", "rgb", "infrared", "thermal")


def calibrations(recording: Recording) -> tuple[calibration.Calibration, ...]:
    """What is known of the sensors' calibration; a file that cannot be read leaves the check not evaluable."""
    try:
        return calibration.found(recording)
    except UnreadableDataset as error:
        raise NotEvaluable(f"a calibration file cannot be read: {error.detail}") from error


@dataclass(frozen=True)
class Dated:
    """One calibration and its day; `episodes`: indices it is said to hold for, empty for all."""

    name: str
    date: datetime.date | None
    episodes: tuple[int, ...] = ()
    embedded: bool = False


def dated(recording: Recording) -> list[Dated]:
    """Every calibration with its day: of sensors, then those that episodes name (`calibration`, `calibration_date`)."""
    found = [Dated(f"{c.sensor} ({c.where})", c.date, embedded=c.embedded) for c in calibrations(recording)]
    groups: dict[tuple[str, datetime.date | None], list[int]] = {}
    for episode in recording.episodes:
        given = episode.provenance.get("calibration")
        own = given if isinstance(given, dict) else {}
        date = calibration.day(own.get("date")) or calibration.day(episode.provenance.get("calibration_date"))
        name = own.get("id", given) if given is not None else None
        if name is not None or date is not None:
            groups.setdefault((str(name or "its calibration"), date), []).append(episode.index)
    return found + [Dated(name, date, tuple(indices)) for (name, date), indices in groups.items()]


@dataclass(frozen=True)
class ExpectCalibrationPresent(Expectation):
    """Calibration: every sensor that looks into space (camera, lidar, radar, depth) has a calibration of its own.

    A sensor has one where `calibration/*.json` names it, or its metadata or declaration holds one. Unit: sensors.
    Default: none. Source: a picture without intrinsics and a mount measures nothing. Resolves: one sensor. Where
    nothing at all is calibrated it is not evaluable: a suite that requires it blocks. Known false alarms: cameras that
    only people look at.
    """

    type: ClassVar[str] = "expect_calibration_present"
    check: ClassVar[str] = "calibration"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def needs(self, subject: Subject) -> Needs:
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        recording = subject.recording
        known = {c.sensor for c in calibrations(recording)}
        sensors = [s.name for s in recording.facts.sensors.values() if any(k in s.kind.lower() for k in _CALIBRATED)]
        wanted = list(dict.fromkeys([*sensors, *recording.cameras]))
        if not wanted:
            raise NotEvaluable("no camera, lidar or other sensor is declared")
        if not known:
            raise NotEvaluable(f"none of {len(wanted)} sensors has a calibration; {HOW}")
        findings = [
            Finding(self.check, name, f"has no calibration; {HOW}", value=0.0, limit=1.0, resolves="one sensor")
            for name in wanted
            if not _same(name, known)
        ]
        return Judgement(tuple(findings), f"{len(wanted) - len(findings)} of {len(wanted)} sensors have a calibration")


def _same(name: str, known: set[str]) -> bool:
    """`observation.images.front` is the sensor `front`."""
    return name in known or name.rsplit(".", 1)[-1] in known


@dataclass(frozen=True)
class ExpectCalibrationAgeBelow(Expectation):
    """Calibration age: |day of the recording - day of the calibration| at most `max_days`; an unknown day is found.

    The recording's day is the earliest and latest that its episodes name (`day`, `date`, `recorded_at`), else the one
    of its stamps where they count from 1970, else the day of the judgement, and the note says which. An unknown day
    only warns where the format's own metadata holds the calibration: messages such as CameraInfo have no place for it.
    Unit: days. Default: 365. Source: a convention of yearly calibration; rigs that are knocked need less. Resolves: one
    day. Known false alarms: rigs calibrated anew for each recording, whose metadata keeps the first day.
    """

    type: ClassVar[str] = "expect_calibration_age_below"
    check: ClassVar[str] = "calibration_age"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"
    max_days: int = 365

    def __post_init__(self) -> None:
        if not 1 <= self.max_days <= 36_500:
            raise ValueError("max_days must be 1 to 36500")

    def needs(self, subject: Subject) -> Needs:
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        known = dated(subject.recording)
        if not known:
            raise NotEvaluable(f"no calibration is declared; {HOW}")
        unknown = list(self._unknown([item for item in known if not item.date]))
        aged: list[Finding] = []
        oldest, clock = 0, ""
        for item in known:
            days, clock = self._recorded(subject, item)
            if item.date is None or not days:
                continue
            age = max(abs((d - item.date).days) for d in days)
            oldest = max(oldest, age)
            if age > self.max_days:
                message = f"calibrated {item.date}, {age} days from the recording"
                aged.append(self._finding(item, message, float(age)))
        if not clock and not unknown:
            raise NotEvaluable("neither do episodes name their day, nor is the time of the judgement given")
        note = f"{len(known)} calibrations, the farthest {oldest} days away{clock}" if clock else "ages are not known"
        return Judgement((*unknown, *aged), note, {"farthest_days": float(oldest)} if clock else {})

    def _unknown(self, items: list[Dated]) -> Iterator[Finding]:
        """One finding for all sensors of a kind, and one for each calibration that episodes name."""
        message = "the day of the calibration is unknown"
        for item in items:
            if item.episodes:
                yield self._finding(item, message, None)
        for embedded in (False, True):
            sensors = [item for item in items if not item.episodes and item.embedded is embedded]
            if sensors:
                rest = [item.name.partition(" (")[0] for item in sensors[1:]]
                more = f", and that of {', '.join(rest[:NAMED])}" if rest else ""
                more += f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
                yield self._finding(sensors[0], message + more, None, "warning" if embedded else "blocking")

    def _finding(self, item: Dated, message: str, age: float | None, severity: Severity = "blocking") -> Finding:
        return Finding(
            self.check,
            item.name,
            message,
            episodes=item.episodes,
            value=age,
            limit=float(self.max_days),
            unit="days",
            resolves="one day",
            severity=severity,
        )

    def _recorded(self, subject: Subject, item: Dated) -> tuple[list[datetime.date], str]:
        episodes = [e for e in subject.recording.episodes if not item.episodes or e.index in item.episodes]
        days = [day for day in map(day_of, episodes) if day is not None]
        if days:
            return [min(days), max(days)], ", counted from the days that episodes name"
        if stamped := _stamped(subject.recording):
            return [stamped], ", counted from the day of the stamps"
        if subject.now is None:
            return [], ""
        return [subject.now.date()], ", counted to today: episodes do not name their day"


def _stamped(recording: Recording) -> datetime.date | None:
    """The day at which the streams start, None where no clock counts from 1970."""
    for stream in recording.streams.values():
        own = stream.clock
        if own is not None and own.origin / PER_SECOND[own.unit] >= SINCE_S:
            return datetime.datetime.fromtimestamp(own.origin / PER_SECOND[own.unit], datetime.UTC).date()
    return None
