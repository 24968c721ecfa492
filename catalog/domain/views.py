"""What people are shown of a dataset: states derived from the records, never stored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Commit, Count, Digest, Entity, Slug, Text, Utc
from catalog.domain.check import CheckResult
from catalog.domain.dataset import Approval, Location, Manifest, Quarantine
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.model import Model
from catalog.domain.replay import Replay
from catalog.domain.reproduction import Reproduction
from catalog.domain.run import Run

VersionState = Literal["approved", "quarantined", "failing", "checked", "registered", "rebased"]


class VersionView(Entity):
    """One version and what became of it; `commit` is the name that the records know, `places` has each store's own."""

    ingest: Slug
    manifest_digest: Digest
    manifest: Manifest
    commit: Commit
    branch: str
    registered_by: Slug
    registered_at: Utc
    state: VersionState
    approval: Approval | None = None
    check: CheckResult | None = None
    quarantined_episodes: Count = 0
    places: tuple[Location, ...] = ()


class DatasetView(Entity):
    """A dataset with its versions, newest first."""

    slug: Slug
    repository: str
    created_by: str
    versions: tuple[VersionView, ...]
    quarantines: tuple[Quarantine, ...]


class ModelView(Entity):
    """A model with its run, plans, evidence and decisions, and what of these was run again."""

    model: Model
    run: Run | None
    plans: tuple[Plan, ...]
    evidence: tuple[Evidence, ...]
    decisions: tuple[Decision, ...]
    replays: tuple[Replay, ...] = ()
    reproductions: tuple[Reproduction, ...] = ()


class EdgeView(Entity):
    """One edge of the lineage: src was used to make dst."""

    src: str
    dst: str
    kind: str
    depth: Count


class Lineage(Entity):
    """What a trace found, and whether a limit cut it."""

    start: str
    direction: Literal["up", "down"]
    edges: tuple[EdgeView, ...]
    labels: dict[str, str]
    cut: bool


class RunningOperation(Entity):
    """Something that is not finished."""

    id: str
    kind: str
    by: str
    step: Count
    started_at: Utc


class UndecidedHead(Entity):
    """A head of some `main`, or a tag, that no decision explains."""

    dataset: str
    commit: str
    noticed_at: str
    why: str


class Status(Entity):
    """How the catalog stands."""

    version: str
    environment: str
    home: str
    epoch: Count
    audit_size: Count
    audit_root: Digest
    clock_back: bool
    datasets: Count
    versions: Count
    approved: Count
    models: Count
    decisions: Count
    running: tuple[RunningOperation, ...]
    undecided: tuple[UndecidedHead, ...]
    undecided_merges: tuple[RunningOperation, ...]
    questions: tuple[Text, ...] = ()


class AuditReport(Entity):
    """What verification found: the log is whole up to this head."""

    size: Count
    root: Digest
    kept: AuditHead | None = None


class Health(Entity):
    """The service answers."""

    service: Literal["assay"]
    version: str


class Ingested(Entity):
    """What was taken of lineage events: how many edges they hold, and how many of these were new."""

    digest_: Digest = Field(alias="digest")
    events: Count
    edges: Count
    new: Count
