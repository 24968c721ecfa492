"""Register a recording: a complete root on its own ingest branch, with manifest and tables in the same commit.

The folder is read before anything is made; the branch appears with everything on it or is removed again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import select

import validators.errors
from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.base import file_sha256
from catalog.domain.dataset import (
    Episode,
    ObjectEntry,
    Provenance,
    Root,
    SelectedFrom,
    repository_of,
)
from catalog.domain.requests import RegisterDataset
from catalog.errors import Conflict, Invalid
from catalog.services import version_commit
from catalog.services.context import Context, given_folder
from catalog.services.intent import Kind, Operations, Work, already_running
from catalog.services.open_recording import open_recording
from catalog.services.read_episodes import read_episodes
from catalog.services.upload import THREADS, Outgoing, upload
from catalog.storage.snapshot import safe_path

OWN = "meta/provenance.json"
IMPORT = "assay.import"  # in the metadata of an import's commit: the intent that it belongs to


def start(operations: Operations, by: str, dataset: str, wanted: RegisterDataset) -> str:
    """Begin a registration; returns the operation's id."""
    context, ingest = operations.context, wanted.ingest
    given_folder(wanted.path)
    already_running(context, "register", dataset=dataset, ingest=ingest)
    with context.records.read() as c:
        taken = select(tables.version.c.ingest).where(
            tables.version.c.dataset == dataset, tables.version.c.ingest == ingest
        )
        if c.execute(taken).first() is not None:
            raise Conflict(
                "already-exists", f"{dataset} has an ingest {ingest!r}", do="choose another name with --ingest"
            )
    return operations.start("register", by, {"dataset": dataset, **wanted.document()}).id


def _read(work: Work) -> None:
    """Read the folder whole: format, episodes, fingerprints, digest of every file."""
    folder, slug = Path(work.arguments["path"]), work.arguments["ingest"]
    recording = open_recording(folder, str(folder))
    _agrees(folder, Provenance.of(work.arguments["provenance"]))
    if recording.problems:
        bad = recording.problems[0]
        raise Invalid("dataset-unreadable", bad.message, where=f"{folder}/{bad.path}", do="mend or remove that file")
    work.progress(0.1)
    files = {name: (size, digest) for name, size, digest in _digests(work, folder, sorted(_files(folder)))}
    try:
        episodes = read_episodes(recording, slug, {name: digest for name, (_, digest) in files.items()})
    except validators.errors.UnreadableDataset as error:
        raise Invalid("dataset-unreadable", str(error), where=str(folder), do="mend or remove that file") from error
    holding = {path.removeprefix(f"{slug}/") for e in episodes for path in e.objects}
    work.cache["episodes"] = episodes
    work.cache["objects"] = [
        ObjectEntry(path=f"{slug}/{name}", size=size, sha256=digest, store_checksum="", rows=name in holding)
        for name, (size, digest) in files.items()
    ]
    work.cache["root"] = Root(
        slug=slug,
        format=recording.format,
        provenance=Provenance.of(work.arguments["provenance"]),
        episodes=len(recording.episodes),
        frames=recording.rows,
        objects=len(files),
        bytes=sum(o.size for o in work.cache["objects"]),
        selected_from=_selected_from(work.context, work.arguments["dataset"], work.cache["episodes"]),
    )


def _agrees(folder: Path, given: Provenance) -> None:
    """What the folder says of itself may not be called something else when it is registered."""
    own = folder / OWN
    if not own.is_file():
        return
    said = Provenance.parse(own.read_bytes()).source
    for name in ("kind", "maker", "robot"):
        inside, outside = getattr(said, name), getattr(given.source, name)
        if inside != outside:
            raise Invalid(
                "input-invalid",
                f"{OWN} says {name} {inside!r}, the provenance given says {outside!r}",
                where=str(folder),
                do="register it as what it is; correct the document that is wrong",
            )


