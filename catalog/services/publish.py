"""Publish what the records say: allowed releases, the choice of each class under a fresh lease, everything denied.

The release repository is a projection. What a crash left unpublished, the next poll publishes; a lease is recorded
before a device can see it, so the end of every exposure is known. Records that are not what the audit log says permit
nothing: then only what makes safe is published.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.db import tables
from catalog.domain.base import utc_text
from catalog.domain.release import (
    Choice,
    CurrentRelease,
    DeniedRelease,
    DenyList,
    Release,
    ReleaseManifest,
    RoleSignature,
)
from catalog.errors import AssayError, Damaged, Unavailable
from catalog.services import release_records
from catalog.services.context import Context
from catalog.services.questioned import say_once, standing_of
from catalog.services.records_agree import records_agree
from catalog.services.still_allowed import Standing

FALLBACKS = 3

log = logging.getLogger("assay.publish")


@dataclass(frozen=True)
class _Wanted:
    """What the records say should be published now."""

    roles: dict[str, tuple[bytes, tuple[RoleSignature, ...]]]
    manifests: tuple[ReleaseManifest, ...]
    current: tuple[CurrentRelease, ...]
    denied: DenyList
    changed: bool


def publish(context: Context, *, renew: bool = False) -> bool:
    """Bring the repository to what the records say; whether anything was written.

    Leases are renewed at half of their time, by `renew` at once. A release that today's floor forbids is suspended at
    once; where that cannot be looked at, what was published stays, is not renewed, and ends with its lease. So it does
    where the records disagree with the log, and `Damaged("audit-damaged")` is raised when denials have been published.
    """
    if not context.releases.exists:
        return False
    with context.locks["publish"]:
        _record_published(context)  # what a kill left unrecorded
        wanted = _wanted(context, renew=renew)
        if not wanted.changed:
            return False
        damage = _damage(context)
        if damage is not None:
            wanted = _safe(context, wanted)
            if not wanted.changed:
                raise damage
        if not context.release_key.is_file():
            what = "the online key of the release repository cannot be read"
            raise Unavailable(
                "key-unreachable", what, where=str(context.release_key), do="bring it, or set ASSAY_RELEASE_KEY"
            )
        context.boundary("publish", "before-leases")
        _record_leases(context, [d for d in wanted.current if d.issued_at == wanted.denied.issued_at])
        context.boundary("publish", "before-files")
        context.releases.publish(
            roles=wanted.roles,
            manifests=wanted.manifests,
            current=wanted.current,
            denied=wanted.denied,
            online_key=context.release_key,
            at=wanted.denied.issued_at,
            expires=wanted.denied.issued_at + timedelta(hours=context.lease_hours),
        )
        context.boundary("publish", "published")
        _record_published(context)
    if damage is not None:
        raise damage
    return True


def publish_or_say(context: Context) -> tuple[str, ...]:
    """Tell the devices; what cannot be told now is told by the next poll, and is said to who acted."""
    try:
        publish(context)
    except AssayError as error:
        return (f"not published yet, and tried again at every poll: {error.what}"[:4000],)
    return ()


def _damage(context: Context) -> Damaged | None:
    try:
        with context.records.read() as c:
            records_agree(c)
    except Damaged as error:
        return error
    return None


def _safe(context: Context, wanted: _Wanted) -> _Wanted:
    """Of what is wanted only denials and classes without a release, beside what was published; none is taken back."""
    choices, published, _ = context.releases.said()
    before = published.releases if published is not None else ()
    known = {line.release for line in before}
    lines = (*before, *(line for line in wanted.denied.releases if line.release not in known))
    gone = {line.release for line in lines}
    none = {document.device_class: document for document in wanted.current if document.release is None}
    current = []
    for name, said in choices.items():
        document = none.get(name, said)
        if document.release in gone:
            document = said.model_copy(update={"release": None, "fallbacks": (), "reason": "withdrawn"})
        current.append(_without(document, gone))
    changed = lines != before or any(_differs(choices[d.device_class], d) for d in current)
    return _Wanted({}, (), tuple(current), wanted.denied.model_copy(update={"releases": lines}), changed)


def _wanted(context: Context, *, renew: bool) -> _Wanted:
    now, _ = context.records.now()
    choices, published, fresh_until = context.releases.said()
    denied = _deny_list(context, now)  # read before the choices: a denial that comes now has unmade its choice
    half = timedelta(hours=context.lease_hours) / 2
    changed = renew or now > fresh_until - half or published is None or published.releases != denied.releases
    roles: dict[str, tuple[bytes, tuple[RoleSignature, ...]]] = {}
    manifests: list[ReleaseManifest] = []
    current: list[CurrentRelease] = []
    for device_class in context.releases.device_classes():
        with context.records.read() as c:
            allowed = release_records.of_class(c, device_class)
            chosen = release_records.choice(c, device_class)
        role = context.releases.role(device_class)
        listed = {line.custom.release for line in role.targets.values()}
        newest = next((r for r in allowed if r.role_version == role.version + 1 and r.manifest.id not in listed), None)
        if newest is not None:
            with context.records.read() as c:
                signed = tuple(s.role for s in release_records.signatures(c, newest.manifest.id))
            roles[device_class] = (newest.role.encode(), signed)
            manifests.append(newest.manifest)
            listed.add(newest.manifest.id)
        before = choices.get(device_class)
        if chosen is not None:
            if renew or before is None or _half_over(before, now):
                _look_again(context, allowed)
            document = _document(context, chosen, [r for r in allowed if r.manifest.id in listed], denied, before)
            changed |= before is None or _differs(before, document)
            changed |= before is not None and document != before and _half_over(before, now)
            current.append(document)
    changed |= bool(roles)
    return _Wanted(roles, tuple(manifests), tuple(current), denied, changed)


def _document(
    context: Context, chosen: Choice, allowed: list[Release], denied: DenyList, before: CurrentRelease | None
) -> CurrentRelease:
    """The choice of a class, when it is listed and today's floor allows it, and what else a device may return to."""
    reason = chosen.reason
    release: Release | None = next((r for r in allowed if r.manifest.id == chosen.release), None)
    if release is None and chosen.release is not None:
        reason = "the chosen release is not in what approvers signed for this class; approve and promote again"
    standing = standing_of(context, release) if release is not None else Standing("none is chosen")
    if release is not None and not standing.allowed:
        same = before is not None and (before.release, before.requested_at) == (chosen.release, chosen.requested_at)
        if before is not None and same and not standing.known:
            log.warning("the lease of release %s is not renewed: %s", release.manifest.id, standing.why_not)
            return _without(before, {line.release for line in denied.releases})
        reason = f"release {release.manifest.number} is suspended: {standing.why_not}"[:4000]
        release = None
    if release is not None and standing.question:
        say_once(context, release, standing.question)
    number = release.manifest.number if release is not None else 0
    others = [r for r in reversed(allowed) if r.manifest.number < number]
    fallbacks = [r.manifest.id for r in others[: 2 * FALLBACKS] if standing_of(context, r).allowed][:FALLBACKS]
    hours = release.manifest.lease_hours if release is not None else context.lease_hours
    return CurrentRelease(
        device_class=chosen.device_class,
        environment=context.environment,
        release=release.manifest.id if release is not None else None,
        fallbacks=tuple(fallbacks),
        reason=reason,
        requested_at=chosen.requested_at,
        issued_at=denied.issued_at,
        lease_until=denied.issued_at + timedelta(hours=hours),
        epoch=denied.epoch,
        audit_head=denied.audit_head,
    )


