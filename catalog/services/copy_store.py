"""Copy everything to another lakeFS: first the data with its history, then, verified, the new place of each version.

The records name the new places in one transaction, when all of it is there; from then on a service that is started
with that lakeFS finds by the old names what was judged before. The credentials of the other lakeFS are kept in memory
only: a service that ends in between leaves the copy unfinished, and asking again goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from catalog.db import records, tables
from catalog.db.door import Records, Write
from catalog.domain.base import sha256
from catalog.domain.dataset import Location, Manifest
from catalog.domain.model import Model
from catalog.domain.requests import CopyStore
from catalog.errors import Conflict, Damaged, Invalid
from catalog.services import manifest
from catalog.services.intent import Kind, Operations, Work, already_running
from catalog.services.register_model import manifest_path
from catalog.storage.copy import Copied, copy_repository
from catalog.storage.lakefs import LakeFS


def start(operations: Operations, by: str, wanted: CopyStore) -> str:
    """Begin to copy; returns the operation's id."""
    context = operations.context
    already_running(context, "copy-store")
    target = LakeFS(wanted.url, wanted.key, wanted.secret, namespace=wanted.namespace)
    if target.name == context.store.name:
        raise Invalid("input-invalid", f"{target.name} is the store that is in use", do="name another one")
    target.repositories()  # refuses wrong credentials before anything is written
    context.targets[target.name] = target
    return operations.start("copy-store", by, {"url": target.name, "namespace": wanted.namespace}).id


def copies_at(records_: Records, store: str, repository: str) -> dict[str, str]:
    """What was copied to a store: the name that the records know of each commit, and its name there."""
    t = tables.commit_copy.c
    with records_.read() as c:
        rows = c.execute(select(t.commit, t.copy).where(t.store == store, t.repository == repository))
        return {row[0]: row[1] for row in rows}


def _copy(work: Work) -> None:
    """Copy each repository of the store."""
    source, target = _both(work)
    repositories = source.repositories()
    made: list[Copied] = []
    for number, repository in enumerate(repositories):

        def progress(part: float, done: int = number) -> None:
            work.progress((done + part) / len(repositories))

        work.progress(number / len(repositories), f"copying {repository}")
        made.append(copy_repository(source, target, repository, progress))
    work.cache["made"] = made


def _verify(work: Work) -> None:
    """Read the manifest of every version at its new place, and compare its objects with its table."""
    if "made" not in work.cache:
        _copy(work)
    context, (source, target) = work.context, _both(work)
    places = work.cache["places"] = []
    copies = {made.repository: made.commits for made in work.cache["made"]}
    versions = [v for slug in context.datasets() for v in context.versions(slug)]
    for number, version in enumerate(versions, start=1):
        old = context.place(version.manifest_digest)
        commit = _copied(copies, old.repository, old.commit, f"version {version.manifest_digest}")
        head = target.head(old.repository, commit)
        document = Manifest.parse(b"".join(target.read(old.repository, commit, manifest.MANIFEST)))
        if head is None or document.digest() != version.manifest_digest:
            raise Damaged("digest-mismatch", f"the copy of {version.manifest_digest} is another", where=target.name)
        _, objects = manifest.read_tables(target, old.repository, commit, document)
        listed = target.listing(old.repository, commit)
        sizes = {path: size for path, size, _ in listed.iter_rows() if path not in manifest.PATHS}
        if {o.path: o.size for o in objects} != sizes or not listed.equals(source.listing(old.repository, old.commit)):
            what = f"the copy of {version.manifest_digest} does not list what its table and its original list"
            raise Damaged("digest-mismatch", what, where=target.name)
        place = old.model_copy(update={"store": target.name, "commit": commit, "metarange": head.metarange})
        places.append((version.manifest_digest, place))
        work.progress(number / len(versions), "verifying manifests")
    with context.records.read() as c:
        models = records.many(c, tables.model, Model, order="digest")
    for model in models:
        here = copies_at(context.records, source.name, model.repository).get(model.commit, model.commit)
        commit = _copied(copies, model.repository, here, f"model {model.manifest.name}")
        if sha256(b"".join(target.read(model.repository, commit, manifest_path(model.manifest)))) != model.digest_:
            raise Damaged("digest-mismatch", f"the copy of {model.digest_} is another", where=target.name)


def _copied(copies: Mapping[str, Mapping[str, str]], repository: str, commit: str, what: str) -> str:
    copy = copies.get(repository, {}).get(commit)
    if copy is None:
        raise Damaged(
            "records-damaged",
            f"{what} was not copied: no branch and no tag reaches its commit {commit[:12]}",
            where=repository,
            do="look at `assay status`, make its branch again, and copy again",
        )
    return copy


def _record(work: Work, write: Write) -> dict[str, Any]:
    context, url = work.context, work.arguments["url"]
    made: list[Copied] = work.cache["made"]
    places: list[tuple[str, Location]] = work.cache["places"]
    for digest, place in places:
        known = records.one(write.connection, tables.location, Location, manifest_digest=digest, store=url)
        if known is None:
            write.insert(tables.location, place, manifest_digest=digest, store=url, commit=place.commit)
        elif known.commit != place.commit:
            raise Conflict("already-exists", f"the records know another copy of {digest}", where=url)
    rows = [
        {"store": url, "repository": m.repository, "commit": context.store.known_as(m.repository, c), "copy": copy}
        for m in made
        for c, copy in m.commits.items()
    ]
    t = tables.commit_copy.c
    known_copies = {
        (repository, commit): copy
        for repository, commit, copy in write.connection.execute(
            select(t.repository, t.commit, t.copy).where(t.store == url)
        )
    }
    for row in rows:
        known_copy = known_copies.get((row["repository"], row["commit"]))
        if known_copy not in (None, row["copy"]):
            raise Conflict("already-exists", f"the records know another copy of commit {row['commit'][:12]}", where=url)
    write.insert_many(tables.commit_copy, [r for r in rows if (r["repository"], r["commit"]) not in known_copies])
    result = {
        "store": url,
        "repositories": len(made),
        "commits": sum(len(m.commits) for m in made),
        "branches": sum(m.branches for m in made),
        "tags": sum(m.tags for m in made),
        "versions": len(places),
        "sent_objects": sum(m.objects for m in made),
        "sent_bytes": sum(m.bytes for m in made),
        "uncommitted": [f"{m.repository}/{branch}" for m in made for branch in m.uncommitted],
    }
    write.audit("store.copy", url, **{k: v for k, v in result.items() if k != "store"})
    context.targets.pop(url, None)
    return result


def _both(work: Work) -> tuple[LakeFS, LakeFS]:
    url = work.arguments["url"]
    target = work.context.targets.get(url)
    if target is None:
        raise Invalid(
            "input-invalid",
            "the service ended during the copy, and it keeps no credentials of another store",
            where=url,
            do="begin the copy again: what is there already is not sent again",
        )
    return work.context.lakefs, target


def _forget(work: Work) -> None:
    """What was copied stays: asked again, it is not sent again."""
    work.context.targets.pop(work.arguments["url"], None)


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"copy-store:{arguments['url']}"


KIND = Kind("copy-store", (_copy, _verify), _record, _forget, _serial)
