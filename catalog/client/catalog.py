"""The catalog as its users see it: every use case one method, typed both ways."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

from catalog.client.bytes import verified_write
from catalog.client.connection import document, part
from catalog.client.fleet import Fleet
from catalog.client.keys import Keys
from catalog.client.offline import connect
from catalog.client.operations import Progress, follow
from catalog.client.policies import Policies
from catalog.client.recalls import Recalls
from catalog.client.releases import Releases
from catalog.client.reports import Reports
from catalog.client.reruns import Reruns
from catalog.client.training import TrainingRun
from catalog.domain import requests
from catalog.domain.approved import Approved
from catalog.domain.audit import AuditEntry, AuditHead
from catalog.domain.dataset import Provenance
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, Line, PlanWithSeed
from catalog.domain.model import Model
from catalog.domain.principal import Principal
from catalog.domain.robot import Robot
from catalog.domain.run import Run
from catalog.domain.views import AuditReport, DatasetView, Lineage, ModelView, Status
from catalog.settings import Settings, load

DEFAULT_PRINCIPAL = "engineer"


class Catalog(Releases, Recalls, Keys, Policies, Fleet, Reruns, Reports):
    """A connection to the catalog of one home, as one principal."""

    def __init__(self, principal: str | None = None, settings: Settings | None = None) -> None:
        self.settings = settings if settings is not None else load()
        self.principal = principal or self.settings.principal or DEFAULT_PRINCIPAL
        self.http = connect(self.settings, self.principal)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self.http.close()

    def copy_store(
        self, url: str, namespace: str, key: str, secret: str, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Copy everything to another lakeFS; its credentials are kept nowhere."""
        fields = {"url": url, "namespace": namespace, "key": key, "secret": secret}
        return follow(self.http, "/store/copies", document(requests.CopyStore, **fields), progress)

    def datasets(self) -> list[DatasetView]:
        """All datasets."""
        return self.http.pages("/datasets", DatasetView)

    def dataset(self, slug: str) -> DatasetView:
        """One dataset with its versions, checks, approvals and quarantines."""
        return self.http.get(f"/datasets/{part(slug)}", DatasetView)

    def approved(
        self, dataset: str, version: str = "*", kind: str | None = None, licence: str | None = None
    ) -> Approved:
        """The newest approved version that fits."""
        path = f"/datasets/{part(dataset)}/approved"
        return self.http.get(path, Approved, version=version, kind=kind, licence=licence)

    def register(
        self,
        dataset: str,
        ingest: str,
        path: Path,
        provenance: Provenance,
        progress: Progress | None = None,
        *,
        by_reference: bool = False,
    ) -> dict[str, Any]:
        """Register a recording as an ingest of a dataset; by reference, its bytes stay only in that folder."""
        fields = {"ingest": ingest, "path": str(path.resolve()), "provenance": provenance, "by_reference": by_reference}
        body = document(requests.RegisterDataset, **fields)
        return follow(self.http, f"/datasets/{part(dataset)}/ingests", body, progress)

    def check(self, dataset: str, ingest: str, progress: Progress | None = None) -> dict[str, Any]:
        """Check the newest version of an ingest."""
        return follow(self.http, f"{_ingest(dataset, ingest)}/check", None, progress)

    def rebase(self, dataset: str, ingest: str, progress: Progress | None = None) -> dict[str, Any]:
        """Bring an ingest up to date with main."""
        return follow(self.http, f"{_ingest(dataset, ingest)}/rebase", None, progress)

    def judge_dataset(self, dataset: str, ingest: str) -> Decision:
        """Judge the newest version of an ingest."""
        return self.http.post(f"{_ingest(dataset, ingest)}/decision", Decision)

    def approve(self, envelope: dict[str, Any], progress: Progress | None = None) -> dict[str, Any]:
        """Approve a version with a signed decision."""
        return follow(self.http, "/datasets/approvals", document(requests.Signed, envelope=envelope), progress)

    def quarantine(self, dataset: str, ingest: str, episodes: tuple[int, ...], reason: str) -> dict[str, Any]:
        """Quarantine episodes of an ingest; none means all of it."""
        body = document(requests.QuarantineEpisodes, episodes=episodes, reason=reason)
        return follow(self.http, f"{_ingest(dataset, ingest)}/quarantine", body, None)

    def register_robot(self, name: str, suite: str, record: dict[str, Any]) -> Robot:
        """Record a robot."""
        return self.http.post("/robots", Robot, document(requests.RegisterRobot, name=name, suite=suite, record=record))

    def training_run(self, name: str, code: str | Path = ".", parameters: dict[str, Any] | None = None) -> TrainingRun:
        """A training run to use in a `with` block; what goes in and out is recorded."""
        return TrainingRun(self, name, Path(code), parameters or {})

    def run(self, run: str) -> Run:
        """One training run."""
        return self.http.get(f"/runs/{part(run)}", Run)

    def models(self) -> list[Model]:
        """All models."""
        return self.http.pages("/models", Model)

    def model(self, name: str) -> ModelView:
        """One model with its run, plans, evidence and decisions."""
        return self.http.get(f"/models/{part(name)}", ModelView)

    def register_model(
        self, name: str, path: Path, run: str | None = None, metrics: dict[str, float] | None = None
    ) -> dict[str, Any]:
        """Register the model in a folder; without a run nobody recorded how it was fitted."""
        body = document(requests.RegisterModel, name=name, path=str(path.resolve()), run=run, metrics=metrics or {})
        return follow(self.http, "/models", body, None)

    def fetch_model(self, model: Model, folder: Path) -> None:
        """Download a model's files, each verified against its digest."""
        for file in model.manifest.files:
            content = self.http.get_bytes(f"/models/{model.digest_}/files/{quote(file.path)}")
            verified_write(folder / file.path, content, file.sha256)

    def enrol_line(self, name: str, device_class: str) -> Line:
        """Enrol a model line, as an approver."""
        return self.http.post("/lines", Line, document(requests.EnrolLine, name=name, device_class=device_class))

    def plan(self, model: str, device_class: str, line: str) -> PlanWithSeed:
        """Plan an evaluation."""
        body = document(requests.MakePlan, model=model, device_class=device_class, line=line)
        return self.http.post("/plans", PlanWithSeed, body)

    def find_plan(self, plan: str) -> PlanWithSeed:
        """A plan and its seed."""
        return self.http.get(f"/plans/{part(plan)}", PlanWithSeed)

    def evidence(self, envelope: dict[str, Any]) -> Evidence:
        """Bring signed evidence."""
        return self.http.post("/evidence", Evidence, document(requests.Signed, envelope=envelope))

    def gate(self, model: str, device_class: str) -> Decision:
        """Judge a model for a device class."""
        body = document(requests.JudgeModel, device_class=device_class)
        return self.http.post(f"/models/{part(model)}/decision", Decision, body)

    def decision(self, digest: str) -> Decision:
        """A decision, exactly as recorded."""
        return self.http.get(f"/decisions/{part(digest)}", Decision)

    def trace(
        self, of: str, direction: Literal["up", "down"] = "up", depth: int = 16, *, episodes: bool = False
    ) -> Lineage:
        """Trace an asset up or down."""
        flag = "true" if episodes else "false"
        return self.http.get("/lineage", Lineage, of=of, direction=direction, depth=depth, episodes=flag)

    def audit(self, after: int = -1) -> list[AuditEntry]:
        """The audit log from behind an entry on, oldest first."""
        return self.http.pages("/audit", AuditEntry, after=str(after))

    def verify_audit(self, kept: AuditHead | None = None) -> AuditReport:
        """Have the whole chain recomputed."""
        return self.http.post("/audit/verify", AuditReport, document(requests.VerifyAudit, kept=kept))

    def me(self) -> Principal:
        """The principal of this connection, with its roles."""
        return self.http.get("/me", Principal)

    def status(self) -> Status:
        """How the catalog stands."""
        return self.http.get("/status", Status)


def _ingest(dataset: str, ingest: str) -> str:
    return f"/datasets/{part(dataset)}/ingests/{part(ingest)}"
