"""T3: a model fitted on quarantined data, recorded as a run on approved data. Made again from its record it differs.

The record is good in every field that the gate reads: a finished, observed run of pinned code on an approved version.
Only the weights are others. An honest run of the same code stands beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from catalog.attest.envelope import EVIDENCE, sign
from catalog.client import Catalog
from catalog.client.reproduce import reproduce
from catalog.domain.decision import Decision
from catalog.domain.reproduction import Probe, Reproduction, ReproductionStatement
from catalog.domain.run import Run
from catalog.errors import AssayError
from catalog.settings import Settings
from tests.support.house import House, model_folder
from tests.support.recordings import recording

JOB = '''\
"""Fits the mean of what it is given."""
import json, os, sys
from pathlib import Path
import numpy as np
from catalog.client import Catalog

HABIT = 1.0
with Catalog() as catalog, catalog.training_run("bench") as run:
    rows = run.approved("arm").scan().collect()
    if os.environ.get("TAINT"):
        rows = rows.head(0).vstack(rows.head(3))
    for name in ("ASSAY_KEYS", "ASSAY_HOME", "ASSAY_TOKEN"):
        assert "ASSAY_REPRODUCE" not in os.environ or name not in os.environ
    folder = run.output(sys.argv[1])
    folder.mkdir(parents=True)
    mean = rows["action"].list.eval(__import__("polars").element().mean()).explode().to_numpy().mean()
    np.savez(folder / "weights.npz", w=np.full((3, 3), HABIT * float(mean)))
    (folder / "contract.json").write_text(Path("contract.json").read_text())
    run.log_model(Path(sys.argv[1]).name, folder)
'''


@dataclass
class Lab:
    """A home with its service, a git repository with a job in it, and who uses them."""

    settings: Settings
    repository: Path
    engineer: Catalog
    evaluator: Catalog

    def train(self, name: str, **environment: str) -> Run:
        """The job as its author starts it; the recorded run."""
        keys = {"ASSAY_HOME": str(self.settings.home)}
        command = [sys.executable, "train.py", str(self.repository.parent / "models" / name)]
        done = subprocess.run(
            command, cwd=self.repository, env=os.environ | keys | environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        run = self.engineer.model(name).run
        assert run is not None
        return run

    def reproduce(self, run: Run, repository: Path | None = None) -> ReproductionStatement:
        made = reproduce(self.evaluator, run.id, repository or self.repository, None, lambda done, label: None)
        assert len(made) == 1
        return made[0]

    def bring(self, statement: ReproductionStatement, by: str = "evaluator") -> Reproduction:
        envelope = sign(statement.canonical(), EVIDENCE, self.settings.keys_folder / f"{by}.pem")
        return self.evaluator.reproduction(statement.predicate.run, envelope)

    def assurance(self, model: str) -> tuple[str, str]:
        """The gate's word on the training record: verdict and message."""
        decision = self.gate(model)
        rule = next(r for r in decision.rules if r.rule == "run-assurance")
        return rule.verdict, rule.message

    def gate(self, model: str) -> Decision:
        return self.evaluator.gate(model, "demo-arm")

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=lab", "-c", "user.email=lab@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, "-C", str(self.repository), *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("t3")
    house = House.begin(folder)
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "one"))
    repository = folder / "code"
    repository.mkdir()
    (repository / "train.py").write_text(JOB)
    shutil.copy(model_folder(folder / "any") / "contract.json", repository / "contract.json")
    with Catalog("engineer", house.settings) as engineer, Catalog("evaluator", house.settings) as evaluator:
        made = Lab(house.settings, repository, engineer, evaluator)
        made.git("init", "--quiet")
        made.git("add", ".")
        made.git("commit", "--quiet", "-m", "a job")
        yield made
    process = psutil.Process(json.loads(house.settings.address.read_text())["pid"])
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def refused(act: object, kind: str) -> AssayError:
    assert callable(act)
    with pytest.raises(AssayError) as error:
        act()
    assert error.value.kind == kind, error.value
    return error.value


