"""What each act adds to the lineage graph, and the OpenLineage event that says so, in the same transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from catalog.db import tables
from catalog.db.door import Write
from catalog.domain.check import CheckResult
from catalog.domain.dataset import Episode, Version
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.intent import Intent
from catalog.domain.model import Model
from catalog.domain.release import ReleaseManifest
from catalog.domain.run import FolderInput, Run, VersionInput
from catalog.services.same_weights import others
from lineage import events, urn
from lineage.edge import Edge
from lineage.events import Asset, Event, Job, Phase
from lineage.kinds import EdgeKind
from lineage.urn import Urn


def _add(write: Write, edges: list[Edge]) -> None:
    # two recordings of one version may be selected from the same parent
    write.new_edges(list(dict.fromkeys((str(e.src), str(e.dst), e.kind.value) for e in edges)))


def _emit(write: Write, event: Event) -> None:
    write.emit(events.to_json(event))


def _version(version: Version) -> Urn:
    return urn.version(version.dataset, version.manifest_digest)


def of_version(write: Write, version: Version, episodes: list[Episode]) -> None:
    """A version contains its episodes; each was recorded on something and is known by its fingerprint."""
    node = _version(version)
    edges = [Edge(node, urn.dataset(version.dataset), EdgeKind.CONTAINS)]
    for episode in episodes:
        own = urn.episode(version.dataset, version.manifest_digest, episode.root, episode.index)
        mark = urn.fingerprint(episode.fingerprint)
        edges += [
            Edge(own, node, EdgeKind.CONTAINS),
            Edge(own, mark, EdgeKind.OVERLAPS),
            Edge(mark, own, EdgeKind.OVERLAPS),
        ]
        if episode.robot:
            edges.append(Edge(urn.robot(episode.robot), own, EdgeKind.RECORDED_ON))
        if episode.rig:
            edges.append(Edge(urn.source("rig", episode.rig), own, EdgeKind.RECORDED_ON))
        if episode.site:
            edges.append(Edge(urn.source("site", episode.site), own, EdgeKind.RECORDED_ON))
    for root in version.manifest.roots:
        if root.selected_from is not None:
            edges += _selection(write, version, root.slug, root.selected_from.manifest, episodes)
    if version.rebased_from is not None:
        edges.append(Edge(urn.version(version.dataset, version.rebased_from), node, EdgeKind.REBASED_FROM))
    edges += [
        Edge(urn.version(version.dataset, parent), node, EdgeKind.DERIVED_FROM)
        for parent in version.manifest.parents
        if parent != version.rebased_from
    ]
    _add(write, edges)


def _selection(write: Write, version: Version, root: str, parent: str, episodes: list[Episode]) -> list[Edge]:
    e = tables.episode.c
    rows = write.connection.execute(select(e.fingerprint, e.root, e.number).where(e.manifest_digest == parent))
    originals = {row.fingerprint: (row.root, row.number) for row in rows}
    edges = [Edge(urn.version(version.dataset, parent), _version(version), EdgeKind.SELECTED_FROM)]
    for episode in episodes:
        if episode.root == root and episode.fingerprint in originals:
            old_root, number = originals[episode.fingerprint]
            old = urn.episode(version.dataset, parent, old_root, number)
            new = urn.episode(version.dataset, version.manifest_digest, root, episode.index)
            edges.append(Edge(old, new, EdgeKind.KEPT_FROM))
    return edges


def emit_ingest(write: Write, intent: Intent, version: Version, commit: str) -> None:
    """A recording arrived."""
    outputs = (Asset(_version(version), commit),)
    _emit(write, Event(Job.INGEST, Phase.COMPLETE, UUID(intent.id), write.now, outputs=outputs))


def of_check(write: Write, intent: Intent, version: Version, result: CheckResult) -> None:
    """A version was checked."""
    failed = tuple(sorted({f.check for f in result.findings if f.severity == "blocking"}))
    failed += tuple(s.root for s in result.suites if not s.passed and not failed) or (
        ("integrity",) if result.integrity and not failed else ()
    )
    digests = sorted({s.suite_digest for s in result.suites})
    verdict = events.CheckVerdict(
        suite=digests[0] if digests else result.manifest_digest,
        success=not failed,
        evaluated=sum(s.evaluated for s in result.suites),
        failed=failed,
    )
    inputs = (Asset(_version(version), result.commit),)
    _emit(write, Event(Job.CHECK, Phase.COMPLETE, UUID(intent.id), write.now, inputs=inputs, check=verdict))


def of_decision(write: Write, decision: Decision, answer: events.Decision, run_id: str) -> None:
    """Something was judged: by which policy, on which evidence."""
    node = urn.decision(decision.id)
    subject = (
        urn.version(decision.dataset, decision.subject) if decision.dataset is not None else urn.model(decision.subject)
    )
    edges = [Edge(subject, node, EdgeKind.JUDGED_BY)]
    if decision.policy is not None:
        edges.append(Edge(urn.policy(decision.policy), node, EdgeKind.JUDGED_BY))
    if decision.decides == "promotion":
        edges += [Edge(urn.evidence(e), node, EdgeKind.JUDGED_BY) for e in decision.evidence]
    _add(write, edges)
    job = Job.APPROVE if decision.decides == "dataset-approval" else Job.GATE
    inputs = (Asset(subject, decision.candidate),)
    _emit(write, Event(job, Phase.COMPLETE, UUID(run_id), write.now, inputs=inputs, decision=answer))


def of_input(write: Write, run: Run, item: VersionInput | FolderInput) -> None:
    """A run was given data."""
    target = urn.run(run.id)
    if isinstance(item, VersionInput):
        source = urn.version(item.dataset, item.manifest_digest)
        write.edge(str(source), str(target), EdgeKind.TRAINED_ON.value)
        return
    folder = urn.folder(item.digest_)
    for mark in sorted(set(item.fingerprints)):
        edge = Edge(urn.fingerprint(mark), folder, EdgeKind.CONTAINS)
        write.edge(str(edge.src), str(edge.dst), edge.kind.value)
    write.edge(str(folder), str(target), EdgeKind.TRAINED_ON.value)


def of_run_end(write: Write, run: Run) -> None:
    """A run ended."""
    phase = Phase.COMPLETE if run.end is not None and run.end.status == "finished" else Phase.FAIL
    inputs = tuple(
        Asset(urn.version(i.dataset, i.manifest_digest), i.commit)
        if isinstance(i, VersionInput)
        else Asset(urn.folder(i.digest_))
        for i in run.inputs
    )
    outputs = tuple(Asset(urn.model(digest)) for digest in run.outputs)
    error = None if phase is Phase.COMPLETE else (run.end.error if run.end and run.end.error else "the run failed")
    _emit(write, Event(Job.TRAIN, phase, UUID(run.id), write.now, inputs=inputs, outputs=outputs, error=error))


def of_model(write: Write, model: Model) -> None:
    """A model was registered; by a run, or by nobody."""
    node = urn.model(model.digest_)
    edges = []
    if model.run is not None:
        edges.append(Edge(urn.run(model.run), node, EdgeKind.PRODUCED))
    base = model.manifest.contract.base_model
    if base is not None and base.digest_ != model.digest_:
        edges.append(Edge(urn.model(base.digest_), node, EdgeKind.BASE_MODEL))
    if model.manifest.converted_from not in (None, model.digest_):
        edges.append(Edge(urn.model(str(model.manifest.converted_from)), node, EdgeKind.CONVERTED_FROM))
    for twin in (urn.model(other.digest_) for other in others(write.connection, model)):
        edges += [Edge(twin, node, EdgeKind.SAME_WEIGHTS), Edge(node, twin, EdgeKind.SAME_WEIGHTS)]
    _add(write, edges)


def of_plan(write: Write, plan: Plan) -> None:
    """A trial of a model was planned."""
    _add(write, [Edge(urn.model(plan.model), urn.plan(plan.id), EdgeKind.EVALUATED_BY)])


def of_evidence(write: Write, plan: Plan, evidence: Evidence) -> None:
    """Evidence about a model came, signed."""
    node = urn.evidence(evidence.digest_)
    _add(
        write,
        [
            Edge(urn.model(evidence.model), node, EdgeKind.EVALUATED_BY),
            Edge(urn.plan(plan.id), node, EdgeKind.EVALUATED_BY),
            Edge(urn.principal(evidence.signer), node, EdgeKind.SIGNED),
        ],
    )
    inputs = (Asset(urn.model(evidence.model)),)
    outputs = (Asset(node),)
    _emit(write, Event(Job.EVALUATE, Phase.COMPLETE, UUID(plan.id), write.now, inputs=inputs, outputs=outputs))


def of_signature(write: Write, principal: str, decision: Decision) -> None:
    """An approver signed a decision."""
    write.edge(str(urn.principal(principal)), str(urn.decision(decision.id)), EdgeKind.SIGNED.value)


def of_release(write: Write, manifest: ReleaseManifest, decision: Decision, run_id: str) -> None:
    """A model became a release, on the strength of a decision."""
    node = urn.release(manifest.id)
    _add(
        write,
        [
            Edge(urn.model(manifest.model), node, EdgeKind.RELEASED_AS),
            Edge(urn.decision(decision.id), node, EdgeKind.RELEASED_AS),
        ],
    )
    inputs = (Asset(urn.model(manifest.model)),)
    outputs = (Asset(node),)
    _emit(write, Event(Job.PROMOTE, Phase.COMPLETE, UUID(run_id), write.now, inputs=inputs, outputs=outputs))


def of_install(write: Write, release: str, device: str) -> None:
    """A device said that it installed a release."""
    write.edge(str(urn.release(release)), str(urn.device(device)), EdgeKind.INSTALLED_ON.value)
