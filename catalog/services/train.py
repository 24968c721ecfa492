"""Record a training run: its code and environment at the start, its inputs as they are handed out, what it opened.

A local folder is read by the service itself and known by the fingerprints of its episodes, whatever it is called.
"""

from __future__ import annotations

import os
from pathlib import Path

import validators.errors
from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.approved import Approved, Wanted
from catalog.domain.base import canonical, file_sha256, sha256
from catalog.domain.run import FolderInput, Run, RunEnd, RunStart, VersionInput
from catalog.errors import Conflict, Invalid, Refused
from catalog.services import lineage_edges, opened
from catalog.services.approved import approved
from catalog.services.context import Context, find_run, given_folder, put_run
from catalog.storage.snapshot import safe_path
from validators import fingerprint, readers

MAX_FILES = 200_000


def start_run(context: Context, by: str, start: RunStart) -> Run:
    """Begin a run."""
    with context.records.write(by) as write:
        run = Run(id=context.ids(), start=start, by=by, started_at=write.now)
        write.insert(tables.run, run, id=run.id, name=start.name)
        write.audit("run.start", run.id, name=start.name, commit=start.code.commit, dirty=start.code.dirty)
    return run


def give_version(context: Context, by: str, run_id: str, wanted: Wanted) -> Approved:
    """Hand the approved version that fits to a run, and record that it was handed out."""
    with context.records.read() as c:
        find_run(c, run_id)
    answer = approved(context, wanted)
    item = VersionInput(
        dataset=answer.dataset, manifest_digest=answer.manifest_digest, tag=answer.tag, commit=answer.commit
    )
    _add_input(context, by, run_id, item)
    return answer


def give_folder(context: Context, by: str, run_id: str, path: str) -> FolderInput:
    """Record that a run uses a local folder: every file by digest, every episode by fingerprint."""
    folder = given_folder(path)
    files: dict[str, str] = {}
    for here, _, names in os.walk(folder, followlinks=False):
        for name in names:
            file = Path(here, name)
            if len(files) == MAX_FILES:
                raise Invalid("input-invalid", f"{path} has more than {MAX_FILES} files", do="register it as a dataset")
            relative = file.relative_to(folder).as_posix()
            if not safe_path(relative):
                raise Invalid("dataset-unreadable", f"{relative!r} is no plain name", where=path, do="rename it")
            if file.is_file() and not file.is_symlink():
                files[relative] = digest_of(file)
    fingerprints = _fingerprints(folder)
    item = FolderInput(
        path=path,
        digest_=sha256(canonical(files)),
        fingerprints=fingerprints,
        objects=tuple(sorted(set(files.values()))),
    )
    _add_input(context, by, run_id, item)
    return item


def _fingerprints(folder: Path) -> tuple[str, ...]:
    """Of every episode in a folder; a folder of no known format is known by the digests of its files alone.

    An episode that cannot be read could be anything, so a damaged recording is refused.
    """
    try:
        recording = readers.open(folder)
        found = fingerprint.fingerprints(recording)
        problems = (*recording.problems, *recording.late())
        bad = problems[0].message if problems else ""
    except validators.errors.MissingExtra as error:
        bad, found = error.detail, {}
    except validators.errors.UnreadableDataset as error:
        if error.kind == "format-unknown":
            return ()
        bad, found = str(error), {}
    if bad:
        raise Invalid("dataset-unreadable", bad, where=str(folder), do="mend or remove that file")
    return tuple(sorted(found.values()))


def digest_of(file: Path) -> str:
    """`sha256:…` of a file."""
    try:
        return file_sha256(file)
    except OSError as error:
        raise Invalid("path-unreadable", str(error), where=str(file), do="make it readable to the service") from error


def _add_input(context: Context, by: str, run_id: str, item: VersionInput | FolderInput) -> None:
    with context.records.write(by) as write:
        run = _open(write, by, run_id)
        if item in run.inputs:
            return
        put_run(write, run.model_copy(update={"inputs": (*run.inputs, item)}))
        lineage_edges.of_input(write, run, item)
        name = item.manifest_digest if isinstance(item, VersionInput) else item.digest_
        write.audit("run.input", run.id, kind=item.kind, digest=name)


def end_run(context: Context, by: str, run_id: str, end: RunEnd) -> Run:
    """End a run with what the client observed."""
    with context.records.write(by) as write:
        run = _open(write, by, run_id).model_copy(update={"end": end, "ended_at": write.now})
        put_run(write, run)
        lineage_edges.of_run_end(write, run)
        opened.by_run(write, run)
        write.audit("run.end", run.id, status=end.status, observed=end.observed, opened=len(end.opened))
    return run


def _open(write: Write, by: str, run_id: str) -> Run:
    """The run as it stands in this transaction, so that two inputs at once are both kept."""
    run = find_run(write.connection, run_id)
    if run.by != by:
        raise Refused("separation-of-duties", f"run {run_id} is {run.by}'s, not {by}'s", do="start your own run")
    if run.end is not None:
        raise Conflict("already-exists", f"run {run_id} has ended", do="start a new run")
    return run
