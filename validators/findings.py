"""What a check says: findings with episode, time span, value, limit and resolution, and an outcome for each check."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

Severity: TypeAlias = Literal["blocking", "warning"]
Status: TypeAlias = Literal["found", "clean", "not-evaluable"]


class Where(TypedDict, total=False):
    """Fields of a finding that only some of a check's findings have."""

    episode: int | None
    episodes: tuple[int, ...]
    start_s: float | None
    end_s: float | None
    value: float | None
    limit: float | None
    unit: str


@dataclass(frozen=True)
class Finding:
    """One defect. `episode` or, for a group judged together, `episodes`; `value` and `limit` in `unit`; times in s.

    `resolves` says the smallest defect that the detector would have seen.
    """

    check: str
    stream: str
    message: str
    episode: int | None = None
    episodes: tuple[int, ...] = ()
    start_s: float | None = None
    end_s: float | None = None
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    resolves: str = ""
    severity: Severity = "blocking"

    @property
    def affected(self) -> tuple[int, ...]:
        """The episodes this finding names."""
        return self.episodes if self.episode is None else (self.episode,)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, a number that is not finite as null."""
        return {k: finite(v) for k, v in dataclasses.asdict(self).items()}


@dataclass(frozen=True)
class Judgement:
    """What one expectation says of the recording. `note` is said even when clean (which clock, which units)."""

    findings: tuple[Finding, ...] = ()
    note: str = ""
    observed: Mapping[str, object] = field(default_factory=dict)


class NotEvaluable(Exception):
    """The expectation cannot be judged on this recording; says why. Never a pass."""


class NoClock(NotEvaluable):
    """A stream has no clock. Where a check of time is required, the clocks of other streams do not make up for it."""


@dataclass(frozen=True)
class Outcome:
    """One expectation of the suite, judged."""

    type: str
    check: str
    kwargs: Mapping[str, object]
    severity: Severity
    required: bool
    status: Status
    why: str = ""
    note: str = ""
    observed: Mapping[str, object] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unjudged: Mapping[str, str] = field(default_factory=dict)  # stream → why, where other streams were judged

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, findings as their number (they are listed apart), a number that is not finite as null."""
        return {k: finite(v) for k, v in dataclasses.asdict(self).items()} | {"findings": len(self.findings)}


def finite(value: Any) -> Any:
    """The value with tuples as lists and numbers as JSON carries them: None where not finite, else nine digits.

    Sums over rows differ in their last digits from run to run, because rows are added in parallel.
    """
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value
