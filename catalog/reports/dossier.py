"""Everything recorded that a report about one model and one class of devices may say, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain.audit import AuditHead
from catalog.domain.dataset import Approval, Episode, Quarantine, Version
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, PlanWithSeed
from catalog.domain.merkle import Consistency, Inclusion
from catalog.domain.model import Model
from catalog.domain.policy import Policy
from catalog.domain.release import THRESHOLD, Denial, Release, ReleaseSignature
from catalog.domain.replay import Replay
from catalog.domain.report import Standing
from catalog.domain.reproduction import Reproduction
from catalog.domain.run import Run


@dataclass(frozen=True)
class Data:
    """One version of a dataset that the model was made from; `table` are the Parquet bytes that its manifest names."""

    version: Version
    repository: str
    commit: str
    table: bytes
    episodes: tuple[Episode, ...]
    approval: Approval | None
    decision: Decision | None
    envelopes: tuple[dict[str, Any], ...]
    quarantines: tuple[Quarantine, ...]


@dataclass(frozen=True)
class Training:
    """One run behind the model, and what came of running it again."""

    run: Run
    reproductions: tuple[Reproduction, ...]


@dataclass(frozen=True)
class Proof:
    """One evidence that the decision read, its plan, and what came of replaying it."""

    evidence: Evidence
    plan: PlanWithSeed
    replay: Replay | None


@dataclass(frozen=True)
class Dossier:
    """What the catalog knows, of one consistent moment: its records stood at `head` when it was read.

    `not_today` says why today's floor would not allow the release, empty when it would; `fallbacks` are the class's
    other allowed and undenied releases, newest first.
    """

    home: str
    environment: str
    as_of: datetime
    head: AuditHead
    epoch: int
    device_class: str
    device: str | None
    model: Model
    decision: Decision
    policy: Policy | None
    training: tuple[Training, ...]
    proofs: tuple[Proof, ...]
    data: tuple[Data, ...]
    release: Release | None
    signatures: tuple[ReleaseSignature, ...]
    denials: tuple[Denial, ...]
    fallbacks: tuple[Release, ...]
    not_today: str
    later: tuple[Decision, ...]
    inclusions: tuple[Inclusion, ...]
    consistency: Consistency

    @property
    def standing(self) -> Standing:
        """Derived from the records, as `assay verify` derives it again from the documents."""
        if self.denials:
            return "denied"
        if self.decision.verdict != "eligible":
            return "blocked"
        released = self.release is not None and self.release.allowed_at is not None
        people = {s.principal for s in self.signatures}
        if not released or len(people) < THRESHOLD:
            return "not-approved"
        return "lapsed" if self.not_today else "allowed"
