"""What an attacker needs: a catalog at work, the acts of an honest evaluator to bend, and a measure that nothing moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lakefs_sdk

from catalog.attest.envelope import EVIDENCE, sign
from catalog.attest.keys import generate
from catalog.db import records, tables
from catalog.domain.base import canonical, sha256
from catalog.domain.decision import Decision
from catalog.domain.evidence import Evidence, Line, PlanWithSeed
from catalog.domain.run import OpenedFile, Run, RunEnd
from catalog.errors import AssayError
from catalog.services import plan, train
from catalog.services.judge_model import judge_model
from catalog.services.receive_evidence import receive_evidence
from catalog.storage.port import CommitInfo
from tests.support.house import Desk, House, model_folder

CLASS = "demo-arm"
HOST = {"name": "h", "machine": "m", "processor": "p", "cores": 2, "memory_bytes": 1, "system": "s", "python": "3"}
GOVERNED = (
    *("approval", "signature", "version", "quarantine", "evidence", "plan", "line", "key", "policy", "model"),
    *("replay", "reproduction"),
)


@dataclass
class Attack:
    """An attacker's hands on one catalog: everybody's tokens and keys, and the store's own API."""

    house: House
    desk: Desk

    @property
    def keys(self) -> Path:
        return self.house.settings.keys_folder

    def key(self, name: str) -> Path:
        return self.keys / f"{name}.pem"

    def stray_key(self, name: str) -> Path:
        """A good key that nobody enrolled."""
        path = self.keys / f"{name}-stray.pem"
        if not path.exists():
            generate(path)
        return path

    # the store, with the store's own key

    @property
    def sdk(self) -> lakefs_sdk.ApiClient:
        return self.desk.store.client

    def unprotect(self, repository: str) -> None:
        lakefs_sdk.RepositoriesApi(self.sdk).set_branch_protection_rules(repository, [])

    def protect(self, repository: str) -> None:
        rules = [lakefs_sdk.BranchProtectionRule(pattern="main")]
        lakefs_sdk.RepositoriesApi(self.sdk).set_branch_protection_rules(repository, rules)

    def commit_on(self, repository: str, branch: str, path: str, content: bytes, **metadata: str) -> CommitInfo:
        """A commit behind the catalog's back; protection, if any, is emptied for it."""
        self.unprotect(repository)
        self.desk.store.upload(repository, branch, path, content)
        named = {k.replace("_", "."): v for k, v in metadata.items()}
        done = self.desk.store.commit(repository, branch, "nothing to see", named)
        self.protect(repository)
        return done

    def head(self, repository: str, ref: str = "main") -> str:
        found = self.desk.store.head(repository, ref)
        assert found is not None
        return found.id

    # runs, models, plans, evidence

    def run(self, name: str, *datasets: str, folders: tuple[Path, ...] = (), end: RunEnd | None = None) -> Run:
        """A finished, observed run on approved versions and local folders."""
        context = self.desk.context
        run = self.desk.start_run(name)
        for dataset in datasets:
            train.give_version(context, "engineer", run.id, train.Wanted(dataset=dataset))
        for folder in folders:
            train.give_folder(context, "engineer", run.id, str(folder))
        return train.end_run(context, "engineer", run.id, end or RunEnd(status="finished", observed=True))

    def model(self, name: str, folder: Path, run: Run | None, seed: int = 0, **contract: Any) -> str:
        """A registered model; returns its digest."""
        made = model_folder(folder, seed, **contract)
        return str(self.desk.register_model(name, made, run.id if run else None)["model"])

    def eligible(self, name: str, folder: Path, seed: int, line: str = "reach") -> str:
        """A model that everything speaks for, judged eligible; returns its digest."""
        digest = self.model(name, folder, self.run(f"{name}-run", "arm"), seed)
        with self.desk.context.records.read() as c:
            known = records.one(c, tables.line, Line, name=line, device_class=CLASS)
        if known is None:
            plan.enrol_line(self.desk.context, "approver-1", line, CLASS)
        self.bring(statement(self, self.plan(name, line)))
        assert self.gate(name).verdict == "eligible", blocked_by(self.gate(name))
        return digest

    def plan(self, model: str, line: str = "reach", by: str = "evaluator") -> PlanWithSeed:
        return plan.make_plan(self.desk.context, by, model, CLASS, line)

    def envelope(self, statement: dict[str, Any], key: Path | None = None) -> dict[str, Any]:
        return sign(canonical(statement), EVIDENCE, key or self.key("evaluator"))

    def bring(self, statement: dict[str, Any], by: str = "evaluator", key: Path | None = None) -> Evidence:
        """Evidence is received, and replayed as far as it can be."""
        evidence = receive_evidence(self.desk.context, by, self.envelope(statement, key))
        self.desk.settle()
        return evidence

    def gate(self, model: str, device_class: str = CLASS) -> Decision:
        return judge_model(self.desk.context, "viewer", model, device_class)

    # what must not move

    def state(self) -> dict[str, Any]:
        """Records, every `main` and its tags, what is approved, the epoch."""
        context = self.desk.context
        with context.records.read() as c:
            rows = {
                name: sha256(repr(sorted(map(str, c.execute(tables.metadata.tables[name].select()).all()))).encode())
                for name in GOVERNED
            }
            datasets = [(r.slug, r.repository) for r in c.execute(tables.dataset.select())]
        heads = {slug: self.head(repository) for slug, repository in datasets}
        return rows | {"heads": heads, "approved": self.approved(), "epoch": context.records.head()[1]}

    def approved(self) -> dict[str, str]:
        """What `approved()` answers for every dataset."""
        with self.desk.context.records.read() as c:
            slugs = list(c.execute(tables.dataset.select()).scalars())
        found = {}
        for slug in slugs:
            try:
                found[slug] = self.desk.approved(slug).manifest_digest
            except AssayError as error:
                found[slug] = error.kind
        return found

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing that is governed moves inside."""
        before = self.state()
        yield
        assert self.state() == before

    def refused(self, kind: str, act: Callable[[], Any]) -> AssayError:
        """The act is refused with this kind, and nothing governed moved."""
        with self.unchanged():
            error = self.desk.fails(act)
        assert error.kind == kind, error
        return error

    def audited(self, action: str, subject: str) -> bool:
        return any(e.action == action and e.subject == subject for e in self.desk.audit())


def statement(attack: Attack, planned: PlanWithSeed, wins: int = 400, **changes: Any) -> dict[str, Any]:
    """The complete, honest table of a plan with so many successes; `changes` replace parts of the predicate.

    In the attack's world the model fails on the other seeds, so that a table which says otherwise is a lie.
    """
    attack.house.world.fails(planned.seeds()[wins:], planned.seeds())
    now = attack.desk.context.clock()
    started = max(now, planned.plan.at)
    blocks = [
        {
            "load": load,
            "started_at": (started + timedelta(milliseconds=offset + 2 * i)).isoformat(),
            "milliseconds": [0.01] * 100,
        }
        for load, offset in (("idle", 0), ("loaded", 50))
        for i in range(20)
    ]
    predicate = {
        "plan": planned.plan_digest,
        "evaluator": "evaluator",
        "harness": {"name": "mujoco-reach", "version": "1", "origin": "simulated"},
        "host": {**HOST, "load_idle": 0.1, "load_loaded": 1.9},
        "started_at": started.isoformat(),
        "finished_at": (started + timedelta(milliseconds=200)).isoformat(),
        "trials": [trial(s, i < wins) for i, s in enumerate(planned.seeds())],
        "latency": blocks,
        **changes,
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": planned.plan.model_name, "digest": {"sha256": planned.plan.model.removeprefix("sha256:")}}
        ],
        "predicateType": "urn:assay:predicate:trials@1",
        "predicate": predicate,
    }


def trial(seed: int, success: bool, **more: Any) -> dict[str, Any]:
    """One trial."""
    return {
        "unit": f"seed-{seed}",
        "seed": seed,
        "outcome": "success" if success else "failure",
        "distance_m": 0.01 if success else 0.2,
        "duration_s": 2.0,
        "judge": "distance",
        **more,
    }


def opened(path: Path, input_: str | None = None) -> OpenedFile:
    """A file as the client would report it."""
    content = path.read_bytes()
    return OpenedFile(path=str(path), size=len(content), sha256=sha256(content), input=input_)


def verdict(decision: Decision, rule: str) -> tuple[str, str]:
    """One rule's verdict and message."""
    found = next(r for r in decision.rules if r.rule == rule)
    return found.verdict, found.message


def blocked_by(decision: Decision) -> set[str]:
    """The names of the rules that block."""
    return {r.rule for r in decision.blocking()}


def newest_version(attack: Attack, dataset: str) -> str:
    """The digest of the newest version of a dataset."""
    return attack.desk.context.versions(dataset)[0].manifest_digest


def edit_bootstrap(house: House, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change who is enrolled when the home is first opened."""
    path = house.settings.home / "bootstrap.json"
    document = json.loads(path.read_text())
    change(document["newcomers"])
    path.write_text(json.dumps(document))


def one_evidence(attack: Attack, model: str) -> list[Evidence]:
    """Everything received about a model."""
    with attack.desk.context.records.read() as c:
        return records.many(c, tables.evidence, Evidence, order="id", model=model)
