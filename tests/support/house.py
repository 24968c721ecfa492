"""A whole catalog for tests: a fresh home, a service in this process over the real embedded lakeFS, and its users' acts.

house = House.begin(tmp_path)          # home, tokens, keys
with house.open() as desk:             # a service; may be opened again on the same home
    desk.register("arm", "one", recording(tmp_path / "one"))
    desk.check("arm", "one")
    desk.approve("arm", "one")
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from catalog.attest.envelope import DECISION, sign
from catalog.attest.roles import sign_role
from catalog.bootstrap import KINDS, Service, open_service
from catalog.cli.home import _begin as begin_home
from catalog.domain.approved import Approved, Wanted
from catalog.domain.audit import AuditEntry
from catalog.domain.clock import Clock, Ids, uuid7, wall_clock
from catalog.domain.dataset import Provenance
from catalog.domain.decision import Decision
from catalog.domain.intent import Intent
from catalog.domain.release import Proposal, ReleaseView
from catalog.domain.requests import RegisterDataset
from catalog.domain.run import Code, Run, RunStart
from catalog.domain.views import DatasetView, Status
from catalog.errors import AssayError, from_kind
from catalog.services import (
    approve,
    check,
    promote,
    quarantine,
    rebase,
    register,
    register_model,
    release_records,
    rollback,
    show,
    train,
    withdraw,
)
from catalog.services.approve_release import approve_release
from catalog.services.approved import approved
from catalog.services.audit import entries
from catalog.services.context import Context, no_boundary
from catalog.services.intent import Operations
from catalog.services.judge_dataset import judge_dataset
from catalog.services.propose_release import propose_release
from catalog.services.register_robot import register_robot
from catalog.services.simulate import Command
from catalog.settings import Settings
from catalog.storage.lakefs import LakeFS
from tests.support.bench import World

PATIENCE = 60.0
Boundary = Callable[[str, str], None]


def ended(intent: Intent) -> dict[str, Any]:
    """The result of an intent; raises the problem it ended with."""
    if intent.problem is not None:
        raise from_kind(intent.problem.kind, intent.problem.title, where=intent.problem.where, do=intent.problem.do)
    assert intent.state == "done", intent
    assert intent.result is not None
    return intent.result


XML = """<mujoco model="bench-arm"><worldbody><body name="base"><joint name="base_yaw" type="hinge" axis="0 0 1"/>
<geom type="sphere" size="0.1"/><body name="upper" pos="0 0 0.1"><joint name="shoulder" type="hinge" axis="0 1 0"/>
<geom type="sphere" size="0.1"/><body name="lower" pos="0 0 0.2"><joint name="elbow" type="hinge" axis="0 1 0"/>
<geom type="sphere" size="0.1"/></body></body></body></worldbody></mujoco>"""
ROBOT: dict[str, Any] = {"schema": "robot@1", "name": "bench-arm", "model": XML}  # what recordings are made on


@dataclass
class Desk:
    """The acts of every user on one open service, in this process."""

    service: Service

    @property
    def context(self) -> Context:
        """Records, store, clock."""
        return self.service.context

    @property
    def store(self) -> LakeFS:
        """The store, with the catalog's own key: for tests that act behind its back."""
        return self.context.lakefs

    def wait(self, operation: str) -> Intent:
        """The intent when the service is done with it for now."""
        return self.service.operations.wait(operation, PATIENCE)

    def settle(self) -> None:
        """Let the service finish or abandon every intent that is open."""
        operations = self.service.operations
        for intent in operations.running():
            operations.recover()
            operations.wait(intent.id, PATIENCE)

    def restarted(self, boundary: Boundary = no_boundary) -> Desk:
        """The same records and store under another service, as after a crash: what was in memory is gone."""
        context = replace(self.context, boundary=boundary)
        return Desk(replace(self.service, context=context, operations=Operations(context, KINDS)))

    def begin_register(
        self, dataset: str, ingest: str, folder: Path, by: str = "engineer", *, by_reference: bool = False
    ) -> str:
        """Begin a registration; its provenance is the one beside the data."""
        document = Provenance.parse((folder / "meta/provenance.json").read_bytes())
        wanted = RegisterDataset(ingest=ingest, path=str(folder), provenance=document, by_reference=by_reference)
        return register.start(self.service.operations, by, dataset, wanted)

    def register(self, dataset: str, ingest: str, folder: Path, by: str = "engineer") -> dict[str, Any]:
        """Register a recording."""
        return ended(self.wait(self.begin_register(dataset, ingest, folder, by)))

    def begin_rebase(self, dataset: str, ingest: str, by: str = "engineer") -> str:
        """Begin a rebase."""
        return rebase.start(self.service.operations, by, dataset, ingest)

    def begin_check(self, dataset: str, ingest: str, by: str = "engineer") -> str:
        """Begin a check."""
        return check.start(self.service.operations, by, dataset, ingest)

    def begin_quarantine(self, dataset: str, ingest: str, episodes: list[int], by: str = "steward") -> str:
        """Begin a quarantine."""
        return quarantine.start(self.service.operations, by, dataset, ingest, episodes, "bad")

    def begin_model(self, name: str, folder: Path, run: str | None = None, by: str = "engineer") -> str:
        """Begin the registration of a model."""
        return register_model.start(self.service.operations, by, name, str(folder), run, {})

    def check(self, dataset: str, ingest: str, by: str = "engineer") -> dict[str, Any]:
        """Check the newest version of an ingest."""
        return ended(self.wait(self.begin_check(dataset, ingest, by)))

    def rebase(self, dataset: str, ingest: str, by: str = "engineer") -> dict[str, Any]:
        """Bring an ingest up to date with main."""
        return ended(self.wait(self.begin_rebase(dataset, ingest, by)))

    def judge(self, dataset: str, ingest: str, by: str = "steward") -> Decision:
        """Judge the newest version of an ingest."""
        return judge_dataset(self.context, by, dataset, ingest)

    def sign(self, decision: Decision, by: str = "steward") -> dict[str, Any]:
        """The decision under a principal's own key."""
        settings = self.service.settings
        return sign(decision.canonical(), DECISION, settings.keys_folder / f"{by}.pem", settings.home)

    def begin_approve(self, envelope: dict[str, Any], by: str = "steward") -> str:
        """Begin an approval with a signed decision."""
        return approve.start(self.service.operations, by, envelope)

    def approve(self, dataset: str, ingest: str, by: str = "steward") -> dict[str, Any]:
        """Judge, sign and merge."""
        return ended(self.wait(self.begin_approve(self.sign(self.judge(dataset, ingest, by), by), by)))

    def bring(self, dataset: str, ingest: str, folder: Path) -> dict[str, Any]:
        """Register, check and approve."""
        self.register(dataset, ingest, folder)
        self.check(dataset, ingest)
        return self.approve(dataset, ingest)

    def quarantine(
        self, dataset: str, ingest: str, episodes: list[int] | None = None, reason: str = "bad", by: str = "steward"
    ) -> dict[str, Any]:
        """Quarantine episodes; none means all."""
        return ended(self.wait(quarantine.start(self.service.operations, by, dataset, ingest, episodes or [], reason)))

    def approved(self, dataset: str, version: str = "*") -> Approved:
        """The newest approved version."""
        return approved(self.context, Wanted(dataset=dataset, version=version))

    def start_run(self, name: str = "bench-run", by: str = "engineer") -> Run:
        """Begin a training run."""
        code = Code(commit="0" * 40, dirty=False)
        return train.start_run(self.context, by, RunStart(name=name, code=code))

    def register_model(self, name: str, folder: Path, run: str | None = None, by: str = "engineer") -> dict[str, Any]:
        """Register a model folder."""
        return ended(self.wait(self.begin_model(name, folder, run, by)))

    def key(self, principal: str) -> Path:
        """A principal's key file."""
        return self.service.settings.keys_folder / f"{principal}.pem"

    def sign_release(self, model: str, by: str, device_class: str = "demo-arm") -> Proposal:
        """One approver's act: both signatures over what the catalog proposes."""
        proposal = propose_release(self.context, by, model, device_class)
        role = sign_role(proposal.release.role.encode(), self.key(by))
        identity = proposal.release.manifest.id
        return approve_release(self.context, by, identity, self.sign(proposal.decision, by), role)

    def begin_promote(self, model: str, device_class: str = "demo-arm", by: str = "releaser") -> str:
        """Begin a promotion."""
        return promote.start(self.service.operations, by, model, device_class)

    def promote(self, model: str, device_class: str = "demo-arm") -> dict[str, Any]:
        """Promote what was signed."""
        return ended(self.wait(self.begin_promote(model, device_class)))

    def release(self, model: str) -> dict[str, Any]:
        """Signed by both approvers, and promoted."""
        for by in ("approver-1", "approver-2"):
            self.sign_release(model, by)
        return self.promote(model)

    def view(self, release: str) -> ReleaseView:
        """A release as it stands."""
        return release_records.view(self.context, release_records.release(self.context, release))

    def rollback(self, device_class: str = "demo-arm", to: str | None = None, reason: str = "") -> dict[str, Any]:
        """Go back."""
        return ended(self.wait(rollback.start(self.service.operations, "releaser", device_class, to, reason)))

    def withdraw(self, release: str, reason: str = "bad") -> dict[str, Any]:
        """Deny a release for good."""
        return ended(self.wait(withdraw.start(self.service.operations, "steward", release, reason)))

    def dataset(self, dataset: str) -> DatasetView:
        """A dataset with its versions."""
        return show.show_dataset(self.context, dataset)

    def status(self) -> Status:
        """How the catalog stands."""
        return show.status(self.context, self.service.settings.home)

    def audit(self) -> list[AuditEntry]:
        """The whole log."""
        return entries(self.context, -1, 1_000_000)[0]

    def fails(self, act: Callable[[], Any]) -> AssayError:
        """The error of our tree that the act must raise."""
        try:
            done = act()
        except AssayError as error:
            return error
        raise AssertionError(f"nothing refused it: {done!r}")


