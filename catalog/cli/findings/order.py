"""Which findings are shown first, and which are shown as one: the same defect in many episodes is one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validators.findings import Finding


@dataclass(frozen=True)
class Group:
    """Findings of one check about one stream; `worst` speaks for them."""

    worst: Finding
    findings: tuple[Finding, ...]

    @property
    def episodes(self) -> tuple[int, ...]:
        """All episodes that they name, in order; empty for the dataset as a whole."""
        return tuple(sorted({i for f in self.findings for i in f.affected}))


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Blocking before warnings, what concerns the whole dataset first, then episodes by how much is wrong with them."""
    weight: dict[int, int] = {}
    for finding in findings:
        for episode in finding.affected:
            weight[episode] = weight.get(episode, 0) + (1000 if finding.severity == "blocking" else 1)

    def rank(finding: Finding) -> tuple[bool, int, int]:
        most = max((weight[i] for i in finding.affected), default=1 << 60)
        return finding.severity != "blocking", -most, min(finding.affected, default=-1)

    return sorted(findings, key=rank)


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """The findings by severity, check and stream, in the order of the worst of each."""
    groups: dict[tuple[str, str, str, bool], list[Finding]] = {}
    for finding in worst_first(findings):
        key = (finding.severity, finding.check, finding.stream, bool(finding.affected))
        groups.setdefault(key, []).append(finding)
    return [Group(max(group, key=_excess), tuple(group)) for group in groups.values()]


def _excess(finding: Finding) -> float:
    """How far beyond its limit, as a share of the limit; what cannot be compared counts least."""
    if finding.value is None or finding.limit is None:
        return 0.0
    return abs(finding.value - finding.limit) / max(abs(finding.limit), 1e-9)
