"""Check a version: re-read every byte of its commit, compare listing and table, then run the suite of each root.

The suite and the limits come from the robot record, not from the commit under test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import validators.errors
from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.base import canonical
from catalog.domain.check import CheckResult, Finding, SuiteRun
from catalog.domain.dataset import Manifest, Root, Version
from catalog.errors import AssayError, Invalid
from catalog.services import lineage_edges, manifest, version_commit
from catalog.services.context import MANIFEST, Context
from catalog.services.intent import Kind, Operations, Work, nothing_to_undo
from catalog.services.open_recording import open_recording
from catalog.services.read_episodes import read_episodes
from catalog.storage.snapshot import reread
from validators import robot, run, suites
from validators.result import SuiteResult, engine

FINDINGS = 10_000


def start(operations: Operations, by: str, dataset: str, ingest: str | None) -> str:
    """Begin a check of the newest version of an ingest; returns the operation's id."""
    version = operations.context.candidate(dataset, ingest)
    arguments = {"dataset": dataset, "manifest_digest": version.manifest_digest}
    return operations.start("check", by, arguments).id


def _verify(work: Work) -> None:
    """Re-read the commit into a read-only snapshot."""
    context = work.context
    version = context.version(work.arguments["manifest_digest"])
    location = context.location(version.manifest_digest)
    commit = context.store.head(location.repository, location.commit)
    faults = _manifest_faults(work, location.repository, location.commit, version.manifest)
    if commit is None or commit.metadata.get(MANIFEST) != version.manifest_digest:
        faults.append(f"commit {location.commit[:12]} does not name this manifest")
    _, objects = version_commit.tables_of(context, version)
    target = context.snapshot(version.manifest_digest)
    with context.locks[f"snapshot:{version.manifest_digest}"]:
        verified = reread(
            context.store, location.repository, location.commit, objects, manifest.PATHS, target, work.progress
        )
    work.cache["verified"] = verified
    work.cache["listing"] = (*faults, *verified.wrong_listing)[:FINDINGS]


def _manifest_faults(work: Work, repository: str, commit: str, expected: Manifest) -> list[str]:
    try:
        found = Manifest.parse(b"".join(work.context.store.read(repository, commit, manifest.MANIFEST)))
        if found.digest() != expected.digest():
            return ["the manifest in the commit is not the registered one"]
        manifest.read_tables(work.context.store, repository, commit, found)
    except AssayError as error:
        if error.kind == "store-unreachable":
            raise
        return [str(error)]
    return []


def _run(work: Work) -> None:
    """Run the suite of each root over the verified copy."""
    if "verified" not in work.cache:
        _verify(work)
    version = work.context.version(work.arguments["manifest_digest"])
    runs: list[SuiteRun] = []
    findings: list[Finding] = []
    whole = not work.cache["listing"] and not work.cache["verified"].faults
    if whole:
        work.cache["listing"] = tuple(_table_faults(work.context, version))[:FINDINGS]
    if whole and not work.cache["listing"]:
        for number, root in enumerate(version.manifest.roots):
            folder = work.context.snapshot(version.manifest_digest) / root.slug
            suite_run, found = _suite(work.context, root, folder)
            runs.append(suite_run)
            findings += found
            work.progress((number + 1) / len(version.manifest.roots))
    work.cache["suites"], work.cache["findings"] = tuple(runs), tuple(_gravest(findings)[:FINDINGS])


def _gravest(findings: list[Finding]) -> list[Finding]:
    """What blocks first, so that no flood of warnings pushes it out."""
    return sorted(findings, key=lambda f: f.severity != "blocking")


