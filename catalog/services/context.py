"""What every use case is given: the records, the store, the clock, the ids, the folders of the home."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from catalog.attest.repository import ReleaseRepository
from catalog.db import records, tables
from catalog.db.door import Records, Write
from catalog.domain.check import CheckResult
from catalog.domain.clock import Clock, Ids
from catalog.domain.dataset import Approval, Location, Quarantine, Version
from catalog.domain.decision import Decision
from catalog.domain.evidence import Plan, PlanWithSeed
from catalog.domain.model import Model
from catalog.domain.principal import Key
from catalog.domain.robot import Robot
from catalog.domain.run import Run
from catalog.errors import Absent, Invalid
from catalog.services.seed import draw_seed
from catalog.services.simulate import Command, installed
from catalog.storage.lakefs import LakeFS
from catalog.storage.port import VersionStore

if TYPE_CHECKING:
    from catalog.services.still_allowed import Standing

INTENT = "assay.intent"
MANIFEST = "assay.manifest"


def no_boundary(_kind: str, _boundary: str) -> None:
    """In production nothing happens between two steps; tests abort or kill here."""


@dataclass(frozen=True)
class Context:
    """The composition that `bootstrap` makes; `boundary` is called between the steps of an intent and after each round
    of the worker, `harness` says which command runs a protocol's trials."""

    records: Records
    store: VersionStore
    lakefs: LakeFS  # the endpoint behind `store`, which copying reads by its own names
    clock: Clock
    ids: Ids
    environment: str
    snapshots: Path
    lineage_log: Path
    releases: ReleaseRepository
    release_key: Path
    report_key: Path
    lease_hours: int = 24
    boundary: Callable[[str, str], None] = no_boundary
    harness: Callable[[str], Command] = installed
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    targets: dict[str, LakeFS] = field(default_factory=dict)  # of copies under way, by address
    standings: dict[str, tuple[int, datetime, Standing]] = field(default_factory=dict)  # of releases: epoch, when, what

    def snapshot(self, manifest_digest: str) -> Path:
        """Where the verified copy of a version is."""
        return self.snapshots / manifest_digest.removeprefix("sha256:")

    def datasets(self) -> list[str]:
        """The names of all datasets, in order."""
        with self.records.read() as c:
            return list(c.execute(select(tables.dataset.c.slug).order_by(tables.dataset.c.slug)).scalars())

    def repository(self, dataset: str) -> str:
        """The lakeFS repository of a dataset."""
        with self.records.read() as c:
            found = c.execute(select(tables.dataset.c.repository).where(tables.dataset.c.slug == dataset)).scalar()
        if found is None:
            raise Absent("dataset-unknown", f"no dataset {dataset!r}", do="see `assay dataset list`")
        return str(found)

    def version(self, manifest_digest: str) -> Version:
        """A version by its identity."""
        with self.records.read() as c:
            found = records.one(c, tables.version, Version, manifest_digest=manifest_digest)
        if found is None:
            raise Absent("version-unknown", f"no version {manifest_digest}", do="see `assay dataset show NAME`")
        return found

    def versions(self, dataset: str) -> list[Version]:
        """All versions of a dataset, newest first."""
        self.repository(dataset)
        with self.records.read() as c:
            return records.many(c, tables.version, Version, order="registered_at", newest_first=True, dataset=dataset)

    def candidate(self, dataset: str, ingest: str | None) -> Version:
        """The newest version on an ingest branch; without a name, the newest of the dataset."""
        found = [v for v in self.versions(dataset) if ingest in (None, v.ingest)]
        if not found:
            raise Absent(
                "ingest-unknown",
                f"dataset {dataset!r} has no ingest {ingest!r}",
                do=f"see `assay dataset show {dataset}`",
            )
        return found[0]

    def place(self, manifest_digest: str) -> Location:
        """Where this store has a version, by its own names."""
        with self.records.read() as c:
            found = records.one(c, tables.location, Location, manifest_digest=manifest_digest, store=self.store.name)
        if found is None:
            raise Absent("version-unknown", f"this store has no copy of {manifest_digest}", where=self.store.name)
        return found

    def location(self, manifest_digest: str) -> Location:
        """Where this store has a version; its commit by the name that the records know."""
        found = self.place(manifest_digest)
        return found.model_copy(update={"commit": self.store.known_as(found.repository, found.commit)})

    def places(self, manifest_digest: str) -> tuple[Location, ...]:
        """Every store that has a version, each with its own names."""
        with self.records.read() as c:
            return tuple(records.many(c, tables.location, Location, order="store", manifest_digest=manifest_digest))

    def approvals(self, dataset: str) -> list[Approval]:
        """The approvals of a dataset, newest first by the log's time (an id has the machine's, which may go back)."""
        with self.records.read() as c:
            return approvals_of(c, dataset)

    def quarantines(self, dataset: str) -> list[Quarantine]:
        """The quarantines of a dataset."""
        with self.records.read() as c:
            return records.many(c, tables.quarantine, Quarantine, order="id", dataset=dataset)

    def model(self, name_or_digest: str) -> Model:
        """A model by its digest, or the newest of that name."""
        key = "digest" if name_or_digest.startswith("sha256:") else "name"
        with self.records.read() as c:
            found = records.many(
                c, tables.model, Model, order="registered_at", newest_first=True, **{key: name_or_digest}
            )
        if not found:
            raise Absent("model-unknown", f"no model {name_or_digest!r}", do="see `assay model list`")
        return found[0]

    def run(self, run_id: str) -> Run:
        """A training run."""
        with self.records.read() as c:
            return find_run(c, run_id)

    def plan(self, id_or_digest: str) -> PlanWithSeed:
        """A plan with its seed; a seed that was not drawn yet, the service having ended there, is drawn now."""
        key = "digest" if id_or_digest.startswith("sha256:") else "id"
        with self.records.read() as c:
            plan = records.one(c, tables.plan, Plan, **{key: id_or_digest})
            if plan is None:
                raise Absent("plan-unknown", f"no plan {id_or_digest!r}", do="make one with `assay plan`")
            seed = c.execute(select(tables.plan.c.seed).where(tables.plan.c.id == plan.id)).scalar_one()
        if seed is None:
            return draw_seed(self.records, plan.by, plan)
        return PlanWithSeed(plan=plan, plan_digest=plan.digest(), seed=seed)

    def decision(self, digest: str) -> Decision:
        """A decision by its digest."""
        with self.records.read() as c:
            found = records.one(c, tables.decision, Decision, digest=digest)
        if found is None:
            raise Absent("decision-unknown", f"no decision {digest}", do="judge again")
        return found

    def approval(self, manifest_digest: str) -> Approval | None:
        """The record that means approved, or None."""
        with self.records.read() as c:
            return records.one(c, tables.approval, Approval, manifest_digest=manifest_digest)

    def newest_check(self, manifest_digest: str) -> CheckResult | None:
        """The newest check of a version, or None."""
        with self.records.read() as c:
            found = records.many(c, tables.check, CheckResult, order="id", manifest_digest=manifest_digest)
        return max(found, key=lambda r: r.at, default=None)

    def robot(self, name: str) -> Robot | None:
        """The newest record of a robot, or None."""
        with self.records.read() as c:
            found = records.many(c, tables.robot, Robot, order="registered_at", newest_first=True, name=name)
        return found[0] if found else None

    def keys(self) -> list[Key]:
        """All enrolled keys."""
        with self.records.read() as c:
            return records.many(c, tables.key, Key, order="keyid")


