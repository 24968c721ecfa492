"""Show what is recorded: datasets, models, lineage and the state of the catalog. Reads only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from catalog import __version__
from catalog.db import graph, records, tables
from catalog.domain.dataset import Version
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.intent import Intent
from catalog.domain.model import Model
from catalog.domain.replay import Replay
from catalog.domain.run import Run
from catalog.domain.views import (
    DatasetView,
    EdgeView,
    Lineage,
    ModelView,
    RunningOperation,
    Status,
    VersionState,
    VersionView,
)
from catalog.errors import Absent, Invalid
from catalog.services.approved import contaminated
from catalog.services.context import Context
from catalog.services.labels import labels
from catalog.services.questioned import questions
from catalog.services.run_assurance import reproductions
from catalog.services.watch import undecided_heads
from lineage import urn
from lineage.errors import LineageError

LIMIT = 5000


def show_dataset(context: Context, slug: str) -> DatasetView:
    """A dataset with all its versions."""
    repository = context.repository(slug)
    with context.records.read() as c:
        by = c.execute(select(tables.dataset.c.created_by).where(tables.dataset.c.slug == slug)).scalar_one()
    versions = context.versions(slug)
    rebased = {v.rebased_from for v in versions}
    return DatasetView(
        slug=slug,
        repository=repository,
        created_by=by,
        versions=tuple(_version(context, v, rebased) for v in versions),
        quarantines=tuple(context.quarantines(slug)),
    )


def _version(context: Context, version: Version, rebased: set[str | None]) -> VersionView:
    approval, check = context.approval(version.manifest_digest), context.newest_check(version.manifest_digest)
    bad, location = contaminated(context, version), context.location(version.manifest_digest)
    state: VersionState = "registered"
    if bad:
        state = "quarantined"
    elif approval is not None:
        state = "approved"
    elif version.manifest_digest in rebased:
        state = "rebased"
    elif check is not None:
        state = "checked" if check.passed else "failing"
    return VersionView(
        ingest=version.ingest,
        manifest_digest=version.manifest_digest,
        manifest=version.manifest,
        commit=location.commit,
        branch=location.branch,
        registered_by=version.registered_by,
        registered_at=version.registered_at,
        state=state,
        approval=approval,
        check=check,
        places=context.places(version.manifest_digest),
        quarantined_episodes=len({(q.dataset, q.root, q.index) for q in bad}),
    )


def show_model(context: Context, name: str) -> ModelView:
    """A model with everything recorded about it."""
    model = context.model(name)
    with context.records.read() as c:
        evidence = records.many(c, tables.evidence, Evidence, order="id", model=model.digest_)
        replays = (records.one(c, tables.replay, Replay, evidence=e.digest_) for e in evidence)
        return ModelView(
            model=model,
            run=records.one(c, tables.run, Run, id=model.run) if model.run else None,
            plans=tuple(records.many(c, tables.plan, Plan, order="id", model=model.digest_)),
            evidence=tuple(evidence),
            replays=tuple(r for r in replays if r is not None),
            reproductions=tuple(reproductions(context, model.run)) if model.run else (),
            decisions=tuple(
                records.many(c, tables.decision, Decision, order="id", newest_first=True, subject=model.digest_)
            ),
        )


def trace(context: Context, name: str, direction: graph.Direction, depth: int, *, episodes: bool) -> Lineage:
    """Walk the lineage from a URN, or from a dataset or model by its name."""
    start = resolve(context, name)
    with context.records.read() as c:
        found, cut = graph.trace(c, start, direction, depth=depth, limit=LIMIT, episodes=episodes)
    edges = tuple(EdgeView(src=s, dst=d, kind=k, depth=n) for s, d, k, n in found)
    nodes = {start} | {e.src for e in edges} | {e.dst for e in edges}
    with context.records.read() as c:
        named = labels(c, sorted(nodes))
    return Lineage(start=start, direction=direction, edges=edges, labels=named, cut=cut)


def resolve(context: Context, name: str) -> str:
    """The URN of something named by a person: a URN, a model, a dataset, or `dataset@tag`."""
    if name.startswith(urn.PREFIX):
        try:
            return str(urn.parse(name))
        except LineageError as error:
            raise Invalid("input-invalid", str(error), do="copy the URN whole") from error
    slug, _, tag = name.partition("@")
    with context.records.read() as c:
        known = c.execute(select(tables.dataset.c.slug).where(tables.dataset.c.slug == slug)).scalar()
        models = records.many(c, tables.model, Model, order="registered_at", newest_first=True, name=name)
    if known is not None and not tag:
        return str(urn.dataset(slug))
    if known is not None:
        for approval in context.approvals(slug):
            if approval.tag == tag:
                return str(urn.version(slug, approval.manifest_digest))
    if models:
        return str(urn.model(models[0].digest_))
    raise Absent("node-unknown", f"nothing is called {name!r}", do="give a dataset, dataset@tag, model or URN")


def status(context: Context, home: Path) -> Status:
    """How the catalog stands."""
    head, epoch = context.records.head()
    _, clock_back = context.records.now()
    asked = questions(context)

    def count(table: Any) -> int:
        return int(c.execute(select(func.count()).select_from(table)).scalar_one())

    with context.records.read() as c:
        running = records.many(c, tables.intent, Intent, order="id", state="running")
        undecided = records.many(c, tables.intent, Intent, order="id", state="undecided")
        return Status(
            version=__version__,
            environment=context.environment,
            home=str(home),
            epoch=epoch,
            audit_size=head.size,
            audit_root=head.root,
            clock_back=clock_back,
            datasets=count(tables.dataset),
            versions=count(tables.version),
            approved=count(tables.approval),
            models=count(tables.model),
            decisions=count(tables.decision),
            running=tuple(_operation(i) for i in running),
            undecided=tuple(undecided_heads(context)),
            undecided_merges=tuple(_operation(i) for i in undecided),
            questions=asked,
        )


def _operation(intent: Intent) -> RunningOperation:
    return RunningOperation(
        id=intent.id, kind=intent.kind, by=intent.by, step=intent.step, started_at=intent.started_at
    )
