"""Runs a suite over a recording: one pass over the frames, a verdict for each expectation, nothing left out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import polars as pl

from validators import planner
from validators.errors import UnreadableDataset
from validators.expectations.expectation import Needs, Progress, Subject
from validators.findings import Finding, Judgement, NotEvaluable, Outcome
from validators.readers.columns import verify_pages
from validators.recording import Problem, Recording
from validators.robot import RobotModel
from validators.suites import Entry, Suite

ENGINE = "assay-polars"
GX_VERSION = "1.24.1"  # whose result shape this is


@dataclass(frozen=True)
class SuiteResult:
    """The verdict on one recording. Immutable; `to_dict` holds all of it, so an old verdict can be repeated."""

    suite: Suite
    recording: Recording
    robot: RobotModel | None
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Findings that block."""
        return tuple(f for f in self.findings if f.severity == "blocking")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that only warn."""
        return tuple(f for f in self.findings if f.severity == "warning")

    @property
    def passed(self) -> bool:
        """No blocking finding, and no required check that could not be evaluated."""
        return not self.blocking and not any(o.required and o.status == "not-evaluable" for o in self.outcomes)

    @property
    def failing_episodes(self) -> tuple[int, ...]:
        """Indices of the episodes that a blocking finding names."""
        return tuple(sorted({i for f in self.blocking for i in f.affected}))

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able, finite numbers only; no path of this machine, so it digests the same anywhere."""
        return {
            "schema": "suite-result@1",
            "passed": self.passed,
            "suite": {"name": self.suite.name, "digest": self.suite.digest},
            "robot": None if self.robot is None else {"name": self.robot.name, "digest": self.robot.digest},
            "engine": engine(),
            "format": self.recording.format,
            "episodes": len(self.recording.episodes),
            "rows": self.recording.rows,
            "failing_episodes": list(self.failing_episodes),
            "findings": [f.to_dict() for f in self.findings],
            "outcomes": [o.to_dict() for o in self.outcomes],
        }

    def to_gx(self) -> dict[str, Any]:
        """The shape of Great Expectations' `ExpectationSuiteValidationResult`; not evaluable is an exception there."""
        results = [_gx(o, e) for o, e in zip(self.outcomes, self.suite.entries, strict=True)]
        good = sum(r["success"] for r in results)
        return {
            "success": self.passed,
            "results": results,
            "suite_name": self.suite.name,
            "suite_parameters": {},
            "statistics": {
                "evaluated_expectations": len(results),
                "successful_expectations": good,
                "unsuccessful_expectations": len(results) - good,
                "success_percent": 100.0 * good / len(results),
            },
            "meta": {"great_expectations_version": GX_VERSION, "suite_digest": self.suite.digest, **engine()},
            "id": None,
        }


def engine() -> dict[str, str]:
    """Name and versions of what computed a verdict."""
    return {"engine": ENGINE, "assay": version("assay-catalog"), "polars": pl.__version__}


def _gx(outcome: Outcome, entry: Entry) -> dict[str, Any]:
    silent = outcome.status == "not-evaluable"
    own = [f.to_dict() for f in outcome.findings]
    return {
        "success": outcome.status == "clean",
        "expectation_config": {"severity": "critical", "meta": {}, "kwargs": {}, **entry.config},
        "result": {} if silent else {"observed_value": outcome.to_dict()["observed"], "details": {"findings": own}},
        "meta": {"note": outcome.note},
        "exception_info": {
            "raised_exception": silent,
            "exception_message": outcome.why if silent else None,
            "exception_traceback": None,
        },
    }


def run(
    recording: Recording, suite: Suite, robot: RobotModel | None = None, progress: Progress | None = None
) -> SuiteResult:
    """Judges the recording. A file found damaged while reading becomes a finding; the others are judged."""
    try:
        outcomes = _outcomes(Subject(recording, robot, progress), suite)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return run(_without_damaged(recording, error), suite, robot, progress)
    findings = [_unreadable(problem) for problem in recording.problems]
    findings += [finding for outcome in outcomes for finding in outcome.findings]
    return SuiteResult(suite, recording, robot, tuple(findings), tuple(outcomes))


def _outcomes(subject: Subject, suite: Suite) -> list[Outcome]:
    needs, silent = _needs(subject, suite)
    if subject.progress:
        subject.progress("reading frames", 0, 1)
    values = planner.read(subject.recording, needs)
    if subject.progress:
        subject.progress("reading frames", 1, 1)
    outcomes = []
    for entry in suite.entries:
        why, judgement = silent.get(entry.expectation, ""), Judgement()
        if not why:
            try:
                judgement = entry.expectation.judge(subject, values)
            except NotEvaluable as reason:
                why = str(reason)
        outcomes.append(_outcome(entry, judgement, why, tuple(_graded(f, entry) for f in judgement.findings)))
    return outcomes


def _needs(subject: Subject, suite: Suite) -> tuple[list[Needs], dict[Any, str]]:
    needs, silent = [], {}
    for entry in suite.entries:
        try:
            needs.append(entry.expectation.needs(subject))
        except NotEvaluable as reason:
            silent[entry.expectation] = str(reason)
    return needs, silent


def _graded(finding: Finding, entry: Entry) -> Finding:
    """A file that cannot be read blocks whatever the check's severity."""
    return finding if finding.check == "readable" else dataclasses.replace(finding, severity=entry.severity)


def _outcome(entry: Entry, judgement: Judgement, why: str, found: tuple[Finding, ...]) -> Outcome:
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
    )


def _unreadable(problem: Problem) -> Finding:
    return Finding("readable", problem.path, problem.message, episode=problem.episode, resolves="one file")


def _without_damaged(recording: Recording, error: BaseException) -> Recording:
    """The recording without the files whose pages cannot be read, each named as a problem."""
    names = [f.name for f in recording.facts.features.values() if f.width]
    found = {e.index: p for e in recording.episodes if (p := verify_pages(recording.root, e, names))}
    reason = " ".join(str(error).split())[:200]
    if not found:
        raise UnreadableDataset("file-damaged", f"the frames cannot be read: {reason}", path=recording.root) from error
    kept = tuple(e for e in recording.episodes if e.index not in found)
    if not kept:
        raise UnreadableDataset("file-damaged", f"no episode can be read: {reason}", path=recording.root) from error
    return recording.only(kept, tuple(found.values()))
