"""What a check of a version found; the bytes were re-read and the listing compared before any suite ran."""

from __future__ import annotations

from typing import Any, Literal

from catalog.domain.base import Commit, Count, Digest, Entity, Name, Slug, Text, Utc


class Finding(Entity):
    """One thing found, down to the episode and the time span."""

    check: Name
    severity: Literal["blocking", "warning"]
    root: Slug
    stream: str = ""
    episodes: tuple[Count, ...] = ()
    start_s: float | None = None
    end_s: float | None = None
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    resolves: str = ""
    message: Text


class SuiteRun(Entity):
    """One suite over one root: which suite by digest, which engine, what came out."""

    root: Slug
    suite: Name
    suite_digest: Digest
    engine: dict[str, str]
    passed: bool
    episodes: Count
    evaluated: Count
    not_evaluable: tuple[str, ...] = ()
    not_evaluable_required: tuple[str, ...] = ()
    failing_episodes: tuple[Count, ...] = ()
    result: dict[str, Any]


class CheckResult(Entity):
    """The evidence that a dataset decision reads."""

    id: str
    dataset: Slug
    manifest_digest: Digest
    commit: Commit
    objects_verified: Count
    bytes_verified: Count
    wrong_bytes: tuple[str, ...]
    wrong_listing: tuple[str, ...]
    suites: tuple[SuiteRun, ...]
    findings: tuple[Finding, ...]
    at: Utc
    by: Slug

    @property
    def integrity(self) -> tuple[str, ...]:
        """Every byte or listing that did not agree, one sentence each."""
        return self.wrong_listing + self.wrong_bytes

    @property
    def passed(self) -> bool:
        """True when every byte, every listing and every suite agreed."""
        return not self.integrity and bool(self.suites) and all(s.passed for s in self.suites)

    def failing_episodes(self) -> dict[str, list[int]]:
        """Per root, the episodes with a blocking finding."""
        return {s.root: list(s.failing_episodes) for s in self.suites if s.failing_episodes}
