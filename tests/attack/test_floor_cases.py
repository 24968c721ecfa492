"""The floor's own cases, on a running catalog: what no policy can let through, with a control that passes it all."""

from __future__ import annotations

import itertools
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalog.domain.dataset import Provenance
from catalog.domain.decision import Decision
from catalog.domain.requests import RegisterDataset
from catalog.domain.run import RunEnd
from catalog.policy.formats import unsafe
from catalog.services import plan, register, train
from catalog.services.judge_model import judge_model
from catalog.services.register_robot import register_robot
from catalog.storage.lakefs import LakeFS
from tests.attack.attacker import CLASS, Attack, blocked_by, statement, verdict
from tests.support.house import Desk, model_folder
from tests.support.recordings import JOINTS, recording

SEEDS = itertools.count(500)
LINK = '<body><joint name="{}" type="hinge" axis="0 0 1" range="-1 1"/><geom size="0.1"/>{}</body>'
MODEL = LINK.format(JOINTS[0], LINK.format(JOINTS[1], LINK.format(JOINTS[2], "")))
MODEL = f'<mujoco><compiler angle="radian"/><worldbody>{MODEL}</worldbody></mujoco>'


def _gate(attack: Attack, model: str, rule: str, *words: str, found: str = "fail") -> Decision:
    """The gate blocks by this rule in these words; it is in the audit log, and no plan is made for it."""
    decision = attack.gate(model)
    assert decision.verdict == "blocked"
    assert attack.audited("promotion.judged", decision.subject)
    says = verdict(decision, rule)
    assert says[0] == found, says
    assert all(word in says[1] for word in words), says
    attack.refused("plan-refused", lambda: plan.make_plan(attack.desk.context, "evaluator", model, CLASS, "reach"))
    return decision


def test_no_record_at_all(attack: Attack, tmp_path: Path) -> None:
    attack.model("f-wild", tmp_path / "m", None, seed=next(SEEDS))
    decision = _gate(attack, "f-wild", "training-record", "nobody recorded", found="missing")
    assert {"run-assurance", "inputs-approved", "no-quarantined-input", "ancestry"} <= blocked_by(decision)


def test_a_local_folder_that_nobody_approved(attack: Attack, tmp_path: Path) -> None:
    folder = recording(tmp_path / "mine", seed=next(SEEDS))
    attack.model("f-folder", tmp_path / "m", attack.run("f-folder", "arm", folders=(folder,)), seed=next(SEEDS))
    _gate(attack, "f-folder", "inputs-approved", "mine (folder)", "not an approved version")


def test_a_run_that_used_nothing(attack: Attack, tmp_path: Path) -> None:
    attack.model("f-nothing", tmp_path / "m", attack.run("f-nothing"), seed=next(SEEDS))
    _gate(attack, "f-nothing", "inputs-approved", "records no input", found="missing")


def test_a_run_that_did_not_end(attack: Attack, tmp_path: Path) -> None:
    run = attack.desk.start_run("f-open")
    attack.model("f-open", tmp_path / "m", run, seed=next(SEEDS))
    _gate(attack, "f-open", "training-record", "has not ended", found="missing")


def test_a_run_that_failed(attack: Attack, tmp_path: Path) -> None:
    run = attack.run("f-failed", "arm", end=RunEnd(status="failed", observed=True, error="out of memory"))
    attack.model("f-failed", tmp_path / "m", run, seed=next(SEEDS))
    _gate(attack, "f-failed", "training-record", "failed")


def test_a_run_that_nobody_observed(attack: Attack, tmp_path: Path) -> None:
    run = attack.run("f-declared", "arm", end=RunEnd(status="finished", observed=False))
    attack.model("f-declared", tmp_path / "m", run, seed=next(SEEDS))
    _gate(attack, "f-declared", "run-assurance", "declared", "at least observed")


def test_a_run_of_somebody_else(attack: Attack, tmp_path: Path) -> None:
    run = attack.run("f-mine", "arm")
    made = model_folder(tmp_path / "m", next(SEEDS))
    error = attack.refused("input-invalid", lambda: attack.desk.register_model("f-theirs", made, run.id, by="somebody"))
    assert "engineer" in error.what


def test_an_ended_run_takes_no_input_and_no_second_end(attack: Attack) -> None:
    run = attack.run("f-ended", "arm")
    attack.refused(
        "already-exists", lambda: train.end_run(attack.desk.context, "engineer", run.id, RunEnd(status="finished"))
    )
    wanted = train.Wanted(dataset="arm")
    attack.refused("already-exists", lambda: train.give_version(attack.desk.context, "engineer", run.id, wanted))


