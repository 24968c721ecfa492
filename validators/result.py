"""The verdict on one recording, with all it takes to repeat it: suite, engine and versions, findings, outcomes."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from validators.findings import Finding, Outcome
from validators.recording import Recording
from validators.robot import RobotModel
from validators.suites import Entry, Suite

if TYPE_CHECKING:
    from validators.profile import Profile

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
    engine: str = ENGINE
    now: datetime.datetime | None = None
    reference: Profile | None = None

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
            "judged_at": None if self.now is None else self.now.isoformat(),
            "profile": None if self.reference is None else self.reference.digest,
            "engine": engine(self.engine),
            "format": self.recording.format,
            "reader": self.recording.reader or "assay",
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
            "meta": {
                "great_expectations_version": GX_VERSION,
                "suite_digest": self.suite.digest,
                "format": self.recording.format,
                "reader": self.recording.reader or "assay",
                **engine(self.engine),
            },
            "id": None,
        }


def engine(name: str = ENGINE) -> dict[str, str]:
    """Name and versions of what computed a verdict."""
    return {"engine": name, "assay": version("assay-catalog"), "polars": pl.__version__}


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
