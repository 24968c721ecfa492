"""The story is told once, whole, by its own commands; then the catalog it left is asked what happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.client import Catalog
from catalog.domain.decision import Decision
from catalog.settings import Settings
from lineage import emit

ROOT = Path(__file__).resolve().parents[2]
G1 = ROOT.parent / "shared" / "data" / "lerobot_v21_unitree_g1"
pytestmark = [pytest.mark.xdist_group("story"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    demo = tmp_path_factory.mktemp("demo")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "examples.reach.story", "--demo", str(demo)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return demo, done.stdout


@pytest.fixture(scope="module")
def catalog(told: tuple[Path, str]) -> Iterator[Catalog]:
    settings = Settings(home=told[0] / "latest" / "home")
    with Catalog("viewer", settings) as connected:
        yield connected
    subprocess.run(
        [sys.executable, "-m", "catalog.cli.main", "down"],
        env={**os.environ, "ASSAY_HOME": str(settings.home)},
        check=True,
    )


def newest(catalog: Catalog, model: str, device_class: str) -> Decision:
    return next(d for d in catalog.model(model).decisions if d.device_class == device_class)


def first(catalog: Catalog, model: str, device_class: str) -> Decision:
    """As it was judged before anything was recalled."""
    return [d for d in catalog.model(model).decisions if d.device_class == device_class][-1]


def blocking(decision: Decision) -> set[str]:
    return {r.rule for r in decision.blocking()}


def test_it_leaves_one_telling_and_says_where_it_is(told: tuple[Path, str]) -> None:
    demo, said = told
    assert (demo / "latest").is_symlink()
    assert [p.name for p in demo.iterdir() if p.name != "latest"] == [(demo / "latest").resolve().name]
    assert "make ui" in "".join(said.splitlines()[-8:])


def test_it_can_be_read_and_ends_with_all_eight_verdicts(told: tuple[Path, str]) -> None:
    lines = told[1].splitlines()
    assert len(lines) <= 670, len(lines)
    begin = next(i for i, line in enumerate(lines) if "first reason" in line)
    table = lines[begin : begin + 12]
    for model in ("reach-wild", "reach-tainted", "reach-first", "reach-second"):
        assert sum(model in line and ("eligible" in line or "blocked" in line) for line in table) == 2


def test_the_service_it_started_has_ended(told: tuple[Path, str]) -> None:
    assert not (told[0] / "latest" / "home" / "service.json").exists()


def test_a_model_without_a_record_is_blocked_for_that(catalog: Catalog) -> None:
    decision = newest(catalog, "reach-wild", "demo-arm")
    assert decision.verdict == "blocked"
    assert decision.blocking()[0].rule == "training-record"


def test_a_model_fitted_on_quarantined_episodes_is_blocked_for_that(catalog: Catalog) -> None:
    decision = newest(catalog, "reach-tainted", "demo-arm")
    assert decision.verdict == "blocked"
    tainted = next(r for r in decision.rules if r.rule == "no-quarantined-input")
    assert tainted.verdict == "fail"
    assert {e["index"] for e in tainted.read["found"]} == {7, 19, 31, *range(48, 60)}


def test_a_plan_for_a_model_that_the_floor_blocks_is_refused(catalog: Catalog, told: tuple[Path, str]) -> None:
    assert catalog.model("reach-tainted").plans == ()


@pytest.mark.parametrize(("model", "attempt"), [("reach-first", 1), ("reach-second", 2)])
def test_a_model_that_did_everything_right_is_eligible(catalog: Catalog, model: str, attempt: int) -> None:
    decision = first(catalog, model, "demo-arm")
    assert decision.verdict == "eligible"
    assert decision.hardware == "any"
    bound = next(r.read for r in decision.rules if "success.lower" in r.read)
    assert bound["success.lower"] >= 0.90
    assert [p.k for p in catalog.model(model).plans] == [attempt]
    trials = catalog.model(model).evidence[0].statement.predicate
    assert len(trials.trials) == 400
    assert trials.harness.origin == "simulated"
    assert [(b.load, len(b.milliseconds)) for b in trials.latency] == [("idle", 100)] * 20 + [("loaded", 100)] * 20


@pytest.mark.parametrize("model", ["reach-wild", "reach-tainted", "reach-first", "reach-second"])
def test_a_simulation_never_opens_the_collaborative_class(catalog: Catalog, model: str) -> None:
    decision = newest(catalog, model, "collaborative-arm")
    assert decision.verdict == "blocked"
    assert {"real-robot-trials", "contact-force"} <= blocking(decision)


def test_the_standin_has_a_clean_version_and_a_rebased_one(catalog: Catalog) -> None:
    view = catalog.dataset("arm-reach-standin")
    states = {(v.ingest, v.state, v.approval.tag if v.approval else None) for v in view.versions}
    assert states == {
        ("week-1", "quarantined", None),
        ("week-1-clean", "approved", "v1.0.0"),
        ("week-2", "quarantined", None),
        ("week-2", "quarantined", "v1.1.0"),
    }
    clean = next(v for v in view.versions if v.ingest == "week-1-clean")
    selected = clean.manifest.roots[0].selected_from
    assert selected is not None
    assert selected.kept == tuple(i for i in range(48) if i not in (7, 19, 31))


def test_the_second_model_rests_on_rig_x_and_the_first_does_not(catalog: Catalog) -> None:
    reached = catalog.trace("urn:assay:source:rig:stand-in-rig-x", "down", episodes=True)
    labels = set(reached.labels.values())
    assert "model reach-second" in labels
    assert "model reach-first" not in labels


def test_runs_are_observed_and_name_their_inputs(catalog: Catalog) -> None:
    run = catalog.model("reach-first").run
    assert run is not None
    assert run.assurance == "observed"
    assert {(i.dataset, i.tag) for i in run.inputs if i.kind == "version"} == {
        ("arm-reach-sim", "v1.0.0"),
        ("arm-reach-standin", "v1.0.0"),
    }
    assert run.end is not None
    opened = [f for f in run.end.opened if f.input is not None]
    assert len(opened) == 400 + 45
    assert run.start.code.commit


def test_the_device_runs_release_1_after_the_recall_of_rig_x(catalog: Catalog) -> None:
    first, second = sorted(catalog.releases(), key=lambda v: v.release.manifest.number)
    assert [(v.release.manifest.model_name, v.state, v.chosen) for v in (first, second)] == [
        ("reach-first", "published", True),
        ("reach-second", "denied", False),
    ]
    assert {s.principal for s in first.signatures} == {"approver-1", "approver-2"}
    device = catalog.device("arm-7")
    assert device.acknowledged
    assert device.newest is not None
    assert device.newest.release == first.release.manifest.id
    assert device.changed.requested is not None
    assert device.changed.safe_state is not None
    assert device.changed.swapped is not None
    assert device.changed.healthy is not None
    assert device.changed.requested < device.changed.safe_state < device.changed.swapped < device.changed.healthy
    (recall,) = catalog.recalls()
    assert recall.counts["episode"] == 30
    assert recall.denied == (second.release.manifest.id,)


def test_the_blocked_model_was_neither_signed_nor_started(catalog: Catalog, told: tuple[Path, str]) -> None:
    tainted = catalog.model("reach-tainted").model.digest_
    assert tainted not in {v.release.manifest.model for v in catalog.releases()}
    assert "file-changed" in told[1]
    assert "already" not in told[1].partition("Report")[2]


def test_the_report_of_before_the_recall_is_superseded_and_a_changed_one_is_damaged(told: tuple[Path, str]) -> None:
    auditor = told[1][told[1].index("The auditor") :]
    for said in ("VERIFIED", "not known", "superseded: withdrawn at", "report-damaged", "audit-damaged"):
        assert said in auditor, said


@pytest.mark.skipif(not G1.is_dir(), reason="the recorded G1 dataset is not beside the checkout (../shared/data)")
def test_the_recorded_copy_stays_unapproved_for_its_counts(catalog: Catalog) -> None:
    version = catalog.dataset("g1").versions[0]
    assert version.state == "failing"
    assert version.check is not None
    assert {f.check for f in version.check.findings if f.severity == "blocking"} == {"counts"}
    assert {f.check for f in version.check.findings if f.severity == "warning"} == {"effective_frame_rate"}


def test_everything_is_in_the_log_and_in_openlineage(catalog: Catalog, told: tuple[Path, str]) -> None:
    report = catalog.verify_audit()
    status = catalog.status()
    assert report.size == status.audit_size
    assert status.undecided == ()
    events = emit.read(told[0] / "latest" / "home" / "lineage.jsonl")
    jobs = {e["job"]["name"] for e in events.events}
    assert jobs == {"ingest", "check", "approve", "train", "evaluate", "gate", "promote"}
