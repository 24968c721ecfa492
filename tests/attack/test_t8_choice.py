"""T8, the catalog's side: class and environment choose the policy, the newest active one, and the caller chooses none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.db import tables
from catalog.domain.policy import ActivePolicy
from catalog.domain.requests import JudgeModel, MakePlan
from catalog.errors import Invalid
from catalog.services import plan
from catalog.services.decide import active_policy
from catalog.services.init import Bootstrap, init
from tests.attack.attacker import CLASS, Attack, blocked_by, statement, verdict


def _activate(attack: Attack, **changes: Any) -> ActivePolicy:
    """Put a bent copy of `demo-arm` among the policies, as a careless activation would."""
    policy = active_policy(attack.desk.context, "promotion", CLASS)
    assert policy is not None
    bent = policy.policy.model_copy(update=changes)
    with attack.desk.context.records.write("bootstrap") as write:
        active = ActivePolicy(digest_=bent.digest(), policy=bent, activated_at=write.now, activated_by=("x",))
        row = {"name": bent.name, "version": bent.version, "decides": bent.decides, "device_class": bent.device_class}
        write.insert(tables.policy, active, digest=active.digest_, **row)
        write.raise_epoch()
        write.audit("policy.activate", bent.name, digest=active.digest_)
    return active


@pytest.mark.parametrize("field", ["policy", "environment", "thresholds", "line", "rules", "confidence"])
def test_no_request_has_a_field_for_it(field: str) -> None:
    with pytest.raises(Invalid, match="Extra inputs"):
        JudgeModel.of({"device_class": CLASS, field: "x"})
    if field != "line":
        with pytest.raises(Invalid, match="Extra inputs"):
            MakePlan.of({"model": "m", "device_class": CLASS, "line": "l", field: "x"})


def test_the_benchs_policy_and_its_evidence_do_not_serve_the_arm(attack: Attack, tmp_path: Path) -> None:
    """Eligible for an easy bench; the arm's gate reads neither its policy nor its trials."""
    _activate(attack, name="bench", device_class="bench", thresholds=_easy(attack))
    plan.enrol_line(attack.desk.context, "approver-1", "reach", "bench")
    attack.model("m", tmp_path / "m", attack.run("m", "arm"), seed=1)
    made = plan.make_plan(attack.desk.context, "evaluator", "m", "bench", "reach")
    attack.bring(statement(attack, made, wins=250))
    assert attack.gate("m", "bench").verdict == "eligible"
    decision = attack.gate("m", CLASS)
    assert decision.policy_name == CLASS
    assert {"evidence-enrolled", "success-rate"} <= blocked_by(decision)
    assert decision.evidence == ()
    assert attack.audited("promotion.judged", decision.subject)


def _easy(attack: Attack) -> dict[str, float]:
    policy = active_policy(attack.desk.context, "promotion", CLASS)
    assert policy is not None
    return policy.policy.thresholds | {"success_lower_ratio": 0.5}


def test_a_policy_of_another_environment_is_not_chosen(attack: Attack) -> None:
    """Newer, easier, and for a factory: here it is as if it were not there."""
    factory = _activate(attack, version=7, environments=("factory",), thresholds=_easy(attack))
    here = active_policy(attack.desk.context, "promotion", CLASS)
    assert here is not None
    assert here.digest_ != factory.digest_
    there = active_policy(replace(attack.desk.context, environment="factory"), "promotion", CLASS)
    assert there is not None
    assert there.digest_ == factory.digest_


def test_an_older_version_never_returns(attack: Attack) -> None:
    newer = _activate(attack, version=9)
    older = _activate(attack, version=8, thresholds=_easy(attack))
    found = active_policy(attack.desk.context, "promotion", CLASS)
    assert found is not None
    assert found.digest_ == newer.digest_ != older.digest_


def test_a_policy_for_data_is_none_for_models(attack: Attack) -> None:
    assert active_policy(attack.desk.context, "promotion", "dataset-approval") is None
    for_data = active_policy(attack.desk.context, "dataset-approval", None)
    assert for_data is not None
    assert for_data.policy.name == "dataset-approval"


def test_a_suite_that_the_policy_does_not_name(attack: Attack) -> None:
    """The check of a version counts only under a suite whose digest is in the policy."""
    policy = active_policy(attack.desk.context, "dataset-approval", None)
    assert policy is not None
    bent = policy.policy.model_copy(update={"version": 2, "suites": {"arm@1": "sha256:" + "1" * 64}})
    with attack.desk.context.records.write("bootstrap") as write:
        active = ActivePolicy(digest_=bent.digest(), policy=bent, activated_at=write.now, activated_by=("x",))
        row = {"name": bent.name, "version": 2, "decides": bent.decides, "device_class": None}
        write.insert(tables.policy, active, digest=active.digest_, **row)
        write.audit("policy.activate", bent.name, digest=active.digest_)
    decision = attack.desk.judge("arm", "one")
    assert verdict(decision, "suites-known")[0] == "fail"


def test_a_home_is_begun_once_and_in_demo_or_dev_only(attack: Attack) -> None:
    newcomer = {"name": "mallory", "roles": ["approver"], "token_digest": "sha256:" + "2" * 64}
    again = Bootstrap.of({"newcomers": [newcomer]})
    attack.refused("already-exists", lambda: init(attack.desk.context, again))
    factory = replace(attack.desk.context, environment="factory")
    attack.refused("environment-refused", lambda: init(factory, again))