def _look_again(context: Context, releases: list[Release]) -> None:
    """A new lease rests on what is so now, not on an earlier look."""
    for release in releases:
        context.standings.pop(release.manifest.id, None)


def _without(before: CurrentRelease, denied: set[str]) -> CurrentRelease:
    """What devices were told, less what is denied since: that is published, whatever else cannot be known."""
    left = tuple(release for release in before.fallbacks if release not in denied)
    return before if left == before.fallbacks else before.model_copy(update={"fallbacks": left})


def _differs(before: CurrentRelease, now: CurrentRelease) -> bool:
    same = ("release", "fallbacks", "reason", "requested_at")
    return any(getattr(before, field) != getattr(now, field) for field in same)


def _half_over(before: CurrentRelease, now: datetime) -> bool:
    return now - before.issued_at > (before.lease_until - before.issued_at) / 2


def _deny_list(context: Context, now: datetime) -> DenyList:
    with context.records.read() as c:
        found = sorted(release_records.denials(c), key=lambda d: d.audit_seq)
    lines = tuple(DeniedRelease(release=d.release, model=d.model, reason=d.reason, at=d.at) for d in found)
    head, epoch = context.records.head()
    return DenyList(environment=context.environment, releases=lines, issued_at=now, epoch=epoch, audit_head=head)


def _record_published(context: Context) -> None:
    """Say of each denial, once, when devices could first read it: later lists repeat it."""
    with context.records.read() as c:
        new = [d for d in release_records.denials(c) if d.published_at is None]
    published = context.releases.said()[1] if new else None
    if published is None:
        return
    told = {line.release for line in published.releases}
    if not (heard := [d for d in new if d.release in told]):
        return
    with context.records.write("catalog") as write:
        for denial in heard:
            first = denial.model_copy(update={"published_at": published.issued_at})
            write.replace(tables.denial, {"id": denial.id}, first)
            write.audit(
                "denial.published",
                denial.release,
                at=utc_text(published.issued_at),
                denied_by=denial.audit_seq,
                record=first.digest(),
            )


def _record_leases(context: Context, documents: list[CurrentRelease]) -> None:
    with context.records.write("catalog") as write:
        for document in documents:
            write.insert(
                tables.lease,
                document,
                device_class=document.device_class,
                issued_at=utc_text(document.issued_at),
                release=document.release,
                lease_until=utc_text(document.lease_until),
            )
            write.audit(
                "lease.issue", document.device_class, release=document.release, until=utc_text(document.lease_until)
            )
