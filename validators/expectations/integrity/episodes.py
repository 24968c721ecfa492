"""Episodes: numbered on from one to the next, and of tasks that are listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Unpack

import numpy as np
import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable, Where
from validators.metrics import Lift, Metric, count, least
from validators.values import Values

TASK, INDEX = "task_index", "index"


@dataclass(frozen=True)
class ExpectIndexToContinue(Expectation):
    """Order of episodes: `index` runs on from one episode to the next, and is where the list says that it begins.

    Episode i + 1 begins with the number of rows of episode i after the first of episode i; judged where both are here.
    In v3.0 an episode's first `index` is its dataset_from_index. Unit: rows. Default: exact. Source: LeRobot finds the
    frames around a frame by `index`, so a jump mixes episodes. Resolves: one row. Known false alarms: none; within an
    episode it is the check `indices`.
    """

    type: ClassVar[str] = "expect_index_to_continue"
    check: ClassVar[str] = "episode_order"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def _first(self, subject: Subject) -> Metric:
        feature = subject.feature(INDEX)
        if INDEX not in subject.stream.columns:
            raise NotEvaluable("the files have no column 'index'")
        (column,) = subject.stream.unpacked(feature).values()
        return least(Lift(f"{INDEX}#", column))

    def needs(self, subject: Subject) -> Needs:
        return Needs((self._first(subject),))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        first = values[self._first(subject)]
        episodes, listed = subject.recording.episodes, subject.recording.facts.first_rows
        findings = []
        for i, episode in enumerate(episodes):
            before = episodes[i - 1] if i else None
            expected, whose = float(listed.get(episode.index, np.nan)), "the list says"
            if np.isnan(expected) and before is not None and before.index == episode.index - 1:
                expected, whose = first[i - 1] + before.length, "the episode before ends so that it must be"
            if np.isfinite(expected) and first[i] != expected:
                message = f"index begins at {first[i]:.0f}, {whose} {expected:.0f}"
                findings.append(
                    Finding(
                        self.check,
                        INDEX,
                        message,
                        episode=episode.index,
                        value=float(first[i]),
                        limit=expected,
                        unit="rows",
                        resolves="one row",
                    )
                )
        return Judgement(tuple(findings))


@dataclass(frozen=True)
class ExpectReferencesToExist(Expectation):
    """References: task_index of every row and the task of every episode are listed, and tasks are numbered 0, 1, 2, …

    Unit: rows. Default: exact. Source: LeRobot looks a row's task up by its number, in v3.0 by its place in the table.
    Resolves: one row. Known false alarms: none.
    """

    type: ClassVar[str] = "expect_references_to_exist"
    check: ClassVar[str] = "references"
    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def _lost(self, subject: Subject) -> Metric | None:
        """Rows whose task is not listed."""
        feature = subject.stream.features.get(TASK)
        if feature is None or feature.width != 1 or TASK not in subject.stream.columns:
            return None
        (column,) = subject.stream.unpacked(feature).values()
        lift = Lift(f"{TASK}#", column)
        known = pl.Series(sorted(subject.recording.facts.task_indices), dtype=pl.Int64)
        return count(f"{TASK} lost", ~lift.column.cast(pl.Int64, strict=False).is_in(known.implode()), lift)

    def needs(self, subject: Subject) -> Needs:
        if not subject.recording.facts.task_indices:
            raise NotEvaluable("no tasks are listed")
        metric = self._lost(subject)
        return Needs((metric,) if metric else ())

    def judge(self, subject: Subject, values: Values) -> Judgement:
        return Judgement((*self._rows(subject, values), *self._names(subject), *self._numbers(subject)))

    def _rows(self, subject: Subject, values: Values) -> Iterator[Finding]:
        if metric := self._lost(subject):
            lost = values[metric]
            for i in np.flatnonzero(lost > 0).tolist():
                message = f"{lost[i]:.0f} rows name a task that is not listed"
                episode = subject.recording.episodes[i].index
                yield self._finding(message, episode=episode, value=float(lost[i]), limit=0.0, unit="rows")

    def _names(self, subject: Subject) -> Iterator[Finding]:
        tasks = set(subject.recording.facts.tasks)
        for episode in subject.recording.episodes:
            if episode.task is not None and episode.task not in tasks:
                yield self._finding(f"its task {episode.task[:80]!r} is not listed", episode=episode.index)

    def _numbers(self, subject: Subject) -> Iterator[Finding]:
        numbers = subject.recording.facts.task_indices
        if numbers != tuple(range(len(numbers))):
            wrong = next(i for i, n in enumerate(numbers) if i != n)
            message = f"the listed tasks are not numbered 0, 1, 2, …: number {wrong} is {numbers[wrong]}"
            yield self._finding(message, value=float(numbers[wrong]), limit=float(wrong))

    def _finding(self, message: str, **where: Unpack[Where]) -> Finding:
        return Finding(self.check, TASK, message, resolves="one row", **where)