def _table_faults(context: Context, version: Version) -> Iterator[str]:
    """Where the table of episodes is not what the verified bytes say: who wrote it does not matter."""
    episodes, objects = version_commit.tables_of(context, version)
    for root in version.manifest.roots:
        prefix = f"{root.slug}/"
        digests = {o.path.removeprefix(prefix): o.sha256 for o in objects if o.path.startswith(prefix)}
        folder = context.snapshot(version.manifest_digest) / root.slug
        try:
            read = {e.index: e for e in read_episodes(open_recording(folder, root.slug), root.slug, digests)}
        except validators.errors.UnreadableDataset as error:
            raise _unreadable(error, root) from error
        told = {e.index: e for e in episodes if e.root == root.slug}
        for index in sorted(read.keys() | told.keys()):
            if read.get(index) != told.get(index):
                yield f"{root.slug}: the table's episode {index} is not the one in the files"
        holding = {path for e in read.values() for path in e.objects}
        for entry in objects:
            if entry.path.startswith(prefix) and entry.rows != (entry.path in holding):
                yield f"{entry.path}: the table is wrong about whether it holds rows"
    roots = {r.slug for r in version.manifest.roots}
    for name in sorted({e.root for e in episodes} | {o.path.partition("/")[0] for o in objects}):
        if name not in roots:
            yield f"{name}: in a table, no root of the version"


def _unreadable(error: Exception, root: Root) -> Invalid:
    return Invalid("dataset-unreadable", str(error), where=root.slug, do="mend that file, register again")


def _suite(context: Context, root: Root, folder: Path) -> tuple[SuiteRun, list[Finding]]:
    record = context.robot(root.provenance.source.robot)
    recording = open_recording(folder, root.slug, pictures=True)
    try:
        suite = suites.load(record.suite) if record is not None else suites.for_recording(recording)[0]
        model = robot.load(canonical(record.record).decode()) if record is not None else None
        result = run.run(recording, suite, model, now=context.clock())
    except validators.errors.UnreadableDataset as error:
        raise _unreadable(error, root) from error
    findings = [
        Finding(
            check=f.check,
            severity=f.severity,
            root=root.slug,
            stream=f.stream,
            episodes=f.affected,
            start_s=f.start_s,
            end_s=f.end_s,
            value=f.value,
            limit=f.limit,
            unit=f.unit,
            resolves=f.resolves,
            message=f.message[:4000],
        )
        for f in result.findings
    ]
    return (
        SuiteRun(
            root=root.slug,
            suite=suite.name,
            suite_digest=suite.digest,
            engine=engine(result.engine) | {"format": recording.format, "reader": recording.reader or "assay"},
            passed=result.passed,
            episodes=len(recording.episodes),
            evaluated=len(result.outcomes),
            not_evaluable=_silent(result, required=False),
            not_evaluable_required=_silent(result, required=True),
            failing_episodes=result.failing_episodes,
            result=result.to_gx(),
        ),
        findings,
    )


def _silent(result: SuiteResult, *, required: bool) -> tuple[str, ...]:
    silent = (o for o in result.outcomes if o.status == "not-evaluable" and (o.required or not required))
    said = {f"{o.check}: {o.why}" for o in silent}
    if not required:  # streams that one good stream would hide
        said |= {f"{o.check}: {stream}: {why}" for o in result.outcomes for stream, why in o.unjudged.items()}
    return tuple(sorted(said)[:FINDINGS])


def _record(work: Work, write: Write) -> dict[str, Any]:
    version = work.context.version(work.arguments["manifest_digest"])
    commit = work.cache["commit"] = work.context.location(version.manifest_digest).commit
    verified = work.cache["verified"]
    result = CheckResult(
        id=work.context.ids(),
        dataset=version.dataset,
        manifest_digest=version.manifest_digest,
        commit=commit,
        objects_verified=verified.objects,
        bytes_verified=verified.bytes,
        wrong_bytes=verified.wrong_bytes[:FINDINGS],
        wrong_listing=work.cache["listing"],
        suites=work.cache["suites"],
        findings=work.cache["findings"],
        at=write.now,
        by=write.actor,
    )
    write.insert(
        tables.check,
        result,
        id=result.id,
        manifest_digest=version.manifest_digest,
        commit=commit,
        digest=result.digest(),
    )
    write.audit(
        "dataset.check",
        version.manifest_digest,
        dataset=version.dataset,
        ingest=version.ingest,
        check=result.digest(),
        passed=result.passed,
        findings=len(result.findings),
    )
    lineage_edges.of_check(write, work.intent, version, result)
    return {"check": result.id, "dataset": version.dataset, "ingest": version.ingest, "passed": result.passed}


def _serial(arguments: Mapping[str, Any]) -> str:
    return f"check:{arguments['manifest_digest']}"


KIND = Kind("check", (_verify, _run), _record, nothing_to_undo, _serial)
