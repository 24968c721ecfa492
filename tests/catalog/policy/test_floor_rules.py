"""The floor passes only what was established; each fact taken away or turned bad blocks with its own rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.decision import MODEL_FLOOR, RuleVerdict, verdict_of
from catalog.policy.floor import dataset_floor, model_floor
from catalog.policy.floor_facts import DatasetFloor, ModelFloor

NOW = datetime(2026, 3, 1, tzinfo=UTC)
A, B, C = ("sha256:" + letter * 64 for letter in "abc")
HEAD, CANDIDATE = "1" * 64, "2" * 64


def iso(at: datetime) -> str:
    return at.isoformat()


MODEL: dict[str, Any] = {
    "clock": {"wall": iso(NOW), "last_audit": iso(NOW - timedelta(minutes=1))},
    "environment": "demo",
    "mode": "single-operator",
    "device_class": "demo-arm",
    "policy": C,
    "policy_environments": ["demo", "dev"],
    "run": "r1",
    "run_finished": True,
    "assurance": "observed",
    "assurance_required": "observed",
    "inputs": [{"name": "sim v1.0", "digest": A, "kind": "version", "approved": True}],
    "quarantine": {"episodes": 400, "found": []},
    "recalled": {"nodes": 3, "found": []},
    "ancestry": {"ancestors": [{"name": "sim v1.0", "digest": A, "approved": True}], "complete": True},
    "digests": {"verified": 2, "wrong": []},
    "overlap": {"training": 400, "evaluation": 400, "found": []},
    "evidence": [
        {"digest": B, "signer": "eva", "enrolled": True, "expires_at": iso(NOW + timedelta(days=1)), "plan_policy": C}
    ],
    "files": [{"path": "weights.npz"}, {"path": "contract.json"}],
}
DATASET: dict[str, Any] = {
    "clock": MODEL["clock"],
    "environment": "demo",
    "mode": "single-operator",
    "policy": C,
    "policy_environments": ["demo", "dev"],
    "candidate": CANDIDATE,
    "checked": CANDIDATE,
    "bytes": {"verified": 10},
    "listing_faults": [],
    "main": {"head": HEAD, "merge_base": HEAD, "head_decided": True},
    "quarantine": {"episodes": 50, "found": []},
    "recalled": {"nodes": 51, "found": []},
    "sources": ["reach-arm"],
    "terms": ["Apache-2.0"],
    "parents_unknown": [],
}
QUARANTINED = {
    "dataset": "arm-reach-standin",
    "root": "rig-b",
    "index": 7,
    "found_by": "fingerprint",
    "found_in": "folder /data/copy",
    "reason": "joint zero off by 5 degrees",
}
RECALLED = {
    "urn": "urn:assay:run:r1",
    "name": "training run reach",
    "recall": "0193",
    "what": "rig:left",
    "reason": "its calibration was wrong",
}


def model(**changes: Any) -> dict[str, RuleVerdict]:
    return {v.rule: v for v in model_floor(ModelFloor.of({**MODEL, **changes}))}


def dataset(**changes: Any) -> dict[str, RuleVerdict]:
    return {v.rule: v for v in dataset_floor(DatasetFloor.of({**DATASET, **changes}))}


def test_a_permission_must_answer_exactly_these() -> None:
    assert model().keys() == MODEL_FLOOR


def test_what_is_all_established_passes() -> None:
    for verdicts in (model(), dataset()):
        assert {v.verdict for v in verdicts.values()} == {"pass"}
        assert all(v.floor and v.message.endswith(".") and v.clause.startswith("floor: ") for v in verdicts.values())
        assert verdict_of(tuple(verdicts.values())) == "eligible"


def late(**changes: Any) -> list[dict[str, Any]]:
    return [{**MODEL["evidence"][0], **changes}]


MODEL_BLOCKED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no record": ({"run": None}, "training-record", "missing", "No training record"),
    "a run that has not ended": ({"run_finished": None}, "training-record", "missing", "not ended"),
    "a run that failed": ({"run_finished": False}, "training-record", "fail", "failed"),
    "declared only": ({"assurance": "declared"}, "run-assurance", "fail", "at least observed"),
    "assurance unknown": ({"assurance": None}, "run-assurance", "missing", "No training record"),
    "more required": ({"assurance_required": "attested"}, "run-assurance", "fail", "at least attested"),
    "nothing says what is required": ({"assurance_required": None}, "run-assurance", "missing", "No policy"),
    "no inputs": ({"inputs": []}, "inputs-approved", "missing", "records no input"),
    "inputs unknown": ({"inputs": None}, "inputs-approved", "missing", "not known"),
    "an input revoked": (
        {"inputs": [{**MODEL["inputs"][0], "approved": False, "why_not": "revoked on 2 March"}]},
        "inputs-approved",
        "fail",
        "sim v1.0 (version): revoked on 2 March",
    ),
    "a quarantined episode": (
        {"quarantine": {"episodes": 400, "found": [QUARANTINED]}},
        "no-quarantined-input",
        "fail",
        "arm-reach-standin/rig-b episode 7 in folder /data/copy, by fingerprint (joint zero off by 5 degrees)",
    ),
    "found though nothing was counted": (
        {"quarantine": {"episodes": 0, "found": [QUARANTINED]}},
        "no-quarantined-input",
        "fail",
        "episode 7",
    ),
    "a search over nothing": (
        {"quarantine": {"episodes": 0, "found": []}},
        "no-quarantined-input",
        "missing",
        "searched",
    ),
    "no search": ({"quarantine": None}, "no-quarantined-input", "missing", "searched"),
    "recalled": (
        {"recalled": {"nodes": 3, "found": [RECALLED]}},
        "not-recalled",
        "fail",
        "training run reach, by the recall of rig:left (its calibration was wrong; recall 0193)",
    ),
    "recalled though nothing was counted": (
        {"recalled": {"nodes": 0, "found": [RECALLED]}},
        "not-recalled",
        "fail",
        "rig:left",
    ),
    "a search for recalls over nothing": (
        {"recalled": {"nodes": 0, "found": []}},
        "not-recalled",
        "missing",
        "searched",
    ),
    "no search for recalls": ({"recalled": None}, "not-recalled", "missing", "searched"),
    "an ancestor revoked": (
        {"ancestry": {"ancestors": [{"name": "old", "digest": B, "approved": False}], "complete": True}},
        "ancestry",
        "fail",
        "old: not approved",
    ),
    "ancestry cut off": (
        {"ancestry": {**MODEL["ancestry"], "complete": False}},
        "ancestry",
        "missing",
        "Part of the ancestry",
    ),
    "an input that was not walked": (
        {"inputs": [*MODEL["inputs"], {**MODEL["inputs"][0], "digest": B}]},
        "ancestry",
        "missing",
        "Part of the ancestry",
    ),
    "no ancestry": ({"ancestry": {"ancestors": [], "complete": True}}, "ancestry", "missing", "not known"),
    "no digest verified": ({"digests": {"verified": 0}}, "digests-verified", "missing", "No file of the model"),
    "digests unknown": ({"digests": None}, "digests-verified", "missing", "no digest is verified"),
    "a wrong digest": ({"digests": {"verified": 1, "wrong": ["w.npz"]}}, "digests-verified", "fail", "w.npz"),
    "a pickle": (
        {"files": [{"path": "w.pkl", "why_not": ".pkl is not one of …"}]},
        "safe-format",
        "fail",
        "w.pkl: .pkl is not one",
    ),
    "no files": ({"files": []}, "safe-format", "missing", "no files"),
    "no evidence": ({"evidence": []}, "evidence-enrolled", "missing", "nobody evaluated"),
    "a stranger's evidence": ({"evidence": late(enrolled=False)}, "evidence-enrolled", "fail", "not enrolled"),
    "a revoked evaluator": (
        {"evidence": late(why_not="the key was revoked")},
        "evidence-enrolled",
        "fail",
        "the key was revoked",
    ),
    "expired evidence": ({"evidence": late(expires_at=iso(NOW))}, "evidence-enrolled", "fail", "expired at 2026-03-01"),
    "evidence of which one expired": (
        {"evidence": MODEL["evidence"] + late(expires_at=iso(NOW))},
        "evidence-enrolled",
        "fail",
        "expired",
    ),
    "a plan under another policy": ({"evidence": late(plan_policy=A)}, "evidence-enrolled", "fail", "another policy"),
    "a shared seed": (
        {
            "overlap": {
                "training": 1,
                "evaluation": 1,
                "found": [{"kind": "scene-seed", "value": "7", "training": "sim"}],
            }
        },
        "known-overlap",
        "fail",
        "scene-seed 7 of sim",
    ),
    "nothing compared": (
        {"overlap": {"training": 4, "evaluation": 0, "found": []}},
        "known-overlap",
        "missing",
        "compared",
    ),
    "no comparison": ({"overlap": None}, "known-overlap", "missing", "compared"),
    "another environment": ({"environment": "factory"}, "environment", "fail", "not for environment factory"),
    "one person and a factory": (
        {"environment": "factory", "policy_environments": ["factory"]},
        "environment",
        "fail",
        "demo and dev only",
    ),
    "no policy": ({"policy": None}, "policy-active", "missing", "nothing is released"),
    "a policy for no environment": ({"policy_environments": []}, "environment", "missing", "No policy"),
    "a clock set back": (
        {"clock": {"wall": iso(NOW), "last_audit": iso(NOW + timedelta(minutes=5, seconds=1))}},
        "clock",
        "missing",
        "behind the last audit entry",
    ),
    "the age of evidence with a clock set back": (
        {"clock": {"wall": iso(NOW), "last_audit": iso(NOW + timedelta(hours=1))}},
        "evidence-enrolled",
        "missing",
        "set back",
    ),
    "no clock": ({"clock": None}, "clock", "missing", "not known"),
    "the age of evidence without a clock": ({"clock": None}, "evidence-enrolled", "missing", "age"),
}


@pytest.mark.parametrize("name", MODEL_BLOCKED)
def test_blocks_a_model_with(name: str) -> None:
    changes, rule, verdict, message = MODEL_BLOCKED[name]
    verdicts = model(**changes)
    assert verdicts[rule].verdict == verdict
    assert message in verdicts[rule].message
    assert verdict_of(tuple(verdicts.values())) == "blocked"


DATASET_BLOCKED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "not checked": ({"checked": None}, "checked-this-commit", "missing", "not checked"),
    "another commit checked": ({"checked": HEAD}, "checked-this-commit", "fail", "check again"),
    "bytes not read": ({"bytes": None}, "bytes-verified", "missing", "No object"),
    "no object": ({"bytes": {"verified": 0}}, "bytes-verified", "missing", "No object"),
    "a swapped blob": ({"bytes": {"verified": 9, "wrong": ["a/b.parquet"]}}, "bytes-verified", "fail", "a/b.parquet"),
    "listing not compared": ({"listing_faults": None}, "listing-complete", "missing", "not compared"),
    "an unlisted object": ({"listing_faults": ["x: in no table"]}, "listing-complete", "fail", "x: in no table"),
    "main unknown": ({"main": None}, "on-main-head", "missing", "main's head"),
    "main moved": ({"main": {**DATASET["main"], "merge_base": CANDIDATE}}, "on-main-head", "fail", "rebase"),
    "no merge base": ({"main": {**DATASET["main"], "merge_base": None}}, "on-main-head", "fail", "rebase"),
    "recalled": ({"recalled": {"nodes": 51, "found": [RECALLED]}}, "not-recalled", "fail", "its calibration was wrong"),
    "no search for recalls": ({"recalled": None}, "not-recalled", "missing", "searched"),
    "an undecided head": ({"main": {**DATASET["main"], "head_decided": False}}, "on-main-head", "fail", "not decided"),
    "a quarantined episode": (
        {"quarantine": {"episodes": 50, "found": [QUARANTINED]}},
        "no-quarantined-episode",
        "fail",
        "episode 7",
    ),
    "no source": ({"sources": []}, "sources-and-terms", "missing", "no source"),
    "no terms": ({"terms": []}, "sources-and-terms", "missing", "no terms"),
    "a parent unknown": ({"parents_unknown": ["sha256:abc"]}, "parents-known", "fail", "sha256:abc"),
    "parents not looked up": ({"parents_unknown": None}, "parents-known", "missing", "not looked up"),
    "no policy": ({"policy": None}, "policy-active", "missing", "dataset approval"),
    "another environment": ({"environment": "prod"}, "environment", "fail", "prod"),
    "no clock": ({"clock": None}, "clock", "missing", "not known"),
}


@pytest.mark.parametrize("name", DATASET_BLOCKED)
def test_blocks_a_version_with(name: str) -> None:
    changes, rule, verdict, message = DATASET_BLOCKED[name]
    verdicts = dataset(**changes)
    assert verdicts[rule].verdict == verdict
    assert message in verdicts[rule].message
    assert verdict_of(tuple(verdicts.values())) == "blocked"


def test_a_clock_set_back_within_tolerance_does_not_revive_what_expired() -> None:
    expired = late(expires_at=iso(NOW + timedelta(minutes=2)))
    clock = {"wall": iso(NOW), "last_audit": iso(NOW + timedelta(minutes=3))}
    verdicts = model(clock=clock, evidence=expired)
    assert verdicts["clock"].verdict == "pass"
    assert verdicts["evidence-enrolled"].verdict == "fail"


@given(st.sets(st.sampled_from(sorted(set(MODEL) - {"environment", "mode", "device_class"})), min_size=1))
@settings(deadline=None)
def test_whatever_nobody_established_blocks_a_model(absent: set[str]) -> None:
    facts = {key: value for key, value in MODEL.items() if key not in absent}
    facts.update(dict.fromkeys(absent & {"clock", "policy", "run"}))
    assert verdict_of(model_floor(ModelFloor.of(facts))) == "blocked"


@given(st.sets(st.sampled_from(sorted(set(DATASET) - {"environment", "mode", "candidate"})), min_size=1))
@settings(deadline=None)
def test_whatever_nobody_established_blocks_a_version(absent: set[str]) -> None:
    facts = {key: value for key, value in DATASET.items() if key not in absent}
    facts.update(dict.fromkeys(absent & {"clock", "policy"}))
    assert verdict_of(dataset_floor(DatasetFloor.of(facts))) == "blocked"


def test_a_long_list_is_named_in_part_and_read_in_full() -> None:
    found = [{**QUARANTINED, "index": i, "reason": "x" * 2000} for i in range(40)]
    verdict = model(quarantine={"episodes": 40, "found": found})["no-quarantined-input"]
    assert len(verdict.message) <= 4000
    assert len(verdict.read["found"]) == 40
    verdict.canonical()
