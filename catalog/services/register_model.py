"""Register a model: every file by digest into the store, and the manifest that is its identity.

A model without a run is kept too: the record says that nobody recorded how it was fitted, and the gate reads that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.db import records, tables
from catalog.db.door import Write
from catalog.domain.base import strict_json
from catalog.domain.model import CONTRACT, Contract, Model, ModelManifest
from catalog.errors import AssayError, Conflict, Invalid
from catalog.services import lineage_edges, opened
from catalog.services.context import INTENT, Context, find_run, given_folder, put_run
from catalog.services.intent import Kind, Operations, Work
from catalog.services.model_files import CONTRACT_BYTES, model_files
from catalog.services.upload import Outgoing, upload
from catalog.storage.port import CommitInfo

BRANCH = "models"


def start(operations: Operations, by: str, name: str, path: str, run: str | None, metrics: dict[str, float]) -> str:
    """Begin the registration of a model folder; returns the operation's id."""
    folder = given_folder(path)
    if run is not None and (record := operations.context.run(run)).by != by:
        raise Invalid("input-invalid", f"run {run} is {record.by}'s", do="register it as the run's author")
    manifest = read_manifest(name, folder)
    digest = manifest.digest()
    with operations.context.records.read() as c:
        if records.one(c, tables.model, Model, digest=digest) is not None:
            raise Conflict(
                "already-exists",
                f"these files are registered already as {name}",
                where=digest,
                do="use it: assay model show NAME",
            )
    arguments = {"name": name, "path": path, "run": run, "metrics": metrics, "manifest": manifest.document()}
    return operations.start("register-model", by, arguments).id


def read_manifest(name: str, folder: Path) -> ModelManifest:
    """The manifest of a model folder; its contract stands in `contract.json`."""
    files, contract = model_files(folder)
    if not any(file.path == CONTRACT for file in files):
        raise Invalid(
            "model-invalid",
            f"{folder} has no {CONTRACT}",
            do="describe inputs, outputs, units, rates, normalisation and runtime in it",
        )
    try:
        parsed = Contract.of(strict_json(contract, CONTRACT, CONTRACT_BYTES))
    except AssayError as error:
        raise Invalid("model-invalid", error.what, where=str(folder / CONTRACT), do="correct the contract") from error
    return ModelManifest(name=name, files=files, contract=parsed)


def _repository(arguments: Mapping[str, Any]) -> str:
    return f"model-{arguments['name']}"


def manifest_path(manifest: ModelManifest) -> str:
    """Where the manifest itself lies, beside the folder of its files."""
    return f"{_prefix(manifest)}.json"


def _prefix(manifest: ModelManifest) -> str:
    return manifest.digest().removeprefix("sha256:")


def _upload(work: Work) -> None:
    """Put the files and the manifest on the branch and commit; a commit with this intent's id is the one."""
    if _committed(work) is not None:
        return
    store, repository = work.context.store, _repository(work.arguments)
    manifest = ModelManifest.of(work.arguments["manifest"])
    store.ensure_repository(repository, {"assay.model": manifest.name})
    store.ensure_branch(repository, BRANCH, "main")
    prefix = _prefix(manifest)
    folder = Path(work.arguments["path"])
    files = [Outgoing(f"{prefix}/{f.path}", folder / f.path, f.size, f.sha256) for f in manifest.files]
    upload(work, repository, BRANCH, f"{prefix}/", files)
    store.upload(repository, BRANCH, manifest_path(manifest), manifest.canonical())
    store.commit(repository, BRANCH, f"Register {manifest.name}", {INTENT: work.intent.id})


def _committed(work: Work) -> CommitInfo | None:
    repository = _repository(work.arguments)
    if work.context.store.head(repository, BRANCH) is None:
        return None
    log = work.context.store.log(repository, BRANCH, 20)
    return next((c for c in log if c.metadata.get(INTENT) == work.intent.id), None)


def _confirm(work: Work) -> None:
    """The commit that holds the files."""
    commit = _committed(work)
    if commit is None:
        raise Conflict("version-outdated", "the commit of this model is gone", do="register it again")
    work.memory["commit"] = commit.id


def _record(work: Work, write: Write) -> dict[str, Any]:
    arguments = work.arguments
    manifest = ModelManifest.of(arguments["manifest"])
    digest = manifest.digest()
    model = Model(
        digest_=digest,
        manifest=manifest,
        run=arguments["run"],
        metrics=arguments["metrics"],
        repository=_repository(arguments),
        commit=work.memory["commit"],
        registered_by=write.actor,
        registered_at=write.now,
    )
    at = model.document()["registered_at"]
    write.insert(tables.model, model, digest=digest, name=manifest.name, registered_at=at)
    if model.run is not None:
        run = find_run(write.connection, model.run)
        put_run(write, run.model_copy(update={"outputs": (*run.outputs, digest)}))
    lineage_edges.of_model(write, model)
    work.context.standings.clear()  # what is live may hold the same weights: the next poll looks again
    opened.of_model(write, model)
    write.audit("model.register", digest, name=manifest.name, run=model.run, files=len(manifest.files))
    return {"name": manifest.name, "model": digest}


def _abandon(work: Work) -> None:
    """Drop what was staged; a commit without a record is never asked for."""
    repository = _repository(work.arguments)
    if work.context.store.head(repository, BRANCH) is not None:
        work.context.store.reset(repository, BRANCH)


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"model:{arguments['name']}"


KIND = Kind("register-model", (_upload, _confirm), _record, _abandon, _serial)


def model_bytes(context: Context, model: Model, path: str) -> bytes:
    """One file of a registered model, as the store has it now."""
    key = f"{_prefix(model.manifest)}/{path}"
    return b"".join(context.store.read(model.repository, model.commit, key))
