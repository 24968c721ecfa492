"""What the floor is told of a model: its inputs, their ancestry, what was set aside among them, its files, its seeds.

Nothing is a claim: inputs are looked up as they stand today, files are read again from the store. What cannot be
established is None or incomplete, and the floor says that it is missing.
"""

from __future__ import annotations

import io
from datetime import datetime

from catalog.domain.base import sha256
from catalog.domain.dataset import Version
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.model import Model
from catalog.domain.policy import ActivePolicy
from catalog.domain.run import FolderInput, VersionInput
from catalog.errors import AssayError
from catalog.policy.floor_facts import (
    Ancestor,
    AncestrySearch,
    DigestCheck,
    FileState,
    InputState,
    Overlap,
    OverlapSearch,
    QuarantineSearch,
    RecallSearch,
)
from catalog.policy.formats import unsafe
from catalog.services import version_commit
from catalog.services.approved import unsigned
from catalog.services.context import Context
from catalog.services.made_from import MadeFrom, holders
from catalog.services.register_model import model_bytes
from catalog.services.revoked import quarantined, recalled
from lineage import urn


def inputs(context: Context, origin: MadeFrom) -> tuple[InputState, ...]:
    """What was handed out, and what was opened without being handed out."""
    why = "opened, and no input of the run holds it"
    beside = [
        InputState(name=f.path[-200:], digest_=f.sha256, kind="file", approved=False, why_not=why)
        for f in origin.beside
    ]
    return (*(_input(context, i) for run in origin.every_run for i in run.inputs), *beside)


def _input(context: Context, item: VersionInput | FolderInput) -> InputState:
    if isinstance(item, FolderInput):
        why = "a local folder, not an approved version"
        return InputState(name=item.path[-200:], digest_=item.digest_, kind="folder", approved=False, why_not=why)
    why = _unapproved(context, item.manifest_digest)
    name = f"{item.dataset} {item.tag}"
    return InputState(name=name, digest_=item.manifest_digest, kind="version", approved=not why, why_not=why)


def _unapproved(context: Context, manifest_digest: str) -> str:
    approval = context.approval(manifest_digest)
    return "no approval is recorded" if approval is None else unsigned(context, approval)


def quarantine(context: Context, origin: MadeFrom, as_of: datetime | None = None) -> QuarantineSearch:
    """Search all that went in, or was opened, for quarantined content under any name."""
    names: dict[str, str] = {}
    count = 0
    for version in origin.versions:
        episodes, objects = version_commit.tables_of(context, version)
        count += len(episodes)
        names |= {e.fingerprint: f"{version.dataset} {e.root}" for e in episodes}
        names |= {o.sha256: f"{version.dataset} {o.path}" for o in objects if o.rows}
    for run in origin.every_run:
        for folder in (i for i in run.inputs if isinstance(i, FolderInput)):
            count += len(folder.fingerprints)
            names |= dict.fromkeys((*folder.fingerprints, *folder.objects), folder.path[-200:])
        if run.end is not None:
            names |= {f.sha256: f.path[-200:] for f in run.end.opened if f.sha256 not in names}
    inside = holders(context, {f.sha256 for f in origin.beside}, as_of)
    for file in origin.beside:
        names |= dict.fromkeys(inside.get(file.sha256, ()), file.path[-200:])
    return QuarantineSearch(episodes=count, found=quarantined(context, names))


def recall(
    context: Context,
    model: Model,
    origin: MadeFrom,
    proofs: list[tuple[Evidence, Plan]],
    policy: ActivePolicy | None,
    as_of: datetime | None = None,
) -> RecallSearch:
    """Whether a recall reached the model, its runs and bases, their inputs, its evidence, or its weights elsewhere."""
    nodes = {str(urn.model(model.digest_)): f"model {model.manifest.name}"}
    nodes |= {str(urn.model(b.digest_)): b.name for b in origin.bases}
    weights = set(model.manifest.weights())
    for run in origin.every_run:
        nodes[str(urn.run(run.id))] = f"training run {run.start.name}"
        weights |= {f.sha256 for f in run.end.opened} if run.end is not None else set()
        for folder in (i for i in run.inputs if isinstance(i, FolderInput)):
            nodes[str(urn.folder(folder.digest_))] = f"folder {folder.path[-180:]}"
            nodes |= {str(urn.fingerprint(m)): f"a recording in {folder.path[-180:]}" for m in folder.fingerprints}
            weights |= set(folder.objects)
    nodes |= {str(urn.evidence(e.digest_)): f"evidence of {e.signer}" for e, _ in proofs}
    if policy is not None:
        nodes[str(urn.policy(policy.digest_))] = f"policy {policy.policy.name}"
    return RecallSearch(nodes=len(nodes), found=recalled(context, nodes, frozenset(weights), as_of))


def ancestry(context: Context, origin: MadeFrom) -> AncestrySearch:
    """The inputs, the models that were continued, and what the inputs descend from.

    A version they were selected or rebased from needs no approval itself: what was kept of it is searched episode by
    episode.
    """
    seen = {base.digest_: base for base in origin.bases}
    pending, complete = list(origin.versions), True
    while pending:
        version = pending.pop()
        if version.manifest_digest in seen:
            continue
        why = _unapproved(context, version.manifest_digest)
        name = f"{version.dataset}/{version.ingest}"
        seen[version.manifest_digest] = Ancestor(
            name=name, digest_=version.manifest_digest, approved=not why, why_not=why
        )
        for parent in set(version.manifest.parents) - {version.rebased_from}:
            try:
                pending.append(context.version(parent))
            except AssayError:
                complete = False
    return AncestrySearch(ancestors=tuple(seen[d] for d in sorted(seen)), complete=complete)


def files(context: Context, model: Model) -> tuple[DigestCheck | None, tuple[FileState, ...]]:
    """Every file of the model, read again from the store; None when the store does not answer."""
    wrong, states = [], []
    for file in model.manifest.files:
        try:
            content = model_bytes(context, model, file.path)
        except AssayError as error:
            if error.kind == "store-unreachable":
                return None, ()
            wrong.append(file.path)
            continue
        if sha256(content) != file.sha256:
            wrong.append(file.path)
        states.append(FileState(path=file.path, why_not=unsafe(file.path, io.BytesIO(content))))
    return DigestCheck(verified=len(model.manifest.files), wrong=tuple(wrong)), tuple(states)


def overlap(context: Context, versions: list[Version], proofs: list[tuple[Evidence, Plan]]) -> OverlapSearch:
    """Seeds that training and evaluation share; a seed counts whatever its scene is called.

    Simulated trials hold no recorded episodes, so there are no fingerprints or objects on their side to compare.
    """
    trained: dict[str, str] = {}
    count = 0
    for version in versions:
        episodes, _ = version_commit.tables_of(context, version)
        count += len(episodes)
        trained |= {e.seed: f"{version.dataset} {e.root}/{e.index}" for e in episodes if e.seed}
    tried = {str(t.seed) for e, _ in proofs for t in e.statement.predicate.trials}
    found = [Overlap(kind="scene-seed", value=seed, training=trained[seed]) for seed in sorted(tried & trained.keys())]
    return OverlapSearch(training=count, evaluation=len(tried), found=tuple(found))