# the model's own bytes


def test_a_file_changed_in_the_store_after_registration(attack: Attack, tmp_path: Path) -> None:
    """The operator of the disk writes other weights under the same blob."""
    digest = attack.model("f-swapped", tmp_path / "m", attack.run("f-swapped", "arm"), seed=next(SEEDS))
    whole = (tmp_path / "m/weights.npz").read_bytes()
    store = attack.house.settings.home / "lakefs"
    blobs = [b for b in store.rglob("*") if b.is_file() and b.stat().st_size == len(whole) and b.read_bytes() == whole]
    assert blobs
    for blob in blobs:
        blob.chmod(0o600)
        blob.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    decision = _gate(attack, "f-swapped", "digests-verified", "weights.npz")
    assert decision.subject == digest


def _pickled(path: Path) -> None:
    np.savez(path, w=np.array([{"x": 1}], dtype=object))


def _text_inside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("run.py", "import os")


def _empty(path: Path) -> None:
    with zipfile.ZipFile(path, "w"):
        pass


def _no_zip(path: Path) -> None:
    path.write_bytes(b"\x80\x04cos\nsystem\n")


def _npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def _header(text: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w.npy", _npy(text))

    return write


def _flagged(flag: int, method: int | None = None) -> Callable[[Path], None]:
    """A good archive whose directory says that it is encrypted, or packed by a method that nobody has."""

    def write(path: Path) -> None:
        np.savez(path, w=np.zeros(3))
        data = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = data.find(signature)
            data[at + offset] |= flag
            if method is not None:
                data[at + offset + 2] = method
        path.write_bytes(bytes(data))

    return write


def _bad_stream(path: Path) -> None:
    np.savez_compressed(path, w=np.zeros(300))
    data = bytearray(path.read_bytes())
    start = 30 + struct.unpack_from("<HH", data, 26)[0] + struct.unpack_from("<HH", data, 26)[1]
    data[start] = 0xFF
    path.write_bytes(bytes(data))


UNSAFE: dict[str, Callable[[Path], None]] = {
    "pickle": _pickled,
    "text": _text_inside,
    "empty": _empty,
    "no zip": _no_zip,
    "encrypted": _flagged(1),
    "unknown packing": _flagged(0, 99),
    "bad stream": _bad_stream,
    "code in the header": _header(b"__import__('os').system('true')\n"),
    "an open bracket": _header(b"{'descr': (\n"),
    "keys of two kinds": _header(b"{1: 2, 'descr': 3}\n"),
    "deep": _header(b"(" * 5000 + b"\n"),
    "no text": _header(b"\xff\xfe\x00\n"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_weights_that_are_not_plain_numbers(attack: Attack, tmp_path: Path, name: str) -> None:
    """Whatever it is made of, the gate answers, names the file, and loads nothing."""
    made = model_folder(tmp_path / "m", next(SEEDS))
    UNSAFE[name](made / "weights.npz")
    with (made / "weights.npz").open("rb") as stream:
        assert unsafe("weights.npz", stream)
    if name in ("pickle", "encrypted", "an open bracket"):  # one road each through the whole gate is enough
        model = f"f-unsafe-{len(name)}"
        attack.desk.register_model(model, made, attack.run(model, "arm").id)
        _gate(attack, model, "safe-format", "weights.npz")


@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".py", ".so", "", ".npz.exe"])
def test_a_file_of_a_kind_that_can_run(attack: Attack, tmp_path: Path, suffix: str) -> None:
    made = model_folder(tmp_path / "m", next(SEEDS))
    (made / f"extra{suffix}").write_bytes(b"x")
    name = f"f-kind-{abs(hash(suffix)) % 10**6}"
    attack.desk.register_model(name, made, attack.run(name, "arm").id)
    _gate(attack, name, "safe-format", f"extra{suffix}")


# class, environment, store


def test_a_class_without_a_policy(attack: Attack, tmp_path: Path) -> None:
    attack.model("f-class", tmp_path / "m", attack.run("f-class", "arm"), seed=next(SEEDS))
    decision = attack.gate("f-class", "bench")
    assert decision.verdict == "blocked"
    assert decision.policy is None
    assert {"policy-active", "environment", "run-assurance"} <= blocked_by(decision)
    attack.refused(
        "policy-missing", lambda: plan.make_plan(attack.desk.context, "evaluator", "f-class", "bench", "reach")
    )


def test_an_environment_that_needs_two_people(attack: Attack, tmp_path: Path) -> None:
    """The operator calls the same home a factory: one person releases nothing there."""
    attack.model("f-factory", tmp_path / "m", attack.run("f-factory", "arm"), seed=next(SEEDS))
    factory = replace(attack.desk.context, environment="factory")
    with attack.unchanged():
        arm = judge_model(factory, "viewer", "f-factory", CLASS)
        shared = judge_model(factory, "viewer", "f-factory", "collaborative-arm")
    assert {"environment", "policy-active"} <= blocked_by(arm)
    assert verdict(shared, "environment") == (
        "fail",
        "One person on one machine releases to demo and dev only, not to factory.",
    )


def test_a_store_that_does_not_answer(attack: Attack, tmp_path: Path) -> None:
    """Could not evaluate is never pass."""
    attack.model("f-dark", tmp_path / "m", attack.run("f-dark", "arm"), seed=next(SEEDS))
    dark = replace(attack.desk.context, store=LakeFS("http://127.0.0.1:9", "k", "s", name="embedded"))
    model = judge_model(dark, "viewer", "f-dark", CLASS)
    assert verdict(model, "digests-verified")[0] == "missing"
    desk = Desk(replace(attack.desk.service, context=dark))
    assert verdict(desk.judge("arm", "one"), "on-main-head")[0] == "missing"
    assert desk.judge("arm", "one").verdict == "blocked"


def test_a_check_older_than_the_robots_record(attack: Attack, tmp_path: Path) -> None:
    """Checked while the robot's record asked for little; the record that asks for more came after it."""
    folder = recording(tmp_path / "r", seed=next(SEEDS), robot="late-arm")
    record = {
        "schema": "robot@1",
        "name": "late-arm",
        "model": MODEL,
        "channels": {name: {"joint": name, "unit": "rad"} for name in JOINTS},
    }
    attack.desk.register("f-robot", "one", folder)
    attack.desk.check("f-robot", "one")
    assert verdict(attack.desk.judge("f-robot", "one"), "robot")[0] == "fail"
    register_robot(attack.desk.context, "steward", "late-arm", "recording@1", record)
    attack.desk.check("f-robot", "one")
    assert attack.desk.judge("f-robot", "one").verdict == "eligible"
    register_robot(attack.desk.context, "steward", "late-arm", "arm@1", record)
    decision = attack.desk.judge("f-robot", "one")
    assert verdict(decision, "checked-this-commit")[0] == "missing"
    attack.refused("decision-blocked", lambda: attack.desk.begin_approve(attack.desk.sign(decision)))


def test_the_control_is_eligible(attack: Attack, tmp_path: Path) -> None:
    """Every case above is one step from this one."""
    plan.enrol_line(attack.desk.context, "approver-1", "reach", CLASS)
    attack.model("f-good", tmp_path / "m", attack.run("f-good", "arm"), seed=next(SEEDS))
    attack.bring(statement(attack, attack.plan("f-good")))
    decision = attack.gate("f-good")
    assert decision.verdict == "eligible", decision.blocking()
    assert any("single operator" in c for c in decision.conditions)
    with attack.unchanged():
        assert attack.gate("f-good", "collaborative-arm").verdict == "blocked"


def test_a_misspelt_robot_does_not_switch_the_checks_off(attack: Attack, tmp_path: Path) -> None:
    """No record, no limits: the default suite is weaker, so what it passed is not approved."""
    attack.desk.register("f-typo", "one", recording(tmp_path / "r", seed=next(SEEDS), robot="bnech-arm"))
    attack.desk.check("f-typo", "one")
    decision = attack.desk.judge("f-typo", "one")
    assert {r.rule for r in decision.blocking()} == {"suites-known", "robot"}


def test_a_stand_in_is_not_registered_as_recorded(attack: Attack, tmp_path: Path) -> None:
    """What the folder says of itself stands."""
    folder = recording(tmp_path / "r", seed=next(SEEDS))
    said = json.loads((folder / "meta/provenance.json").read_text())
    document = Provenance.of(said | {"source": said["source"] | {"kind": "sensor"}})
    operations = attack.desk.service.operations
    started = register.start(
        operations, "engineer", "f-renamed", RegisterDataset(ingest="one", path=str(folder), provenance=document)
    )
    intent = attack.desk.wait(started)
    assert intent.problem is not None
    assert (intent.state, intent.problem.kind) == ("failed", "input-invalid")
    assert attack.desk.store.head("data-f-renamed", "main") is None
