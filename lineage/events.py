"""What happened to data and models, as plain values; `to_json` says it in OpenLineage.

The same event gives the same bytes: run id and time come from the caller, so an event that is sent twice is recognised.
OpenLineage's classes are imported when the first event is written, not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from lineage.errors import EventError
from lineage.urn import Urn

NAMESPACE = "assay"


class Job(StrEnum):
    """What runs; the name of the OpenLineage job."""

    INGEST = "ingest"
    CHECK = "check"
    APPROVE = "approve"
    TRAIN = "train"
    EVALUATE = "evaluate"
    GATE = "gate"
    PROMOTE = "promote"


class Phase(StrEnum):
    """OpenLineage's `eventType`: one START and one of the others a run."""

    START = "START"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Asset:
    """An input or output. `commit`: the lakeFS commit where it was, when it lies in one."""

    urn: Urn
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """The end of a check. `suite`: digest of the suite; `failed`: names of the expectations that did not hold."""

    suite: str
    success: bool
    evaluated: int
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule of a decision."""

    rule: str
    verdict: Literal["pass", "fail", "missing"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of an approval (approved, refused) or of the gate (eligible, blocked). `policy`: its digest."""

    urn: Urn
    answer: Literal["approved", "refused", "eligible", "blocked"]
    policy: str
    rules: tuple[RuleVerdict, ...]


_ANSWERS = {Job.APPROVE: {"approved", "refused"}, Job.GATE: {"eligible", "blocked"}}


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run. `run_id` is the same in all events of the run; `at` has a time zone.

    A check that completes has its verdict, an approval or gate that completes has its decision, a run that fails says
    why, and no other event has any of these. Raises EventError.
    """

    job: Job
    phase: Phase
    run_id: UUID
    at: datetime
    inputs: tuple[Asset, ...] = ()
    outputs: tuple[Asset, ...] = ()
    check: CheckVerdict | None = None
    decision: Decision | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.at.utcoffset() is None:
            raise EventError(f"{self._name}: the time {self.at.isoformat()} has no time zone; give it in UTC")
        complete = self.phase is Phase.COMPLETE
        self._require("a check verdict", self.check, wanted=complete and self.job is Job.CHECK)
        self._require("a decision", self.decision, wanted=complete and self.job in _ANSWERS)
        self._require("an error", self.error, wanted=self.phase is Phase.FAIL)
        if self.decision and self.decision.answer not in _ANSWERS[self.job]:
            raise EventError(f"{self._name}: {self.decision.answer!r} is no answer of {self.job}")
        if self.check and self.check.success != (not self.check.failed):
            raise EventError(f"{self._name}: success is {self.check.success} with {len(self.check.failed)} failed")

    @property
    def _name(self) -> str:
        return f"{self.job} {self.phase} of run {self.run_id}"

    def _require(self, what: str, value: object, *, wanted: bool) -> None:
        if wanted and not value:
            raise EventError(f"{self._name} needs {what}")
        if not wanted and value is not None:
            raise EventError(f"{self._name} cannot have {what}")

    @property
    def time(self) -> str:
        """When, in UTC with microseconds, RFC 3339."""
        utc = self.at.replace(tzinfo=None) - (self.at.utcoffset() or timedelta(0))
        return utc.isoformat(timespec="microseconds") + "Z"


def to_json(event: Event) -> str:
    """The event as one line of OpenLineage JSON: sorted keys, ASCII, no line break."""
    from lineage import facets

    return facets.to_json(event)
