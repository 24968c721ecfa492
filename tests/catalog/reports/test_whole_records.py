"""Reports of everything that may be recorded: a reproduction, an earlier release to go back to, the model on a device."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.attest.envelope import EVIDENCE, sign
from catalog.attest.verify_bundle import verify_bundle
from catalog.domain.report import REPORT_JSON, Bundle, Report
from catalog.domain.reproduction import Reproduced, ReproductionStatement
from catalog.domain.statement import Subject
from catalog.errors import AssayError
from catalog.services.report import report
from catalog.services.reproduce import receive_reproduction
from tests.attack.attacker import CLASS, Attack
from tests.support.bundles import Handed, handed
from tests.support.devices import Arm
from tests.support.house import House
from tests.support.recordings import recording


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """Two releases of a class, the second of a model whose run was reproduced; a device has the second."""
    folder = tmp_path_factory.mktemp("whole")
    house = House.begin(folder)
    with house.open() as desk:
        found = Attack(house, desk)
        desk.bring("arm", "one", recording(folder / "arm-one"))
        found.eligible("first", folder / "first", 1)
        desk.release("first")
        found.eligible("second", folder / "second", 2, line="second")
        reproduced(found, "second")
        found.gate("second")
        desk.release("second")
        yield found


def reproduced(attack: Attack, name: str) -> None:
    """The evaluator made the same bytes again from the run's record."""
    context = attack.desk.context
    model = context.model(name)
    assert model.run is not None
    run = context.run(model.run)
    said = Reproduced(
        run=run.id,
        evaluator="evaluator",
        commit=run.start.code.commit,
        difference_digest=run.start.code.difference_digest,
        command=run.start.code.command,
        environment={},
        started_at=context.clock(),
        finished_at=context.clock() + timedelta(milliseconds=1),
        files=model.manifest.files,
    )
    subject = Subject.of_model(name, model.digest_)
    statement = ReproductionStatement(subject=(subject,), predicate=said)
    envelope = sign(statement.canonical(), EVIDENCE, attack.key("evaluator"))
    receive_reproduction(context, "evaluator", run.id, envelope)


@pytest.fixture(scope="module")
def second(attack: Attack) -> Handed:
    return handed(attack, "second")


def told(handed_: Handed) -> dict[str, str]:
    return {line.what: line.found for line in verify_bundle(handed_.bundle, handed_.trust).lines}


def test_a_reproduction_is_in_the_bundle_and_verified(second: Handed) -> None:
    assert told(second)["reproduced"] == "matched, run second-run again by evaluator"
    said = Report.parse(Bundle.parse(second.bundle).files[REPORT_JSON])
    rows = {r.cells[0]: r for s in said.sections for t in s.tables for r in t.rows if "reproduction" in r.source}
    assert rows["reproduced"].cells[1].startswith("matched, signed by evaluator")
    assert rows["reproduced"].source == "runs/1-reproduction-1.json"


def test_a_reproduction_that_was_bent_is_found(second: Handed) -> None:
    def bent(files: dict[str, bytes]) -> None:
        name = "runs/1-reproduction-1.json"
        files[name] = files[name].replace(b'"signer":"evaluator"', b'"signer":"approver-1"')

    with pytest.raises(AssayError, match="reproduction"):
        verify_bundle(second.bent(files=bent, key="report"), second.trust)


def test_how_to_go_back_names_the_release(second: Handed) -> None:
    said = Report.parse(Bundle.parse(second.bundle).files[REPORT_JSON])
    facts = {f.name: str(f.value) for s in said.sections for f in s.facts}
    assert "to release 1 (first)" in facts["how to go back"]
    assert facts["release"].startswith("2 of class demo-arm")


def test_a_later_judgement_is_said_and_does_not_replace_the_decision(attack: Attack, second: Handed) -> None:
    attack.gate("first")
    said = Report.parse(report(attack.desk.context, model="first", device_class=CLASS).files[REPORT_JSON])
    assert any("judged again after this decision (eligible" in note for note in said.sections[-1].notes)
    assert said.standing == "allowed"


def test_the_model_now_on_a_device(attack: Attack, tmp_path: Path) -> None:
    desk = attack.desk
    arm = Arm.enrol(desk, tmp_path, "arm-7")
    with pytest.raises(AssayError, match="has not reported"):
        report(desk.context, device="arm-7")
    arm.report()
    bundle = report(desk.context, device="arm-7")
    said = Report.parse(bundle.files[REPORT_JSON])
    assert (said.device, said.model_name, said.standing) == ("arm-7", "second", "allowed")
    trust = handed(attack, "second").trust
    assert verify_bundle(bundle.canonical(), trust).outcome == "permission"
    arm.report("blocked", release=None)
    with pytest.raises(AssayError, match="may run nothing"):
        report(desk.context, device="arm-7")