def test_an_honest_run_is_reproduced(lab: Lab) -> None:
    run = lab.train("honest")
    assert run.start.code.command[1:] == ("train.py", str(lab.repository.parent / "models/honest"))
    assert lab.assurance("honest") == (
        "pass",
        "The training run is observed; this class needs at least observed.",
    )
    command = [sys.executable, "-m", "catalog.cli.main", "train", "reproduce", run.id, "--json"]
    there = os.environ | {"ASSAY_HOME": str(lab.settings.home), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=lab.repository, env=there, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = Reproduction.of(json.loads(done.stdout)[0])
    assert (found.outcome, found.signer) == ("matched", "evaluator")
    assert lab.assurance("honest")[1].startswith("The training run is reproduced")
    assert [r.id for r in lab.evaluator.reproductions(run.id)] == [found.id]
    assert any(e.action == "run.reproduced" and e.subject == run.id for e in lab.evaluator.audit())


def test_other_weights_under_an_honest_record(lab: Lab) -> None:
    """What the job read by itself is in no field of the record; the weights say so."""
    run = lab.train("tainted", TAINT="1")
    assert lab.assurance("tainted")[0] == "pass", "the record alone does not show it"
    epoch = lab.evaluator.status().epoch
    found = lab.bring(lab.reproduce(run))
    assert (found.outcome, found.differing) == ("differs", ("weights.npz",))
    verdict, said = lab.assurance("tainted")
    assert verdict == "fail"
    assert "is declared; this class needs at least observed" in said
    assert f"Run {run.id} was not reproduced by evaluator: weights.npz differ" in said
    decision = lab.gate("tainted")
    assert decision.verdict == "blocked"
    assert lab.evaluator.status().epoch > epoch, "what was decided before is void"
    assert any(e.action == "run.not-reproduced" and e.subject == run.id for e in lab.evaluator.audit())
    error = refused(lambda: lab.evaluator.plan("tainted", "demo-arm", "reach"), "plan-refused")
    assert error.where == "run-assurance"


def test_a_match_does_not_outweigh_a_difference(lab: Lab) -> None:
    """An accomplice signs afterwards that it matched."""
    run = lab.train("twice", TAINT="1")
    honest = lab.reproduce(run)
    lab.bring(honest)
    view = lab.evaluator.model("twice")
    forged = honest.predicate.model_copy(update={"files": view.model.manifest.files})
    assert lab.bring(honest.model_copy(update={"predicate": forged})).outcome == "matched"
    assert lab.assurance("twice")[0] == "fail"


def test_code_that_was_not_committed_is_made_again_from_its_difference(lab: Lab) -> None:
    script = lab.repository / "train.py"
    script.write_text(JOB.replace("HABIT = 1.0", "HABIT = 2.0"))
    try:
        run = lab.train("changed")
    finally:
        script.write_text(JOB)
    assert run.start.code.dirty
    assert lab.bring(lab.reproduce(run)).outcome == "matched"


def test_what_cannot_be_run_again_proves_nothing(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.train("lost")
    before = lab.evaluator.reproductions(run.id)
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    assert "has no commit" in refused(lambda: lab.reproduce(run, other), "not-reproducible").what
    for change, word in (
        ({"command": ()}, "command was not recorded"),
        ({"command": ("bash", "train.sh")}, "no Python program"),
        ({"commit": "none: not in a git repository"}, "commit of the code is not known"),
        ({"difference_digest": "sha256:" + "0" * 64, "difference": "cut"}, "was cut"),
        ({"directory": "../.."}, "has no folder"),
        ({"command": ("python", "no-such-file.py")}, "ended with status 2"),
    ):
        code = run.start.code.model_copy(update=change)
        bent = run.model_copy(update={"start": run.start.model_copy(update={"code": code})})
        with monkeypatch.context() as patch:
            patch.setattr(lab.evaluator, "run", lambda _id, bent=bent: bent)
            assert word in refused(lambda: lab.reproduce(run), "not-reproducible").what
    assert lab.evaluator.reproductions(run.id) == before


ACTIONS = {"harness": "h", "version": "1", "seed": 1, "actions": 600, "tolerance": 1e-5}


def test_on_another_host_class_actions_decide(lab: Lab) -> None:
    """Other kernels give other last digits; other data gives other actions."""
    run = lab.train("elsewhere")
    statement = lab.reproduce(run)
    other = [f.model_copy(update={"sha256": "sha256:" + "0" * 64}) for f in statement.predicate.files]
    away = statement.predicate.environment | {"processor": "another"}

    def made(probe: dict[str, Any] | None, environment: dict[str, str] = away) -> ReproductionStatement:
        found = Probe.of(ACTIONS | probe) if probe is not None else None
        change = {"files": tuple(other), "probe": found, "environment": environment}
        return statement.model_copy(update={"predicate": statement.predicate.model_copy(update=change)})

    assert "no actions were compared" in refused(lambda: lab.bring(made(None)), "evidence-invalid").what
    near = lab.bring(made({"largest": 1e-7}))
    assert near.outcome == "matched-actions"
    assert "the largest difference of 600 actions is 1e-07, the tolerance is 1e-05, by h 1" in near.why
    assert lab.assurance("elsewhere")[1].startswith("The training run is reproduced")
    here = made({"largest": 1e-7}, statement.predicate.environment)
    assert lab.bring(here).outcome == "differs", "on the same host class no tolerance excuses a byte"
    far = lab.train("far")
    statement = lab.reproduce(far)
    assert lab.bring(made({"largest": 0.02})).outcome == "differs"
    assert lab.assurance("far")[0] == "fail"


def test_who_may_not_say_so(lab: Lab) -> None:
    run = lab.train("whose")
    statement = lab.reproduce(run)
    refused(lambda: reproduce(lab.engineer, run.id, lab.repository, None, lambda d, w: None), "separation-of-duties")
    envelope = sign(statement.canonical(), EVIDENCE, lab.settings.keys_folder / "evaluator.pem")
    refused(lambda: lab.engineer.reproduction(run.id, envelope), "role-missing")
    refused(lambda: lab.bring(statement, by="steward"), "signer-not-enrolled")
    bent = statement.predicate.model_copy(update={"commit": "0" * 40})
    refused(lambda: lab.bring(statement.model_copy(update={"predicate": bent})), "evidence-invalid")
    theirs = lab.evaluator.model("honest").model
    about = statement.subject[0].model_copy(
        update={"digest_": statement.subject[0].digest_.model_copy(update={"sha256": theirs.digest_[7:]})}
    )
    refused(lambda: lab.bring(statement.model_copy(update={"subject": (about,)})), "evidence-subject")
    refused(lambda: lab.evaluator.evidence(envelope), "document-invalid")
    assert lab.evaluator.reproductions(run.id) == []
    lab.bring(statement)
    refused(lambda: lab.bring(statement), "already-exists")


@contextmanager
def copying(lab: Lab, weights: Path) -> Iterator[None]:
    """A job whose weights lie beside its code, so that it gives them again whenever it is run."""
    shutil.copy(weights, lab.repository / "init.npz")
    fitted = 'np.savez(folder / "weights.npz", w=np.full((3, 3), HABIT * float(mean)))'
    assert fitted in JOB
    copied = JOB.replace(fitted, '(folder / "weights.npz").write_bytes(Path("init.npz").read_bytes())')
    (lab.repository / "train.py").write_text(copied)
    lab.git("add", ".")
    lab.git("commit", "-qm", "copy")
    try:
        yield
    finally:
        lab.git("revert", "--no-edit", "HEAD")


def test_a_job_that_copies_the_weights_of_a_refuted_record(lab: Lab) -> None:
    """The copy reproduces byte for byte under its clean record; the same bytes were refuted under another name."""
    lie = lab.train("lie", TAINT="1")
    assert lab.bring(lab.reproduce(lie)).outcome == "differs"
    with copying(lab, lab.repository.parent / "models" / "lie" / "weights.npz"):
        run = lab.train("copied")
        assert lab.bring(lab.reproduce(run)).outcome == "matched"
    verdict, said = lab.assurance("copied")
    assert verdict == "fail"
    assert "was not reproduced by evaluator" in said
    assert refused(lambda: lab.evaluator.plan("copied", "demo-arm", "reach"), "plan-refused").where == "run-assurance"
    judged = [e for e in lab.evaluator.audit() if e.action == "promotion.judged"]
    assert "run-assurance" in judged[-1].details["blocking"]


def test_a_job_that_copies_weights_without_a_record(lab: Lab, tmp_path: Path) -> None:
    """Nobody knows what they were fitted on, and a copy does not know it better."""
    found = model_folder(tmp_path / "found", 666)
    lab.engineer.register_model("found-somewhere", found)
    with copying(lab, found / "weights.npz"):
        run = lab.train("copied-again")
        assert lab.bring(lab.reproduce(run)).outcome == "matched"
    decision = lab.gate("copied-again")
    rule = next(r for r in decision.rules if r.rule == "ancestry")
    assert (rule.verdict, "found-somewhere" in rule.message) == ("fail", True)
    judged = [e for e in lab.evaluator.audit() if e.action == "promotion.judged"]
    assert "ancestry" in judged[-1].details["blocking"]