def approvals_of(connection: Connection, dataset: str) -> list[Approval]:
    """The approvals of a dataset as this transaction sees them, newest first."""
    found = records.many(connection, tables.approval, Approval, order="id", dataset=dataset)
    return sorted(found, key=lambda a: a.at, reverse=True)


def find_run(connection: Connection, run_id: str) -> Run:
    """A training run as this transaction sees it."""
    found = records.one(connection, tables.run, Run, id=run_id)
    if found is None:
        raise Absent("run-unknown", f"no run {run_id!r}", do="start one with `training_run`")
    return found


def put_run(write: Write, run: Run) -> None:
    """Replace the whole record of a run."""
    write.replace(tables.run, {"id": run.id}, run)


def given_folder(path: str) -> Path:
    """A folder that a client named and the service can read."""
    folder = Path(path)
    if not folder.is_absolute():
        raise Invalid("input-invalid", f"{path[:200]} is not absolute", do="send the absolute path of the folder")
    try:
        if folder.is_dir():
            next(folder.iterdir(), None)
            return folder
    except OSError as error:
        what = f"the folder cannot be read: {error.strerror}"
        raise Invalid("path-unreadable", what, where=path[:200], do="make it readable to the service") from error
    raise Invalid("path-missing", f"no folder {path[:200]}", do="name a folder that the service can read")