@dataclass
class House:
    """A home with tokens and keys beside it."""

    settings: Settings

    @classmethod
    def begin(cls, folder: Path, **options: Any) -> House:
        """A fresh home below `folder`, initialised; the worker polls only when a test says so."""
        settings = Settings(home=folder / "home", **{"poll_seconds": 3600.0, **options})
        begin_home(settings)
        return cls(settings)

    @contextmanager
    def open(
        self,
        boundary: Boundary = no_boundary,
        clock: Clock = wall_clock,
        ids: Ids = uuid7,
        harness: Callable[[str], Command] | None = None,
    ) -> Iterator[Desk]:
        """A service on this home after its worker's first round, closed at the end; what it replays is simulated in this
        house's world.
        """
        looked = threading.Event()

        def between(kind: str, now: str) -> None:
            if (kind, now) == ("worker", "round"):
                looked.set()
            boundary(kind, now)

        service = open_service(
            self.settings, boundary=between, clock=clock, ids=ids, harness=harness or self.world.command
        )
        try:
            assert looked.wait(PATIENCE), "the worker has not looked around"
            if service.context.robot(ROBOT["name"]) is None:
                register_robot(service.context, "steward", ROBOT["name"], "arm@1", ROBOT)
            yield Desk(service)
        finally:
            service.close()

    @cached_property
    def world(self) -> World:
        """Which trials fail, to whoever runs them again."""
        return World(self.settings.home.with_name("world"))

    @property
    def environment(self) -> dict[str, str]:
        """For a child process that opens this home."""
        url = self.settings.database_url
        return {**os.environ, **({"ASSAY_DATABASE_URL": url.get_secret_value()} if url is not None else {})}

    def token(self, principal: str) -> str:
        """A principal's token."""
        return (self.settings.keys_folder / f"{principal}.token").read_text()


