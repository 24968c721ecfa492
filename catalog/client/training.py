"""A training run: approved versions in, verified at first open; what the process really opened; the model out."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from catalog.client import environment
from catalog.client.approved_data import ApprovedData
from catalog.client.connection import document
from catalog.client.observe import Observer
from catalog.client.offline import Offline
from catalog.domain import requests
from catalog.domain.approved import Approved, Wanted
from catalog.domain.run import FolderInput, Run, RunEnd, RunStart
from catalog.errors import Conflict, Invalid

if TYPE_CHECKING:
    from catalog.client.catalog import Catalog


class TrainingRun:
    """The record of one run, kept while the `with` block runs; a failure is recorded too."""

    def __init__(self, catalog: Catalog, name: str, code: Path, parameters: dict[str, Any]) -> None:
        self._catalog, self._name, self._code, self._parameters = catalog, name, code, parameters
        self._observer = Observer(exclude=(catalog.settings.keys_folder,))
        self._run: Run | None = None
        self._metrics: dict[str, float] = {}

    @property
    def id(self) -> str:
        """The run's id."""
        return self._open().id

    def __enter__(self) -> TrainingRun:
        start = document(
            RunStart,
            name=self._name,
            code=environment.code(self._code),
            parameters=self._parameters,
            environment=environment.environment(),
        )
        self._run = self._catalog.http.post("/runs", Run, start)
        self._observer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._observer.stop()
        if self._catalog.run(self.id).end is None:
            said = f"{kind.__name__}: {error}"[:4000] if kind is not None else ""
            self._end("failed" if kind is not None else "finished", said)

    def approved(
        self, dataset: str, version: str = "*", kind: str | None = None, licence: str | None = None
    ) -> ApprovedData:
        """The newest approved version that fits, recorded as an input of this run."""
        wanted = document(Wanted, dataset=dataset, version=version, kind=kind, licence=licence)
        answer = self._catalog.http.post(f"/runs/{self.id}/versions", Approved, wanted)
        self._observer.known(Path(answer.folder))
        return ApprovedData(answer, self._observer)

    def input(self, path: str | Path) -> Path:
        """Use a local folder; the service reads it and knows its episodes by their fingerprints."""
        folder = Path(path).resolve()
        self._catalog.http.post(
            f"/runs/{self.id}/folders", FolderInput, document(requests.GiveFolder, path=str(folder))
        )
        return folder

    def output(self, path: str | Path) -> Path:
        """The folder to write the model to: this one, or another while the run is reproduced."""
        http = self._catalog.http
        return http.output(Path(path)) if isinstance(http, Offline) else Path(path)

    def log_metrics(self, metrics: dict[str, float]) -> None:
        """Numbers that the job wants kept with its run; finite ones."""
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Invalid("input-invalid", f"metric {name!r} is {value}", do="log a finite number, or none")
        self._metrics |= metrics

    def log_model(self, name: str, folder: str | Path, metrics: dict[str, float] | None = None) -> str:
        """End the observation and register the model in a folder; returns its digest.

        What the process opened until now belongs to this model, so nothing is read for it afterwards.
        """
        self.log_metrics(metrics or {})
        self._observer.stop()
        self._end("finished", "")
        result = self._catalog.register_model(name, Path(folder), self.id, self._metrics)
        return str(result["model"])

    def _end(self, status: Any, error: str) -> None:
        end = RunEnd(
            status=status,
            opened=tuple(self._observer.files()),
            observed=self._observer.whole,
            metrics=self._metrics,
            error=error,
        )
        self._run = self._catalog.http.post(f"/runs/{self.id}/end", Run, end)

    def _open(self) -> Run:
        if self._run is None:
            raise Conflict("operation-running", "the run has not begun", do="use it in a `with` block")
        return self._run
