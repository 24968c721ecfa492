"""T5, the catalog's side: every plan counts for good, whatever the model, its line's plan or the policy is called next."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from catalog.db import tables
from catalog.domain.policy import ActivePolicy
from catalog.errors import AssayError
from catalog.services import plan
from catalog.services.decide import active_policy
from catalog.services.seed import draw_seed
from tests.attack.attacker import CLASS, Attack, blocked_by, statement, verdict
from tests.support.house import model_folder

SEEDS = itertools.count(900)


@pytest.fixture(scope="module", autouse=True)
def _lines(attack: Attack) -> None:
    for name in ("reach", "grasp", "place", "push", "lift", "turn", "hold"):
        plan.enrol_line(attack.desk.context, "approver-1", name, CLASS)


def _fitted(attack: Attack, name: str, folder: Path, seed: int | None = None) -> str:
    return attack.model(name, folder / name, attack.run(name, "arm"), seed=next(SEEDS) if seed is None else seed)


def test_an_abandoned_plan_counts_and_leaves_no_evidence(attack: Attack, tmp_path: Path) -> None:
    """A good first try does not excuse a second plan that was left: the newest plan is the one that must be shown."""
    _fitted(attack, "a", tmp_path)
    attack.bring(statement(attack, attack.plan("a", "grasp")))
    assert attack.gate("a").verdict == "eligible"
    assert attack.plan("a", "grasp").plan.k == 2
    decision = attack.gate("a")
    assert "evidence-enrolled" in blocked_by(decision)
    assert attack.audited("promotion.judged", decision.subject)
    third = attack.plan("a", "grasp").plan
    assert (third.k, round(third.alpha, 6)) == (3, 0.0016)


def test_another_model_of_the_line_counts_on(attack: Attack, tmp_path: Path) -> None:
    for k, name in enumerate(("b-1", "b-2", "b-3"), start=1):
        _fitted(attack, name, tmp_path)
        assert attack.plan(name, "place").plan.k == k


def test_the_same_weights_under_another_name_and_line(attack: Attack, tmp_path: Path) -> None:
    """Renamed, with a run of its own and on a line of its own: the weights take their count along."""
    _fitted(attack, "c", tmp_path, seed=41)
    assert attack.plan("c", "push").plan.k == 1
    _fitted(attack, "c-renamed", tmp_path, seed=41)
    assert attack.plan("c-renamed", "lift").plan.k == 2


def test_weights_that_lie_in_json(attack: Attack, tmp_path: Path) -> None:
    made = model_folder(tmp_path / "one", next(SEEDS))
    (made / "layers.json").write_text('{"w": [[1.5]]}')
    attack.desk.register_model("d", made, attack.run("d", "arm").id)
    copy = model_folder(tmp_path / "two", next(SEEDS))
    shutil.copy(made / "layers.json", copy / "layers.json")
    attack.desk.register_model("d-renamed", copy, attack.run("d-renamed", "arm").id)
    assert attack.plan("d", "turn").plan.k == 1
    assert attack.plan("d-renamed", "hold").plan.k == 2


def test_another_model_of_the_same_run(attack: Attack, tmp_path: Path) -> None:
    run = attack.run("e", "arm")
    attack.model("e-1", tmp_path / "1", run, seed=next(SEEDS))
    attack.model("e-2", tmp_path / "2", run, seed=next(SEEDS))
    line = "solo-1", "solo-2"
    for name in line:
        plan.enrol_line(attack.desk.context, "approver-1", name, CLASS)
    assert attack.plan("e-1", line[0]).plan.k == 1
    assert attack.plan("e-2", line[1]).plan.k == 2


def test_a_line_that_no_approver_enrolled(attack: Attack, tmp_path: Path) -> None:
    _fitted(attack, "f", tmp_path)
    error = attack.refused("line-not-enrolled", lambda: attack.plan("f", "fresh"))
    assert "approver" in error.do
    attack.refused("already-exists", lambda: plan.enrol_line(attack.desk.context, "approver-1", "reach", CLASS))


def test_a_line_of_another_class(attack: Attack, tmp_path: Path) -> None:
    plan.enrol_line(attack.desk.context, "approver-1", "elsewhere", "collaborative-arm")
    _fitted(attack, "g", tmp_path)
    attack.refused("line-not-enrolled", lambda: attack.plan("g", "elsewhere"))


def test_a_new_version_of_the_policy_resets_nothing_and_voids_old_evidence(attack: Attack, tmp_path: Path) -> None:
    """The threshold is lowered after the trials: they were planned under another policy, and the count goes on."""
    _fitted(attack, "h", tmp_path)
    attack.bring(statement(attack, attack.plan("h", "reach"), wins=340))
    assert blocked_by(attack.gate("h")) == {"success-rate"}
    before = active_policy(attack.desk.context, "promotion", CLASS)
    assert before is not None
    eased = before.policy.model_copy(
        update={"version": 3, "thresholds": before.policy.thresholds | {"success_lower_ratio": 0.5}}
    )
    with attack.desk.context.records.write("bootstrap") as write:
        entity = ActivePolicy(
            digest_=eased.digest(), policy=eased, activated_at=write.now, activated_by=("approver-1", "approver-2")
        )
        row = {"name": eased.name, "version": 3, "decides": eased.decides, "device_class": eased.device_class}
        write.insert(tables.policy, entity, digest=entity.digest_, **row)
        write.raise_epoch()
        write.audit("policy.activate", eased.name, digest=entity.digest_, version=3)
    decision = attack.gate("h")
    assert decision.policy == eased.digest()
    found, said = verdict(decision, "evidence-enrolled")
    assert found == "fail"
    assert "another policy" in said
    assert attack.plan("h", "reach").plan.k == 2


def test_the_seed_is_drawn_after_the_plan_is_on_record_and_never_again(attack: Attack, tmp_path: Path) -> None:
    _fitted(attack, "i", tmp_path)
    made = attack.plan("i", "reach")
    log = {e.action: e.seq for e in attack.desk.audit() if e.subject == made.plan_digest}
    assert log["plan.make"] < log["plan.seed"]
    with attack.unchanged():
        again = draw_seed(attack.desk.context.records, "evaluator", made.plan)
        assert again.seed == made.seed == attack.desk.context.plan(made.plan.id).seed


def test_a_seed_that_was_not_drawn_is_drawn_when_the_plan_is_asked_for(attack: Attack, tmp_path: Path) -> None:
    """The service ended between the plan and its seed: the plan is on record, so its seed may be drawn now, once."""
    _fitted(attack, "j", tmp_path)
    context, made = attack.desk.context, attack.plan("j", "reach")
    with context.records.write("evaluator") as write:
        write.replace(tables.plan, {"digest": made.plan_digest}, seed=None)
        write.audit("test.forgets-the-seed", made.plan_digest)
    drawn = context.plan(made.plan.id)
    assert drawn.plan == made.plan
    assert drawn.seed != made.seed
    assert context.plan(made.plan_digest) == drawn
    assert [e.action for e in attack.desk.audit()][-1] == "plan.seed"


def test_a_model_that_nobody_registered(attack: Attack) -> None:
    with pytest.raises(AssayError, match="no model"):
        attack.plan("sha256:" + "0" * 64)
