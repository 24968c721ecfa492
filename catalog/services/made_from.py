"""What a model was made from: its run, the runs of the models it continues, and what its run opened beside its inputs.

A tainted model does not become clean by being continued or by being registered again under another name: models that
hold a file of one another were made from the same. A file does not become an input by not being declared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from sqlalchemy import select

from catalog.db import records, tables
from catalog.domain.dataset import Version
from catalog.domain.model import Model
from catalog.domain.run import FolderInput, OpenedFile, Run, VersionInput
from catalog.policy.floor_facts import Ancestor
from catalog.services import version_commit
from catalog.services.context import Context

RECORDED = frozenset({".parquet", ".mcap", ".hdf5", ".h5", ".mp4", ".bag", ".arrow", ".feather", ".npy", ".npz"})


@dataclass(frozen=True)
class MadeFrom:
    """The model's run first, then those of its bases; the bases themselves; files opened that no input holds.

    `twins` are runs of models with the same weights: what they were given went in, what assures them assures only them.
    """

    runs: tuple[Run, ...]
    twins: tuple[Run, ...]
    bases: tuple[Ancestor, ...]
    versions: tuple[Version, ...]
    beside: tuple[OpenedFile, ...]

    @property
    def every_run(self) -> tuple[Run, ...]:
        """All runs that the weights are said to come from."""
        return self.runs + self.twins


def made_from(context: Context, model: Model, as_of: datetime | None = None) -> MadeFrom:
    """Follow base models, conversions, registered weights that a run opened, and models of the same weights.

    `as_of` leaves out what was registered later.
    """
    with context.records.read() as c:
        known = {m.digest_: m for m in records.many(c, tables.model, Model, order="digest")}
    known = {digest: m for digest, m in known.items() if as_of is None or m.registered_at <= as_of}
    runs: dict[str, Run] = {}
    twins: dict[str, Run] = {}
    bases: dict[str, Ancestor] = {}
    continued, same, seen = [model], list[Model](), {model.digest_}
    while continued or same:
        twin, current = not continued, (continued or same).pop()
        run = context.run(current.run) if current.run is not None else None
        if run is not None and run.id not in runs:
            (twins if twin else runs)[run.id] = run
        found = [(f"{name}, which it continues", digest, twin) for name, digest in _continued(current, run, known)]
        found += [(f"{m.manifest.name}, with the same weights", m.digest_, True) for m in _same(current, known)]
        for name, digest, as_twin in found:
            if digest in seen:
                continue
            seen.add(digest)
            base = known.get(digest)
            why = "not known here, so neither is what it was fitted on" if base is None else ""
            if base is not None:
                (same if as_twin else continued).append(base)
                why = "" if base.run is not None else "it has no training record"
            bases[digest] = Ancestor(name=f"model {name}"[:200], digest_=digest, approved=not why, why_not=why)
    every = (*runs.values(), *twins.values())
    inputs = [i for run in every for i in run.inputs if isinstance(i, VersionInput)]
    versions = {i.manifest_digest: context.version(i.manifest_digest) for i in inputs}
    models = [m for m in known.values() if m.digest_ in seen]
    beside = _beside(context, every, versions.values(), models, as_of)
    return MadeFrom(
        tuple(runs.values()), tuple(twins.values()), tuple(bases.values()), tuple(versions.values()), beside
    )


def _continued(model: Model, run: Run | None, known: dict[str, Model]) -> list[tuple[str, str]]:
    found = []
    if (base := model.manifest.contract.base_model) is not None:
        found.append((base.name, base.digest_))
    if model.manifest.converted_from is not None:
        found.append((model.manifest.name, model.manifest.converted_from))
    if run is not None and run.end is not None:
        read = {f.sha256 for f in run.end.opened} - model.manifest.weights()
        found += [(m.manifest.name, m.digest_) for m in known.values() if read & m.manifest.weights()]
    return found


def _same(model: Model, known: dict[str, Model]) -> list[Model]:
    weights = model.manifest.weights()
    return [m for m in known.values() if weights & m.manifest.weights()]


def _beside(
    context: Context, runs: Iterable[Run], versions: Iterable[Version], models: list[Model], as_of: datetime | None
) -> tuple[OpenedFile, ...]:
    """Opened files that hold recordings, by name or because the catalog knows their bytes, and are no input's."""
    held = {digest for m in models for digest in m.manifest.weights()}
    for version in versions:
        held |= {o.sha256 for o in version_commit.tables_of(context, version)[1]}
    opened: dict[str, OpenedFile] = {}
    for run in runs:
        held |= {digest for i in run.inputs if isinstance(i, FolderInput) for digest in i.objects}
        if run.end is not None:
            opened |= {f.sha256: f for f in run.end.opened}
    strange = [f for f in opened.values() if f.sha256 not in held]
    recorded = holders(context, {f.sha256 for f in strange}, as_of)
    return tuple(f for f in strange if f.sha256 in recorded or PurePosixPath(f.path).suffix.lower() in RECORDED)


def holders(context: Context, digests: set[str], as_of: datetime | None = None) -> dict[str, set[str]]:
    """Of objects that hold rows in any version: the fingerprints of all episodes in them, by the object's digest."""
    o, found, wanted = tables.object_.c, dict[str, set[str]](), sorted(digests)
    with context.records.read() as c:
        rows = [
            row
            for first in range(0, len(wanted), 500)
            for row in c.execute(
                select(o.manifest_digest, o.path, o.sha256).where(o.rows, o.sha256.in_(wanted[first : first + 500]))
            )
        ]
    for manifest in sorted({row.manifest_digest for row in rows}):
        version = context.version(manifest)
        if as_of is not None and version.registered_at > as_of:
            continue
        episodes, _ = version_commit.tables_of(context, version)
        for row in (r for r in rows if r.manifest_digest == manifest):
            found.setdefault(row.sha256, set()).update(e.fingerprint for e in episodes if row.path in e.objects)
    return found
