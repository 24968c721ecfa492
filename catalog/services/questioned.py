"""How a release stands today, and what questions it: said in the log once, and shown until somebody acts on it.

A release that a later word about its origin questions goes on (see `still_allowed`). Who may recall or withdraw looks,
and ends it or leaves it; nobody has to notice by chance.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from catalog.db import tables
from catalog.domain.audit import AuditEntry
from catalog.domain.release import Release
from catalog.services import release_records
from catalog.services.context import Context
from catalog.services.still_allowed import Standing, still_allowed

ACTION = "release.questioned"


def standing_of(context: Context, release: Release) -> Standing:
    """Today's floor, looked at again when the epoch rose or a quarter of a lease went by, and while it is not known."""
    now, _ = context.records.now()
    _, epoch = context.records.head()
    looked = context.standings.get(release.manifest.id)
    fresh = timedelta(hours=release.manifest.lease_hours) / 4
    if looked is not None and looked[0] == epoch and now - looked[1] <= fresh:
        return looked[2]
    standing = still_allowed(context, release)
    if standing.known:
        context.standings[release.manifest.id] = (epoch, now, standing)
    return standing


def question(context: Context, device_class: str) -> str:
    """What questions the release that a class runs, or nothing."""
    with context.records.read() as c:
        chosen = release_records.choice(c, device_class)
        if chosen is None or chosen.release is None:
            return ""
        release = release_records.find(c, chosen.release)
    asked = standing_of(context, release).question
    return f"release {release.manifest.number} of {device_class} is questioned: {asked}"[:4000] if asked else ""


def questions(context: Context) -> tuple[str, ...]:
    """What questions a release that a class runs, class by class."""
    classes = context.releases.device_classes() if context.releases.exists else ()
    return tuple(asked for name in classes if (asked := question(context, name)))


def say_once(context: Context, release: Release, asked: str) -> None:
    """Put a question into the log, the first time it is asked in these words."""
    identity, a = release.manifest.id, tables.audit.c
    with context.records.write("catalog") as write:
        said = write.connection.execute(select(a.body).where(a.subject == identity, a.action == ACTION)).scalars()
        if all(AuditEntry.parse(body).details["why"] != asked for body in said):
            write.audit(ACTION, identity, why=asked, model=release.manifest.model)