def model_folder(folder: Path, seed: int = 0, **contract: Any) -> Path:
    """A tiny model: npz weights and its contract."""
    folder.mkdir(parents=True)
    np.savez(folder / "weights.npz", w=np.random.default_rng(seed).normal(size=(3, 3)))
    tensor = {"name": "state", "shape": [3], "dtype": "float32", "units": ["rad"] * 3, "names": ["a", "b", "c"]}
    document = {
        "inputs": [{**tensor, "rate_hz": 20.0}],
        "outputs": [{**tensor, "name": "action", "rate_hz": 20.0}],
        "normalisation": {},
        "preprocessing": "none",
        "runtime": {"name": "numpy", "version": "2"},
        "rate_hz": 20.0,
        "action_type": "joint position",
        **contract,
    }
    (folder / "contract.json").write_text(json.dumps(document))
    return folder


class Crash(BaseException):
    """The process is gone: no handler of the service may act on it."""


def crash_at(kind: str, boundary: str, error: type[BaseException] = Crash) -> Boundary:
    """A boundary callback that raises between two steps of an intent; the worker's own round is not what crashes."""

    def callback(here: str, now: str) -> None:
        if (here, now) == (kind, boundary) and threading.current_thread().name != "worker":
            raise error(f"{kind} at {boundary}")

    return callback
