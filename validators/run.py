"""Runs a suite over a recording: one pass over the frames, a verdict for each expectation, nothing left out."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from validators import planner
from validators.errors import UnreadableDataset
from validators.expectations.expectation import Expectation, Needs, Progress, Subject
from validators.expectations.robot import record as robot_record
from validators.findings import Finding, Judgement, NoClock, NotEvaluable, Outcome
from validators.gathered import gathered
from validators.pictures.measured import damage
from validators.readers.columns import page_damage
from validators.recording import Problem, Recording
from validators.result import ENGINE, SuiteResult
from validators.robot import RobotModel
from validators.stream import NO_EPISODE
from validators.suites import Entry, Suite
from validators.values import Values

if TYPE_CHECKING:
    from validators.profile import Profile

# what Polars says of an expression that is wrong; no file does that, so it is no damage
OURS = (
    pl.exceptions.ColumnNotFoundError,
    pl.exceptions.SchemaFieldNotFoundError,
    pl.exceptions.ShapeError,
    pl.exceptions.DuplicateError,
)
UNNAMED = "unnamed"
Told: TypeAlias = Callable[[Outcome], None]
NOTES, NAMED = 3, 2  # different notes that are said, and streams that are named before one


def run(
    recording: Recording,
    suite: Suite,
    robot: RobotModel | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    read: planner.Read = planner.read_all,
    *,
    now: datetime.datetime | None = None,
    reference: Profile | None = None,
) -> SuiteResult:
    """Judges the recording. A file found damaged while reading becomes a finding; the others are judged.

    `told` hears each outcome as soon as it is known, what is cheap first. `read` is the engine that reads the rows; the
    gate accepts the verdict of the default alone. Ages and retention are judged at `now` (with its zone), drift against
    the profile `reference`.
    """
    try:
        judged = gathered(recording) if read is planner.read_all else recording
        outcomes = _outcomes(Subject(judged, judged.main, robot, progress, now, reference), suite, told, read)
    except OURS:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return run(_without_damaged(recording, error), suite, robot, progress, told, read, now=now, reference=reference)
    findings = [_unreadable(problem) for problem in (*recording.problems, *recording.late(), *damage(recording))]
    findings += _stranger(recording.reader)
    subject = Subject(recording, recording.main, robot)
    findings += robot_record.differences(subject, [e.expectation for e in suite.entries])
    findings += [finding for outcome in outcomes for finding in outcome.findings]
    name = _engine(read)
    return SuiteResult(suite, recording, robot, tuple(findings), tuple(outcomes), name, now, reference)


def _engine(read: planner.Read) -> str:
    """Whose verdict it is: the gate's engine is this one function, whatever else calls itself so."""
    if read is planner.read_all:
        return ENGINE
    name = str(getattr(read, "engine", UNNAMED))
    return UNNAMED if name == ENGINE else name


def _outcomes(subject: Subject, suite: Suite, told: Told | None, read: planner.Read) -> list[Outcome]:
    recording, progress = subject.recording, subject.progress
    subjects = {name: dataclasses.replace(subject, table=stream) for name, stream in recording.streams.items()}
    wanted: dict[str, list[Needs]] = {name: [] for name in subjects}
    judged: list[dict[str, NotEvaluable | None]] = []  # for each entry: stream → why it is not evaluable there
    for entry in suite.entries:
        whys: dict[str, NotEvaluable | None] = {}
        for name in _streams(entry.expectation, subject):
            try:
                wanted.setdefault(name, []).append(entry.expectation.needs(subjects.get(name, subject)))
                whys[name] = None
            except NotEvaluable as reason:
                whys[name] = reason
        judged.append(whys)
    if progress:
        progress("reading frames", 0, 1)
    values = read(recording.streams, len(recording.episodes), wanted)
    if progress:
        progress("reading frames", 1, 1)
    outcomes: dict[int, Outcome] = {}
    cheap_first = sorted(range(len(judged)), key=lambda i: suite.entries[i].expectation.decodes)
    for number in cheap_first:
        entry, said = suite.entries[number], dict[str, Judgement | NotEvaluable]()
        for name, why in judged[number].items():
            try:
                found = values.get(name) or Values.none(len(recording.episodes))
                said[name] = why or entry.expectation.judge(subjects.get(name, subject), found)
            except NotEvaluable as reason:
                said[name] = reason
        alone = len(subjects) == 1 or entry.expectation.scope == "recording"
        outcomes[number] = _outcome(entry, said, alone=alone)
        if told:
            told(outcomes[number])
    return [outcomes[i] for i in range(len(judged))]


