"""The data behind a report: the run that made the model, every version, its episodes, and who approved it."""

from __future__ import annotations

import io
import re
from datetime import datetime

from catalog.attest.bundle import untrusted
from catalog.attest.case import Case
from catalog.attest.envelope import DECISION, EVIDENCE, verify
from catalog.domain.base import Entity, sha256, strict_json
from catalog.domain.dataset import Approval, Manifest
from catalog.domain.decision import Decision
from catalog.domain.model import ModelManifest
from catalog.domain.reproduction import Reproduction, ReproductionStatement
from catalog.domain.run import Run

REPRODUCTION = re.compile(r"runs/\d+-reproduction-\d+\.json")


def check(case: Case, model: ModelManifest) -> None:
    """Every manifest that the decision names, by its digest, and the run that produced this model."""
    decision, opened = case.known, case.opened
    manifests = opened.numbered("data", "manifest.json")
    digests = [sha256(opened.bytes_of(name)) for name in manifests]
    if sorted(digests) != sorted(decision.data):
        raise untrusted("the data manifests are not those that the decision names", "data")
    episodes = sum(
        _version(case, name.rpartition("/")[0], digest) for name, digest in zip(manifests, digests, strict=True)
    )
    case.say("data", f"{len(manifests)} versions with {episodes:,} episodes: manifests, episode tables and approvals")
    if decision.run is None:
        case.say("training", "no run is recorded")
        return
    run = opened.document("runs/1.json", Run)
    if run.id != decision.run or model.digest() not in run.outputs:
        raise untrusted("the run in the report did not produce this model", "runs/1.json")
    case.log.one("run.start", run.id)
    used = {i.manifest_digest for i in run.inputs if i.kind == "version"}
    if not used <= set(decision.data):
        raise untrusted("the run used a version that the decision does not name", "runs/1.json")
    case.say("training", f"run {run.start.name} by {run.by} produced this model; {run.assurance}")
    for name in sorted(n for n in opened.files if REPRODUCTION.fullmatch(n)):
        _reproduction(case, name)


def _reproduction(case: Case, name: str) -> None:
    """What came of running a run again, by the word of an evaluator who is not its author."""
    found = case.opened.document(name, Reproduction)
    run = case.opened.document(name.partition("-")[0] + ".json", Run)
    action = "run.not-reproduced" if found.outcome == "differs" else "run.reproduced"
    entry = case.log.one(action, run.id, reproduction=found.id, outcome=found.outcome)
    verified = verify(found.envelope, EVIDENCE, case.root.keys, role="evaluator", at=entry.at)
    statement = ReproductionStatement.parse(verified.payload)
    signer = verified.keys[0].principal
    about = (found.run, statement.predicate.run, statement, signer, statement.predicate.evaluator)
    if about != (run.id, run.id, found.statement, found.signer, signer) or signer == run.by:
        raise untrusted("a reproduction is of another run, or not of who signed it", name)
    case.say("reproduced", f"{found.outcome}, run {run.start.name} again by {signer}")


def _version(case: Case, folder: str, digest: str) -> int:
    """One version; how many episodes it has."""
    opened = case.opened
    manifest = opened.document(f"{folder}/manifest.json", Manifest)
    table = opened.bytes_of(f"{folder}/episodes.parquet")
    listed = strict_json(opened.bytes_of(f"{folder}/episodes.json"), "episodes")
    if sha256(table) != manifest.episodes_table or _rows(table) != listed:
        raise untrusted("the episodes are not those of the manifest", folder)
    if sum(root.episodes for root in manifest.roots) != len(listed):
        raise untrusted("the manifest counts other episodes than it lists", folder)
    if f"{folder}/approval.json" in opened.files:
        _approval(case, folder, digest)
    elif case.claims.standing == "allowed":
        raise untrusted("nobody approved a version that the model was made from", folder)
    return len(listed)


def _rows(table: bytes) -> list[dict[str, object]]:
    import polars as pl  # late: most of the time that a check of a small report takes

    try:
        return pl.read_parquet(io.BytesIO(table)).sort("root", "index").to_dicts()
    except pl.exceptions.PolarsError as error:
        raise untrusted(f"a table of episodes cannot be read: {error}", "data") from error


def _approval(case: Case, folder: str, digest: str) -> None:
    approval = case.opened.document(f"{folder}/approval.json", Approval)
    decision = case.opened.document(f"{folder}/decision.json", Decision)
    if approval.manifest_digest != digest or approval.decision != decision.digest():
        raise untrusted("the approval is of another version or decision", folder)
    if (decision.subject, decision.decides, decision.verdict) != (digest, "dataset-approval", "eligible"):
        raise untrusted("the approved version was not judged eligible", folder)
    entry = case.log.one("dataset.approve", digest, decision=decision.digest())
    envelopes = [n for n in case.opened.files if re.fullmatch(re.escape(folder) + r"/signature-\d+\.json", n)]
    signed = [_signer(case, name, decision, entry.at) for name in sorted(envelopes)]
    if approval.by not in signed:
        raise untrusted(f"{approval.by} approved a version and did not sign its decision", folder)


def _signer(case: Case, name: str, decision: Entity, at: datetime) -> str:
    verified = verify(case.opened.bytes_of(name), DECISION, case.root.keys, role="steward", at=at)
    if verified.payload != decision.canonical():
        raise untrusted("a signature is over another decision", name)
    return verified.keys[0].principal
