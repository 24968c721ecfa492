"""Watch the store: a head of `main` that the catalog did not decide is noticed within one poll, recorded and named;
so is a registered version whose branch was deleted or set back, before the store collects it as garbage.

With community lakeFS this is detection, not prevention; `approved()` keeps serving what the records say.
"""

from __future__ import annotations

from sqlalchemy import select

from catalog.db import records, tables
from catalog.domain.base import utc_text
from catalog.domain.dataset import Approval
from catalog.domain.intent import Intent
from catalog.domain.views import UndecidedHead
from catalog.errors import AssayError
from catalog.services.context import INTENT, Context, approvals_of
from catalog.storage.port import CommitInfo


def watch(context: Context) -> list[UndecidedHead]:
    """Compare every main with the records; audit what is new; return what stands undecided now."""
    with context.records.read() as c:
        datasets = list(c.execute(select(tables.dataset.c.slug, tables.dataset.c.repository)).all())
        last = c.execute(select(tables.head.c.last_at)).scalar_one()
    standing = []
    for slug, repository in datasets:
        found = _look(context, slug, repository, last)
        if found is not None:
            standing.append(found)
        _record(context, slug, found)
    return standing


def _look(context: Context, slug: str, repository: str, now: str) -> UndecidedHead | None:
    try:
        # the head first: what merged it is then either still running or recorded, in one and the same read
        head = context.store.head(repository, "main")
        with context.records.read() as c:
            running = records.many(c, tables.intent, Intent, order="id", state="running")
            approvals = approvals_of(c, slug)
        tags = {a.tag: context.store.tagged(repository, a.tag) for a in approvals}
    except AssayError as error:
        return UndecidedHead(dataset=slug, commit="unknown", noticed_at=now, why=f"the store does not answer: {error}")
    if head is None:
        return UndecidedHead(dataset=slug, commit="none", noticed_at=now, why="main is gone")
    if any(_merges(i, head) for i in running):
        return None
    if approvals and head.id == approvals[0].merge_commit:
        return _tags(slug, head.id, tags, approvals, now) or _adrift(context, slug, repository, approvals, now)
    if not approvals and not head.parents:
        return _adrift(context, slug, repository, approvals, now)
    why = f"main is at {head.id[:12]} ({head.message[:80]!r}), which no decision made"
    return UndecidedHead(dataset=slug, commit=head.id, noticed_at=now, why=why)


def _merges(intent: Intent, head: CommitInfo) -> bool:
    """Whether this head is the merge that a running approval made: its name alone proves nothing."""
    if intent.kind != "approve":
        return False
    judged = (intent.arguments["head"], intent.arguments["candidate"])
    return head.metadata.get(INTENT) == intent.id and head.parents == judged


def _tags(
    slug: str, head: str, tags: dict[str, str | None], approvals: list[Approval], now: str
) -> UndecidedHead | None:
    moved = [a for a in approvals if tags[a.tag] != a.merge_commit]
    if not moved:
        return None
    why = f"tag {moved[0].tag} names {(tags[moved[0].tag] or 'nothing')[:12]}, the record {moved[0].merge_commit[:12]}"
    return UndecidedHead(dataset=slug, commit=head, noticed_at=now, why=why)


def _adrift(context: Context, slug: str, repository: str, approvals: list[Approval], now: str) -> UndecidedHead | None:
    """A registered version that no branch holds any more; what is approved hangs on `main`."""
    approved = {a.manifest_digest for a in approvals}
    try:
        heads = context.store.branches(repository)
        for version in (v for v in context.versions(slug) if v.manifest_digest not in approved):
            place = context.location(version.manifest_digest)
            names = [name for name in (place.branch, f"quarantine-{version.ingest}") if name in heads]
            held = any(_holds(context, repository, heads[name], place.commit) for name in names)
            if not held and not _at_work(context, slug):
                why = f"no branch holds version {version.manifest_digest[:19]} of ingest {version.ingest} any more"
                do = f"make {place.branch} again at {place.commit[:12]} with lakectl"
                return UndecidedHead(dataset=slug, commit=place.commit, noticed_at=now, why=f"{why}: {do}")
    except AssayError as error:
        return UndecidedHead(dataset=slug, commit="unknown", noticed_at=now, why=f"the store does not answer: {error}")
    return None


def _holds(context: Context, repository: str, head: str, commit: str) -> bool:
    return head == commit or context.store.merge_base(repository, commit, head) == commit


def _at_work(context: Context, slug: str) -> bool:
    """Whether an intent is moving branches of the dataset."""
    with context.records.read() as c:
        running = records.many(c, tables.intent, Intent, order="id", state="running")
    return any(intent.arguments.get("dataset") == slug for intent in running)


def _record(context: Context, slug: str, found: UndecidedHead | None) -> None:
    if found is not None and found.commit == "unknown":
        return
    t = tables.undecided.c
    with context.records.read() as c:
        open_ = {r.commit for r in c.execute(select(t.commit).where(t.dataset == slug, t.gone_at.is_(None)))}
        known = {r.commit for r in c.execute(select(t.commit).where(t.dataset == slug))}
    now_open = {found.commit} if found is not None else set()
    if open_ == now_open:
        return
    with context.records.write("catalog") as write:
        for commit in sorted(open_ - now_open):
            write.replace(tables.undecided, {"dataset": slug, "commit": commit}, gone_at=utc_text(write.now))
            write.audit("main.decided", slug, commit=commit)
        if found is not None and found.commit not in open_:
            write.audit("main.undecided", slug, commit=found.commit, why=found.why)
            if found.commit in known:
                write.replace(tables.undecided, {"dataset": slug, "commit": found.commit}, gone_at=None, why=found.why)
            else:
                row = {"dataset": slug, "commit": found.commit, "noticed_at": utc_text(write.now), "why": found.why}
                write.insert(tables.undecided, **row)


def undecided_heads(context: Context) -> list[UndecidedHead]:
    """What stands undecided according to the last poll."""
    t = tables.undecided
    with context.records.read() as c:
        rows = c.execute(select(t).where(t.c.gone_at.is_(None)).order_by(t.c.dataset)).all()
    return [UndecidedHead(dataset=r.dataset, commit=r.commit, noticed_at=r.noticed_at, why=r.why) for r in rows]