def _streams(expectation: Expectation, subject: Subject) -> list[str]:
    """The streams on which it is judged; one that is judged once is given the main stream, or none ("")."""
    if expectation.scope == "recording":
        return [subject.table.name if subject.table else ""]
    return [name for name, stream in subject.recording.streams.items() if expectation.fits(stream)]


def _merged(said: Mapping[str, Judgement | NotEvaluable], *, alone: bool) -> tuple[Judgement, str]:
    """One judgement of those of the streams, and why there is none where no stream could be judged.

    Findings name their stream, unless it is the only one of the recording (`alone`).
    """
    judged = {name: j for name, j in said.items() if isinstance(j, Judgement)}
    if not judged:
        whys = list(dict.fromkeys(str(why) for why in said.values()))
        return Judgement(), "; ".join(whys[:3]) or "no stream of the recording is meant"
    if alone:
        return next(iter(judged.values())), ""
    findings = tuple(
        dataclasses.replace(f, stream=f"{name}: {f.stream}" if f.stream else name)
        for name, j in judged.items()
        for f in j.findings
    )
    notes: dict[str, list[str]] = {}
    for name, j in judged.items():
        if j.note:
            notes.setdefault(j.note, []).append(name)
    told = [f"{_named(names)}: {note}" for note, names in sorted(notes.items(), key=lambda n: -len(n[1]))]
    note = "; ".join(told[:NOTES]) + (f"; and {len(told) - NOTES} others" if len(told) > NOTES else "")
    return Judgement(findings, note, {name: j.observed for name, j in judged.items() if j.observed}), ""


def _graded(finding: Finding, entry: Entry) -> Finding:
    """A finding may be milder than its check's severity, never graver; a file that cannot be read always blocks."""
    if finding.check == "readable" or finding.severity == "warning":
        return finding
    return dataclasses.replace(finding, severity=entry.severity)


def _named(streams: list[str]) -> str:
    return ", ".join(streams) if len(streams) <= NAMED else f"{len(streams)} streams"


def _outcome(entry: Entry, said: Mapping[str, Judgement | NotEvaluable], *, alone: bool) -> Outcome:
    judgement, why = _merged(said, alone=alone)
    unjudged = {} if why else {name: str(j) for name, j in said.items() if isinstance(j, NotEvaluable)}
    if entry.required and (timeless := [name for name in unjudged if isinstance(said[name], NoClock)]):
        why = f"{_named(timeless)}: {unjudged[timeless[0]]}"
    found = tuple(_graded(f, entry) for f in judgement.findings)
    return Outcome(
        type=entry.expectation.type,
        check=entry.expectation.check,
        kwargs=dataclasses.asdict(entry.expectation),
        severity=entry.severity,
        required=entry.required,
        status="not-evaluable" if why else "found" if found else "clean",
        why=why,
        note=judgement.note,
        observed=judgement.observed,
        findings=found,
        unjudged=unjudged,
    )


def _unreadable(problem: Problem) -> Finding:
    return Finding(
        "readable",
        problem.path,
        problem.message,
        episode=problem.episode,
        episodes=problem.episodes,
        resolves="one file",
    )


def _stranger(reader: str) -> list[Finding]:
    """What a third party's reader leaves out no check can find, so it is said."""
    if not reader:
        return []
    message = f"read by {reader}, which Assay does not ship: what it says of the files is not verified"
    return [Finding("reader", "", message, resolves="the reader's name", severity="warning")]


def _without_damaged(recording: Recording, error: BaseException) -> Recording:
    """The recording without the files whose pages cannot be read, each named as a problem."""
    reason = " ".join(str(error).split())[:200]
    damaged: dict[Path, str] = {}
    bad: dict[int, str] = {}
    for stream in recording.streams.values():
        names = [f.name for f in stream.features.values() if f.width]
        for table in stream.tables:
            for part in table.parts:
                if part.path not in damaged:
                    damaged[part.path] = page_damage(part.path, names, table.format)
                if damaged[part.path] and part.position != NO_EPISODE:
                    bad[part.position] = damaged[part.path]
    where = recording.files.where()
    if not bad:
        raise UnreadableDataset("file-damaged", f"the frames cannot be read: {reason}", path=where) from error
    kept = tuple(e for i, e in enumerate(recording.episodes) if i not in bad)
    if not kept:
        raise UnreadableDataset("file-damaged", f"no episode can be read: {reason}", path=where) from error
    lost = [(recording.episodes[i], why) for i, why in sorted(bad.items())]
    problems = [Problem("file-damaged", e.path, f"its data pages cannot be read ({why})", e.index) for e, why in lost]
    return recording.only(kept, tuple(problems), {path for path, why in damaged.items() if why})