def _files(folder: Path) -> Iterator[str]:
    for here, folders, names in os.walk(folder, followlinks=False):
        links = [name for name in folders if Path(here, name).is_symlink()]
        for name in (*links, *names):
            path = Path(here, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file() or not safe_path(relative):
                raise Invalid(
                    "dataset-unreadable",
                    f"{relative!r} is no plain file",
                    where=str(folder),
                    do="remove it or copy it in",
                )
            yield relative


def _digests(work: Work, folder: Path, files: list[str]) -> Iterator[tuple[str, int, str]]:
    def one(name: str) -> tuple[str, int, str]:
        digest = file_sha256(folder / name)
        return name, (folder / name).stat().st_size, digest

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for number, row in enumerate(pool.map(one, files), start=1):
                work.progress(0.1 + 0.9 * number / len(files))
                yield row
    except OSError as error:
        raise Invalid("path-unreadable", f"{error}", where=str(folder), do="make it readable to the service") from error


def _selected_from(context: Context, dataset: str, episodes: list[Episode]) -> SelectedFrom | None:
    """The known root that holds every one of these episodes, found by fingerprint: derived, never typed."""
    wanted = {e.fingerprint for e in episodes}
    t = tables.episode.c
    with context.records.read() as c:
        found: dict[tuple[str, str], dict[str, int]] = {}
        rows = c.execute(
            select(t.manifest_digest, t.root, t.number, t.fingerprint)
            .join(tables.version, tables.version.c.manifest_digest == t.manifest_digest)
            .where(tables.version.c.dataset == dataset)
            .order_by(tables.version.c.registered_at, t.manifest_digest, t.root, t.number)
        )
        for row in rows:
            if row.fingerprint in wanted:
                found.setdefault((row.manifest_digest, row.root), {})[row.fingerprint] = row.number
    whole = [(key, numbers) for key, numbers in found.items() if numbers.keys() == wanted]
    if not whole:
        return None
    (digest, root), numbers = whole[0]
    return SelectedFrom(manifest=digest, root=root, kept=tuple(sorted(numbers.values())))


def _base(work: Work) -> None:
    """Choose where the branch begins: the approved head of `main`, or its beginning; refuse a branch of others."""
    context, dataset = work.context, work.arguments["dataset"]
    context.store.ensure_repository(repository_of(dataset), {"assay.dataset": dataset})
    if context.store.head(repository_of(dataset), version_commit.branch_name(work)) is not None:
        raise Conflict(
            "already-exists",
            f"the store has a branch {version_commit.branch_name(work)} that the catalog did not make",
            where=dataset,
            do="choose another name with --ingest",
        )
    approved = context.approvals(dataset)
    head = version_commit.decided_head(context, dataset)
    work.memory["base"] = head
    work.memory["parent"] = approved[0].manifest_digest if approved else None


def _branch(work: Work) -> None:
    """Make the branch; from here on it is this intent's, and goes when the intent is abandoned."""
    repository, branch = repository_of(work.arguments["dataset"]), version_commit.branch_name(work)
    work.context.store.ensure_branch(repository, branch, work.memory["base"])


def _upload(work: Work) -> None:
    """Stage every file of the root, or have the store refer to them where they are."""
    if version_commit.committed(work) is not None:
        return
    if "objects" not in work.cache:
        _read(work)
    if work.arguments.get("by_reference", False):
        _refer(work)
        return
    folder, slug = Path(work.arguments["path"]), work.arguments["ingest"]
    outgoing = [
        Outgoing(o.path, folder / o.path.removeprefix(f"{slug}/"), o.size, o.sha256) for o in work.cache["objects"]
    ]
    repository, branch = repository_of(work.arguments["dataset"]), version_commit.branch_name(work)
    checksums = upload(work, repository, branch, f"{slug}/", outgoing)
    work.cache["objects"] = [o.model_copy(update={"store_checksum": checksums[o.path]}) for o in work.cache["objects"]]


def _refer(work: Work) -> None:
    """Import the folder, once; what the store then lists must be what was read."""
    store, branch = work.context.store, version_commit.branch_name(work)
    repository, slug = repository_of(work.arguments["dataset"]), work.arguments["ingest"]
    objects: list[ObjectEntry] = work.cache["objects"]
    if not any(c.metadata.get(IMPORT) == work.intent.id for c in store.log(repository, branch, 5)):
        store.import_folder(
            repository,
            branch,
            work.arguments["path"],
            f"{slug}/",
            {IMPORT: work.intent.id},
            lambda done: work.progress(done / len(objects)),
        )
    listed = {p: (size, checksum) for p, size, checksum in store.listing(repository, branch, f"{slug}/").iter_rows()}
    if {o.path: o.size for o in objects} != {path: size for path, (size, _) in listed.items()}:
        raise Invalid(
            "path-unreadable", "the folder changed while it was being registered", where=work.arguments["path"]
        )
    work.cache["objects"] = [o.model_copy(update={"store_checksum": listed[o.path][1]}) for o in objects]


def _commit(work: Work) -> None:
    """Stage manifest and tables and commit; a commit with this intent's id is the one."""
    if version_commit.committed(work) is None:
        if "objects" not in work.cache or not work.cache["objects"][0].store_checksum:
            _upload(work)
        roots, episodes, objects = [work.cache["root"]], work.cache["episodes"], work.cache["objects"]
        parents: tuple[str, ...] = ()
        if work.memory["parent"] is not None:
            before = work.context.version(work.memory["parent"])
            old_episodes, old_objects = version_commit.tables_of(work.context, before)
            roots, episodes = [*before.manifest.roots, *roots], old_episodes + episodes
            objects, parents = old_objects + objects, (before.manifest_digest,)
        version_commit.commit_tables(work, roots, episodes, objects, parents, f"Ingest {work.arguments['ingest']}")


def _record(work: Work, write: Write) -> dict[str, Any]:
    return version_commit.record_version(work, write, "dataset.register")


def _abandon(work: Work) -> None:
    """Remove the branch that this intent made; no record names it."""
    if "base" in work.memory:
        work.context.store.delete_branch(repository_of(work.arguments["dataset"]), version_commit.branch_name(work))


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"ingest:{arguments['dataset']}/{arguments['ingest']}"


KIND = Kind("register", (_read, _base, _branch, _upload, _commit, version_commit.fetch), _record, _abandon, _serial)
