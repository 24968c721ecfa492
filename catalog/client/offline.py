"""What a training job is answered while its run is reproduced: the recorded inputs, no service, no token.

`ASSAY_REPRODUCE` names the document with the answers, so the job's own code runs unchanged. Whatever else it asks for
is refused, and the model that it registers is copied to where its parent reads it.
"""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

from catalog.client.bytes import model_files
from catalog.client.connection import Connection, E
from catalog.domain import requests
from catalog.domain.approved import Approved, Wanted
from catalog.domain.base import Entity, strict_json
from catalog.domain.intent import Intent, OperationView
from catalog.domain.model import CONTRACT, Contract, ModelManifest
from catalog.domain.reproduction import Answers
from catalog.domain.run import Run, RunEnd
from catalog.errors import Invalid, Refused
from catalog.settings import Settings

MODELS, WRITTEN = "models", "written"  # below the parent's folder: what was registered, and where the job writes


def connect(settings: Settings, principal: str) -> Connection:
    """The service, or its stand-in while a run is reproduced."""
    if settings.reproduce is None:
        return Connection(settings, principal)
    try:
        answers = Answers.parse(settings.reproduce.read_bytes())
    except OSError as error:
        what = f"the answers cannot be read: {error}"
        raise Invalid("settings-invalid", what, where="ASSAY_REPRODUCE", do="unset it") from error
    return Offline(answers)


class Offline(Connection):
    """The service of one run that is reproduced."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._run = answers.run.model_copy(update={"inputs": (), "outputs": (), "end": None, "ended_at": None})
        self._left = list(answers.approved)
        self._registered: dict[str, Any] = {}

    def output(self, path: Path) -> Path:
        """Where the job may write a model that it wrote to this path the first time."""
        return Path(self.answers.out) / WRITTEN / path.name

    def get(self, path: str, entity: type[E], **query: Any) -> E:
        """The run, or the registration that was just made."""
        if entity is Run and path == f"/runs/{self._run.id}":
            return entity.of(self._run.document())
        if entity is not OperationView or not self._registered:
            _refuse(f"GET {path}")
        done = Intent(
            id=self._run.id,
            kind="register-model",
            by=self._run.by,
            started_at=self._run.started_at,
            state="done",
            step=1,
            arguments={},
            result=self._registered,
        )
        return entity.of(OperationView(intent=done, fraction=1.0, label="").document())

    def get_bytes(self, path: str) -> bytes:
        """Nothing."""
        _refuse(f"GET {path}")

    def pages(self, path: str, entity: type[E], **query: Any) -> list[E]:
        """Nothing."""
        _refuse(f"GET {path}")

    def post(self, path: str, entity: type[E], body: Entity | None = None, key: str | None = None) -> E:
        """The acts of a training run."""
        match body:
            case Wanted():
                return entity.of(self._approved(body).document())
            case RunEnd():
                self._run = self._run.model_copy(update={"end": body})
            case requests.RegisterModel():
                self._registered = self._keep(body)
                return entity.of(requests.Started(operation=self._run.id).document())
            case _ if path != "/runs":
                _refuse(f"POST {path}")
        return entity.of(self._run.document())

    def close(self) -> None:
        """Nothing is open."""

    def _approved(self, wanted: Wanted) -> Approved:
        """An input that the run recorded; one after the other where several fit."""
        known = self.answers.approved
        fits = [a for a in known if a.dataset == wanted.dataset and fnmatchcase(a.tag, wanted.version)]
        if not fits:
            _refuse(f"{wanted.dataset} {wanted.version}, which the run did not record as an input")
        found = next((a for a in fits if a in self._left), fits[-1])
        if found in self._left:
            self._left.remove(found)
        return found

    def _keep(self, asked: requests.RegisterModel) -> dict[str, Any]:
        source, target = Path(asked.path), Path(self.answers.out) / MODELS / asked.name
        contract = Contract.of(strict_json((source / CONTRACT).read_bytes(), CONTRACT, 2**20))
        shutil.copytree(source, target)
        manifest = ModelManifest(name=asked.name, files=model_files(target), contract=contract)
        return {"name": asked.name, "model": manifest.digest()}


def _refuse(what: str) -> NoReturn:
    raise Refused(
        "not-reproducible",
        f"a run that is reproduced asked for {what}",
        do="give a training job everything through `run.approved`, and nothing else of the catalog",
    )
