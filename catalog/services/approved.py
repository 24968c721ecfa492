"""The approved version that fits: record → manifest digest → commit; never `main`, a tag or commit metadata.

When nothing fits, the answer says what came nearest and why it did not.
"""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from sqlalchemy import select

from catalog.db import records, tables
from catalog.domain.approved import Approved, Wanted
from catalog.domain.dataset import Approval, Version
from catalog.domain.principal import Key
from catalog.errors import Absent, Damaged
from catalog.policy.floor_facts import QuarantinedEpisode
from catalog.services import manifest, version_commit
from catalog.services.context import Context
from catalog.services.revoked import quarantined
from catalog.storage.snapshot import reread


def approved(context: Context, wanted: Wanted) -> Approved:
    """The newest approved version that fits."""
    near: list[str] = []
    for approval in context.approvals(wanted.dataset):
        version = context.version(approval.manifest_digest)
        why = _misfit(context, wanted, approval, version)
        if not why:
            return _answer(context, approval, version)
        near.append(f"{approval.tag}: {why}")
    near += _unapproved(context, wanted.dataset)
    raise Absent(
        "no-approved-version",
        f"no approved version of {wanted.dataset} fits",
        where="; ".join(near[:5]) or "nothing was ever registered",
        do="ask for less, or have one of these checked and approved",
    )


def _misfit(context: Context, wanted: Wanted, approval: Approval, version: Version) -> str:
    roots = version.manifest.roots
    if not fnmatchcase(approval.tag, wanted.version):
        return f"the tag does not match {wanted.version!r}"
    if wanted.kind is not None and any(r.provenance.source.kind != wanted.kind for r in roots):
        return f"it is not all of kind {wanted.kind!r}"
    if wanted.licence is not None and any(r.provenance.terms.licence != wanted.licence for r in roots):
        return f"it is not all under {wanted.licence!r}"
    if why := unsigned(context, approval):
        return why
    bad = contaminated(context, version)
    return f"{len(bad)} of its episodes are quarantined ({bad[0].reason})" if bad else ""


def unsigned(context: Context, approval: Approval) -> str:
    """Why the signature on an approval does not count, or nothing; a compromised key approved nothing."""
    s = tables.signature.c
    with context.records.read() as c:
        rows = c.execute(select(s.keyid, s.at).where(s.decision == approval.decision)).all()
        keys = [(records.one(c, tables.key, Key, keyid=row.keyid), datetime.fromisoformat(row.at)) for row in rows]
    why = [f"its approver's key {key.counts('steward', at)}" for key, at in keys if key and key.counts("steward", at)]
    return "nobody signed its approval" if not keys else why[0] if why else ""


def contaminated(context: Context, version: Version) -> tuple[QuarantinedEpisode, ...]:
    """The quarantined episodes that a version holds today, under any name."""
    episodes, objects = version_commit.tables_of(context, version)
    names = {e.fingerprint: f"{version.dataset} {e.root}/{e.index}" for e in episodes}
    names |= {o.sha256: f"{version.dataset} {o.path}" for o in objects if o.rows}
    return quarantined(context, names)


def _unapproved(context: Context, dataset: str) -> list[str]:
    near = []
    done = {a.manifest_digest for a in context.approvals(dataset)}
    for version in context.versions(dataset):
        if version.manifest_digest not in done:
            result = context.newest_check(version.manifest_digest)
            if result is None:
                why = "never checked"
            else:
                blocking = sum(f.severity == "blocking" for f in result.findings)
                why = f"{blocking} blocking findings" if blocking else "checked, not approved"
            near.append(f"ingest {version.ingest}: {why}")
    return near


def _answer(context: Context, approval: Approval, version: Version) -> Approved:
    _, objects = version_commit.tables_of(context, version)
    return Approved(
        dataset=version.dataset,
        tag=approval.tag,
        manifest_digest=version.manifest_digest,
        commit=approval.merge_commit,
        folder=str(_folder(context, version).resolve()),
        roots=tuple(r.slug for r in version.manifest.roots),
        terms=tuple(r.provenance.terms for r in version.manifest.roots),
        objects=tuple(objects),
    )


def _folder(context: Context, version: Version) -> Path:
    """The verified copy; made again from the commit when somebody removed it."""
    folder = context.snapshot(version.manifest_digest)
    if not folder.is_dir():
        with context.locks[f"snapshot:{version.manifest_digest}"]:
            if folder.is_dir():
                return folder
            location = context.location(version.manifest_digest)
            _, objects = version_commit.tables_of(context, version)
            verified = reread(
                context.store, location.repository, location.commit, objects, manifest.PATHS, folder, lambda _: None
            )
            if verified.folder is None:
                raise Damaged("digest-mismatch", verified.faults[0], where=location.commit[:12], do="restore the store")
    return folder
