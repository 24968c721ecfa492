"""Integrity: does the folder hold what its metadata says: how many, of which type, in which order?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject, indices
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, Metric, count, greatest, least, previous
from validators.pictures.camera import VideoCamera
from validators.stream import NO_EPISODE, START, Feature, Part
from validators.values import Values


@dataclass(frozen=True)
class ExpectCountsToMatchMetadata(Expectation):
    """Counts: episodes, frames, videos and tasks in the folder against info.json; lengths against the listed ones.

    Rows of a shared file that lie in no episode count, too. Unit: a count. Default: exact. Source: LeRobot v2.1, v3.0:
    meta/episodes.jsonl or meta/episodes lists. Resolves: one. Known false alarms: none; a folder that holds
    part of a dataset on purpose should say so with metadata of its own.
    """

    type: ClassVar[str] = "expect_counts_to_match_metadata"
    check: ClassVar[str] = "counts"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def needs(self, subject: Subject) -> Needs:
        if not subject.recording.facts.totals and not subject.recording.facts.listed:
            raise NotEvaluable(f"a {subject.recording.format} folder declares no counts")
        return Needs()

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found = (self._totals(subject), self._lengths(subject), self._unowned(subject), self._videos(subject))
        return Judgement(tuple(finding for findings in found for finding in findings))

    def _finding(
        self,
        stream: str,
        message: str,
        value: int,
        limit: int,
        unit: str,
        *,
        episode: int | None = None,
        episodes: tuple[int, ...] = (),
    ) -> Finding:
        return Finding(
            self.check,
            stream,
            message,
            episode=episode,
            episodes=episodes,
            value=float(value),
            limit=float(limit),
            unit=unit,
            resolves="a difference of one",
        )

    def _totals(self, subject: Subject) -> Iterator[Finding]:
        recording = subject.recording
        facts, listing = recording.facts, _listing(subject)
        damaged = {i for p in recording.problems for i in p.affected}
        there = {e.index for e in recording.episodes} | damaged
        found = {
            "episodes": len(there),
            "frames": recording.rows,
            "videos": sum(len(c.episodes) for c in recording.cameras.values() if isinstance(c, VideoCamera)),
            "tasks": len(facts.tasks),
        }
        for unit, number in found.items():
            declared = facts.totals.get(f"total_{unit}", number)
            if number != declared:
                by = "info.json" if _lerobot(subject) else "its metadata"
                message = f"{number} {unit} are here, {by} declares {declared}"
                yield self._finding(f"total_{unit}", message, number, declared, unit)
        if absent := sorted(facts.listed.keys() - there):
            message = f"{len(absent)} episodes of {listing} have no data file: {_some(absent)}"
            yield self._finding(listing, message, len(there), len(facts.listed), "episodes")
        if extra := sorted(there - facts.listed.keys()):
            message = f"{len(extra)} data files are in no line of {listing}: {_some(extra)}"
            yield self._finding(listing, message, len(there), len(facts.listed), "episodes", episodes=tuple(extra))

    def _lengths(self, subject: Subject) -> Iterator[Finding]:
        for episode in subject.recording.episodes:
            declared = subject.recording.facts.listed.get(episode.index, episode.length)
            if declared != episode.length:
                message = f"{episode.length} rows, {_listing(subject)} says {declared}"
                yield self._finding("length", message, episode.length, declared, "rows", episode=episode.index)

    def _unowned(self, subject: Subject) -> Iterator[Finding]:
        """Rows of a file that lie in no episode; not where the file has another problem already."""
        recording = subject.recording
        if recording.main is None or not recording.facts.first_rows:
            return
        bad = {p.path for p in recording.problems}
        names = {recording.files.local(n): n for n in {e.path for e in recording.episodes} - bad}
        unowned: dict[str, list[Part]] = {}
        for part in (p for t in recording.main.tables for p in t.parts if p.position == NO_EPISODE):
            if part.path in names:
                unowned.setdefault(names[part.path], []).append(part)
        for name, parts in unowned.items():
            rows = sum(p.rows for p in parts)
            message = f"{rows} rows lie in no episode, the first is row {parts[0].offset} of the file"
            yield self._finding(name, message, rows, 0, "rows")

    def _videos(self, subject: Subject) -> Iterator[Finding]:
        episodes = subject.recording.episodes
        for name, camera in subject.recording.cameras.items():
            without = tuple(e.index for e in episodes if e.index not in camera.episodes)
            if without:
                number = len(episodes) - len(without)
                message = f"{len(without)} of {len(episodes)} episodes have no video: {_some(list(without))}"
                yield self._finding(name, message, number, len(episodes), "videos", episodes=without)


@dataclass(frozen=True)
class ExpectDeclaredTypes(Expectation):
    """Types: each numeric column has the declared dtype, each vector the declared width in every row; of LeRobot
    no column is undeclared.

    Unit: none. Default: exact. Source: LeRobot v2.1 info.json. Resolves: one file's schema, one row's width.
    Known false alarms: none; a column that is no number at all makes its file unreadable, which is a finding by itself.
    """

    type: ClassVar[str] = "expect_declared_types"
    check: ClassVar[str] = "types"

    def _short(self, feature: Feature) -> Metric:
        return count(f"{feature.name} width", pl.col(feature.name).list.len() != feature.width)

    def _listed(self, subject: Subject) -> tuple[Feature, ...]:
        tables = subject.stream.tables
        return tuple(f for f in subject.signals if any(t.columns[f.name][1] == "list" for t in tables))

    def needs(self, subject: Subject) -> Needs:
        return Needs(tuple(self._short(f) for f in self._listed(subject)))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        recording = subject.recording
        findings = []
        for feature in subject.signals:
            for table in subject.stream.tables:
                kind = table.columns[feature.name][0]
                if kind != feature.dtype:
                    episodes = indices(subject, [p.position for p in table.parts if p.position != NO_EPISODE])
                    message = f"holds {kind}, declared {feature.dtype}"
                    findings.append(
                        Finding(self.check, feature.name, message, episodes=episodes, resolves="one file's schema")
                    )
        for feature in self._listed(subject):
            rows = values[self._short(feature)]
            findings += [
                Finding(
                    self.check,
                    feature.name,
                    f"{int(rows[i])} rows are not {feature.width} wide",
                    episode=recording.episodes[i].index,
                    value=float(rows[i]),
                    limit=0.0,
                    unit="rows",
                    resolves="one row",
                )
                for i in np.flatnonzero(rows > 0).tolist()
            ]
        return Judgement((*findings, *self._undeclared(subject)))

    def _undeclared(self, subject: Subject) -> Iterator[Finding]:
        """Columns of the files that info.json does not name: no check sees them, and no loader gives them out."""
        if not subject.recording.format.startswith("lerobot"):
            return
        for name in sorted({n for t in subject.stream.tables for n in t.columns} - subject.stream.features.keys()):
            message = "is in the files and not in info.json, so nothing of it was judged"
            yield Finding(self.check, name, message, resolves="one file's schema")


@dataclass(frozen=True)
class ExpectIndicesInOrder(Expectation):
    """Indices: frame_index counts 0, 1, 2, … in every episode, episode_index is the file's own, index rises by one.

    Other formats than LeRobot have no such columns, and it is not evaluable.
    Unit: rows. Default: exact. Source: LeRobot v2.1. Resolves: one row. Known false alarms: none; `index` may start
    anywhere, because a folder may hold part of a dataset.
    """

    type: ClassVar[str] = "expect_indices_in_order"
    check: ClassVar[str] = "indices"

    def _columns(self, subject: Subject) -> tuple[Lift, Lift]:
        episode, frame = subject.feature("episode_index"), subject.feature("frame_index")
        return _scalar(subject, episode), _scalar(subject, frame)

    def _metrics(self, subject: Subject) -> tuple[Metric, ...]:
        episode, frame = self._columns(subject)
        before = previous(frame)
        step = count("frame_index step", ~pl.col(START) & (frame.column - before.column != 1), frame, before)
        metrics = (least(frame), step, least(episode), greatest(episode))
        if "index" not in subject.stream.features:
            return metrics
        running = _scalar(subject, subject.feature("index"))
        earlier = previous(running)
        jump = count("index step", ~pl.col(START) & (running.column - earlier.column != 1), running, earlier)
        return (*metrics, jump)

    def needs(self, subject: Subject) -> Needs:
        return Needs(self._metrics(subject))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        first, steps, low, high, *jumps = (values[m] for m in self._metrics(subject))
        episodes = subject.recording.episodes
        own = np.array([e.index for e in episodes], dtype=np.float64)
        tests = [
            (
                "frame_index",
                (first != 0) | (steps > 0),
                "does not count 0, 1, 2, …: rows are missing, double or moved",
                steps,
            ),
            (
                "episode_index",
                (low != own) | (high != own),
                "is not the index of its file",
                np.where(low != own, low, high),
            ),
        ]
        if jumps:
            tests.append(("index", jumps[0] > 0, "does not rise by one", jumps[0]))
        return Judgement(
            tuple(
                Finding(
                    self.check,
                    stream,
                    f"{stream} {message}",
                    episode=episodes[i].index,
                    start_s=episodes[i].start_s,
                    end_s=episodes[i].end_s,
                    value=float(value[i]),
                    unit="" if stream == "episode_index" else "rows",
                    resolves="one row",
                )
                for stream, bad, message, value in tests
                for i in np.flatnonzero(bad).tolist()
            )
        )


def _scalar(subject: Subject, feature: Feature) -> Lift:
    """A column of one channel, as the integers it holds."""
    (column,) = subject.stream.unpacked(feature).values()
    return Lift(f"{feature.name}#", column)


def _lerobot(subject: Subject) -> bool:
    return subject.recording.format.startswith("lerobot")


def _listing(subject: Subject) -> str:
    """The metadata that lists the episodes."""
    if not _lerobot(subject):
        return "metadata"
    return "meta/episodes" if subject.recording.facts.first_rows else "episodes.jsonl"


def _some(indices: list[int], at_most: int = 8) -> str:
    shown = ", ".join(str(i) for i in indices[:at_most])
    return shown + (", …" if len(indices) > at_most else "")
