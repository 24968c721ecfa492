"""The documents behind a report, by the names they have in its bundle; each is what its digest is taken over."""

from __future__ import annotations

from catalog.domain.base import Entity, canonical, sha256
from catalog.domain.report import AuditProofs, CatalogState, DocumentFile, ReleaseRecord
from catalog.reports.dossier import Data, Dossier, Proof, Training

MODEL, DECISION, POLICY = "model.json", "decision.json", "policy.json"
BINARY = ".parquet"  # the ending of files that are not text
STATE, AUDIT = "state.json", "audit.json"
RELEASE, ROLE, SIGNATURES = "release/manifest.json", "release/role.json", "release/record.json"


def documents(dossier: Dossier) -> dict[str, bytes]:
    """Every document that the report rests on, by name."""
    found = {MODEL: dossier.model.manifest.canonical(), DECISION: dossier.decision.canonical()}
    if dossier.policy is not None:
        found[POLICY] = dossier.policy.canonical()
    for number, training in enumerate(dossier.training, start=1):
        found |= _training(number, training)
    for number, data in enumerate(dossier.data, start=1):
        found |= _data(number, data)
    for number, proof in enumerate(dossier.proofs, start=1):
        found |= _proof(number, proof)
    found |= _release(dossier)
    quarantines = {q.id: q for d in dossier.data for q in d.quarantines}
    later = tuple(d.digest() for d in dossier.later)
    state = CatalogState(denials=dossier.denials, quarantines=tuple(quarantines.values()), later_decisions=later)
    found[STATE] = state.canonical()
    found[AUDIT] = AuditProofs(inclusions=dossier.inclusions, consistency=dossier.consistency).canonical()
    return found


def listed(files: dict[str, bytes]) -> tuple[DocumentFile, ...]:
    """Names, sizes and digests, by name."""
    return tuple(DocumentFile(name=n, size=len(b), sha256=sha256(b)) for n, b in sorted(files.items()))


def run_file(number: int) -> str:
    """The record of a training run; the model's own is the first."""
    return f"runs/{number}.json"


def reproduction_file(number: int, times: int) -> str:
    """One reproduction of a training run."""
    return f"runs/{number}-reproduction-{times}.json"


def data_file(number: int, name: str) -> str:
    """A document of one dataset version."""
    return f"data/{number}/{name}"


def evidence_file(number: int, name: str) -> str:
    """A document of one evidence."""
    return f"evidence/{number}/{name}"


def approval_file(number: int) -> str:
    """One approver's envelope over the decision."""
    return f"approvals/{number}.json"


def _training(number: int, training: Training) -> dict[str, bytes]:
    found = {run_file(number): training.run.canonical()}
    for times, reproduction in enumerate(training.reproductions, start=1):
        found[reproduction_file(number, times)] = reproduction.canonical()
    return found


def _data(number: int, data: Data) -> dict[str, bytes]:
    episodes = [e.document() for e in sorted(data.episodes, key=lambda e: (e.root, e.index))]
    found = {
        data_file(number, "manifest.json"): data.version.manifest.canonical(),
        data_file(number, "episodes.json"): canonical(episodes),
        data_file(number, "episodes.parquet"): data.table,
    }
    kept: tuple[tuple[str, Entity | None], ...] = (("approval.json", data.approval), ("decision.json", data.decision))
    found |= {data_file(number, name): e.canonical() for name, e in kept if e is not None}
    for signer, envelope in enumerate(data.envelopes, start=1):
        found[data_file(number, f"signature-{signer}.json")] = canonical(envelope)
    return found


def _proof(number: int, proof: Proof) -> dict[str, bytes]:
    found = {
        evidence_file(number, "plan.json"): proof.plan.canonical(),
        evidence_file(number, "envelope.json"): canonical(proof.evidence.envelope),
    }
    if proof.replay is not None:
        found[evidence_file(number, "replay.json")] = proof.replay.canonical()
    return found


def _release(dossier: Dossier) -> dict[str, bytes]:
    if dossier.release is None:
        return {}
    record = ReleaseRecord(
        role_version=dossier.release.role_version,
        proposed_by=dossier.release.proposed_by,
        allowed_at=dossier.release.allowed_at,
        allowed_by=dossier.release.allowed_by,
        published_at=dossier.release.published_at,
        role_signatures=tuple(s.role for s in dossier.signatures),
    )
    found = {
        RELEASE: dossier.release.manifest.canonical(),
        ROLE: dossier.release.role.encode(),
        SIGNATURES: record.canonical(),
    }
    for number, signature in enumerate(dossier.signatures, start=1):
        found[approval_file(number)] = canonical(signature.envelope)
    return found
