"""Judge a model for a device class: the floor and the class's policy over what the catalog established itself.

Class and environment choose the policy. Nothing is taken from a claim: digests are computed again, trials counted
again, inputs looked up as they stand today.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from catalog.db import records, tables
from catalog.domain.base import sha256
from catalog.domain.dataset import Version
from catalog.domain.decision import Decision, RuleVerdict
from catalog.domain.evidence import Evidence, Plan
from catalog.domain.model import Model
from catalog.domain.policy import ActivePolicy
from catalog.domain.principal import Key
from catalog.domain.run import FolderInput, VersionInput
from catalog.errors import AssayError
from catalog.policy.conditions import conditions
from catalog.policy.evaluate import evaluate
from catalog.policy.facts import PromotionFacts
from catalog.policy.floor import model_floor
from catalog.policy.floor_facts import (
    Ancestor,
    AncestrySearch,
    DigestCheck,
    EvidenceState,
    FileState,
    InputState,
    ModelFloor,
    Overlap,
    OverlapSearch,
    QuarantineSearch,
    RecallSearch,
)
from catalog.policy.formats import unsafe
from catalog.policy.recount import recount
from catalog.services import version_commit
from catalog.services.approved import unsigned
from catalog.services.context import Context
from catalog.services.decide import active_policy, clock, decide
from catalog.services.made_from import MadeFrom, holders, made_from
from catalog.services.register_model import model_bytes
from catalog.services.replay import replay_of
from catalog.services.revoked import quarantined, recalled
from catalog.services.run_assurance import assurance
from lineage import urn


@dataclass(frozen=True)
class Standing:
    """A model as it stands: the floor's verdicts, the policy's, and what they rest on."""

    floor: tuple[RuleVerdict, ...]
    rules: tuple[RuleVerdict, ...]
    data: tuple[str, ...]
    evidence: tuple[str, ...]
    conditions: tuple[str, ...]


def judge_model(context: Context, by: str, model_name: str, device_class: str) -> Decision:
    """Evaluate and record the decision on a model for a class."""
    model = context.model(model_name)
    policy = active_policy(context, "promotion", device_class)
    found = standing(context, model, policy, device_class)
    return decide(
        context,
        by,
        policy,
        found.floor + found.rules,
        decides="promotion",
        subject=model.digest_,
        subject_name=model.manifest.name,
        run=model.run,
        device_class=device_class,
        hardware=policy.policy.hardware if policy else None,
        data=found.data,
        evidence=found.evidence,
        conditions=found.conditions,
    )


def standing(
    context: Context,
    model: Model,
    policy: ActivePolicy | None,
    device_class: str,
    rests_on: tuple[str, ...] | None = None,
) -> Standing:
    """Everything the gate establishes about a model, as of now; `rests_on` names the evidence of an older decision."""
    run = context.run(model.run) if model.run is not None else None
    proofs = _evidence(context, model, device_class) if rests_on is None else _named(context, rests_on)
    origin = made_from(context, model)
    assured = assurance(context, origin.runs) if run else None
    versions = list(origin.versions)
    digests, files = _files(context, model)
    floor = ModelFloor(
        clock=clock(context),
        environment=context.environment,
        mode="single-operator",
        device_class=device_class,
        policy=policy.digest_ if policy else None,
        policy_environments=policy.policy.environments if policy else (),
        run=run.id if run else None,
        run_finished=run.end.status == "finished" if run and run.end else None,
        assurance=assured.level if assured else None,
        assurance_why=assured.why if assured else "",
        assurance_required=policy.policy.run_assurance if policy else None,
        inputs=_inputs(context, origin) if run and run.inputs else () if run else None,
        quarantine=_quarantine(context, origin) if run else None,
        recalled=_recalled(context, model, origin, proofs, policy),
        ancestry=_ancestry(context, origin) if run else None,
        digests=digests,
        overlap=_overlap(context, versions, proofs) if run and proofs else None,
        evidence=tuple(_state(context, e, p) for e, p in proofs),
        files=files,
    )
    facts = proven_facts(context, proofs[-1]) if proofs else PromotionFacts().facts()
    return Standing(
        floor=model_floor(floor),
        rules=evaluate(policy.policy, facts) if policy is not None else (),
        data=tuple(v.manifest_digest for v in versions),
        evidence=tuple(e.digest_ for e, _ in proofs),
        conditions=_conditions(context, policy, proofs, facts),
    )


def _evidence(context: Context, model: Model, device_class: str) -> list[tuple[Evidence, Plan]]:
    """The evidence of the newest plan of this class; an abandoned plan leaves none."""
    with context.records.read() as c:
        plans = records.many(c, tables.plan, Plan, order="id", model=model.digest_, device_class=device_class)
        if not plans:
            return []
        newest = max(plans, key=lambda p: p.at)
        found = records.one(c, tables.evidence, Evidence, plan=newest.digest())
    return [] if found is None else [(found, newest)]


def _named(context: Context, digests: tuple[str, ...]) -> list[tuple[Evidence, Plan]]:
    """Evidence by digest, with the plans it fulfils."""
    with context.records.read() as c:
        found = [records.one(c, tables.evidence, Evidence, digest=digest) for digest in digests]
    return [(e, context.plan(e.plan).plan) for e in found if e is not None]


def proven_facts(context: Context, proof: tuple[Evidence, Plan]) -> dict[str, Any]:
    """The table counted again, and how much of it the catalog ran again."""
    evidence, plan = proof
    facts = recount(context.plan(plan.id), evidence.statement.predicate, evidence.received_at)
    replay = replay_of(context, evidence.digest_)
    if replay is not None and replay.state == "done" and replay.by_same(evidence.statement.predicate.harness):
        facts["success"] |= {"replayed": replay.replayed, "replay_differing": replay.differing}
    return facts


def _state(context: Context, evidence: Evidence, plan: Plan) -> EvidenceState:
    with context.records.read() as c:
        key = records.one(c, tables.key, Key, keyid=evidence.keyid)
    # a lost key's earlier evidence stands, a compromised key's never did
    enrolled = key is not None and not key.counts("evaluator", evidence.received_at)
    replay = replay_of(context, evidence.digest_)
    return EvidenceState(
        digest_=evidence.digest_,
        signer=evidence.signer,
        enrolled=enrolled,
        expires_at=evidence.expires_at,
        plan_policy=plan.policy,
        why_not=replay.against(evidence.statement.predicate.harness) if enrolled and replay else "",
    )


def _inputs(context: Context, origin: MadeFrom) -> tuple[InputState, ...]:
    """What was handed out, and what was opened without being handed out."""
    why = "opened, and no input of the run holds it"
    beside = [
        InputState(name=f.path[-200:], digest_=f.sha256, kind="file", approved=False, why_not=why)
        for f in origin.beside
    ]
    return (*(_input(context, i) for run in origin.runs for i in run.inputs), *beside)


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


def _quarantine(context: Context, origin: MadeFrom) -> QuarantineSearch:
    """Search all that went in, or was opened, for quarantined content under any name."""
    names: dict[str, str] = {}
    count = 0
    for version in origin.versions:
        episodes, objects = version_commit.tables_of(context, version)
        count += len(episodes)
        names |= {e.fingerprint: f"{version.dataset} {e.root}" for e in episodes}
        names |= {o.sha256: f"{version.dataset} {o.path}" for o in objects if o.rows}
    for run in origin.runs:
        for folder in (i for i in run.inputs if isinstance(i, FolderInput)):
            count += len(folder.fingerprints)
            names |= dict.fromkeys((*folder.fingerprints, *folder.objects), folder.path[-200:])
        if run.end is not None:
            names |= {f.sha256: f.path[-200:] for f in run.end.opened if f.sha256 not in names}
    inside = holders(context, {f.sha256 for f in origin.beside})
    for file in origin.beside:
        names |= dict.fromkeys(inside.get(file.sha256, ()), file.path[-200:])
    return QuarantineSearch(episodes=count, found=quarantined(context, names))


def _recalled(
    context: Context,
    model: Model,
    origin: MadeFrom,
    proofs: list[tuple[Evidence, Plan]],
    policy: ActivePolicy | None,
) -> RecallSearch:
    """Whether a recall reached the model, its runs and bases, their inputs, its evidence, or its weights elsewhere."""
    nodes = {str(urn.model(model.digest_)): f"model {model.manifest.name}"}
    nodes |= {str(urn.model(b.digest_)): f"{b.name}, which it continues" for b in origin.bases}
    weights = set(model.manifest.weights())
    for run in origin.runs:
        nodes[str(urn.run(run.id))] = f"training run {run.start.name}"
        weights |= {f.sha256 for f in run.end.opened} if run.end is not None else set()
        for folder in (i for i in run.inputs if isinstance(i, FolderInput)):
            nodes[str(urn.folder(folder.digest_))] = f"folder {folder.path[-180:]}"
            nodes |= {str(urn.fingerprint(m)): f"a recording in {folder.path[-180:]}" for m in folder.fingerprints}
            weights |= set(folder.objects)
    nodes |= {str(urn.evidence(e.digest_)): f"evidence of {e.signer}" for e, _ in proofs}
    if policy is not None:
        nodes[str(urn.policy(policy.digest_))] = f"policy {policy.policy.name}"
    return RecallSearch(nodes=len(nodes), found=recalled(context, nodes, frozenset(weights)))


def _ancestry(context: Context, origin: MadeFrom) -> AncestrySearch:
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


def _files(context: Context, model: Model) -> tuple[DigestCheck | None, tuple[FileState, ...]]:
    """Read every file of the model again from the store."""
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


def _overlap(context: Context, versions: list[Version], proofs: list[tuple[Evidence, Plan]]) -> OverlapSearch:
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


def _conditions(
    context: Context, policy: ActivePolicy | None, proofs: list[tuple[Evidence, Plan]], facts: dict[str, Any]
) -> tuple[str, ...]:
    """What the claim is conditional on, in words that travel with the decision."""
    said = ["single operator: no separation of people was enforced; valid in demo and dev only"]
    if policy is not None and policy.policy.hardware is not None:
        said.append(f"hardware: {policy.policy.hardware}")
    for evidence, plan in proofs:
        said += conditions(plan, evidence.statement.predicate, facts, replay_of(context, evidence.digest_))
    return tuple(said)
