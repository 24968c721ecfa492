"""T7: quarantined episodes that come back. Whatever they are called, data approval and the gate name them and block."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from zlib import crc32

import polars as pl
import pytest

from catalog.db import tables
from catalog.domain.dataset import Provenance
from catalog.domain.decision import Decision
from catalog.domain.recall import Reach
from catalog.domain.requests import RegisterDataset
from catalog.domain.run import Run, RunEnd
from catalog.services import lineage_edges, recall, register
from catalog.services.ingest_lineage import ingest_lineage
from catalog.services.plan import enrol_line, make_plan
from lineage import urn
from tests.attack.attacker import CLASS, Attack, blocked_by, newest_version, opened, statement, verdict
from tests.support.house import ended, model_folder
from tests.support.recordings import provenance, recording

BAD = 1  # the episode that is quarantined
REASON = "the gripper slipped"
EPISODE = "data/chunk-000/episode_000001.parquet"


@dataclass(frozen=True)
class Tainted:
    """A recording with one quarantined episode, as its contributor still has it."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / EPISODE


@pytest.fixture(scope="module")
def tainted(attack: Attack, tmp_path_factory: pytest.TempPathFactory) -> Tainted:
    folder = recording(tmp_path_factory.mktemp("t7") / "tainted", seed=70)
    attack.desk.register("tainted", "one", folder)
    attack.desk.check("tainted", "one")
    attack.desk.quarantine("tainted", "one", [BAD], REASON)
    return Tainted(folder)


def _named(decision: Decision, rule: str) -> None:
    found, said = verdict(decision, rule)
    assert found == "fail"
    assert "tainted/one" in said
    assert REASON in said
    (episode,) = {(e["root"], e["index"]) for r in decision.rules if r.rule == rule for e in r.read["found"]}
    assert episode == ("one", BAD)


# as data


def _as_it_was(tainted: Tainted, folder: Path) -> Path:
    return Path(shutil.copytree(tainted.folder, folder))


def _reencoded(tainted: Tainted, folder: Path) -> Path:
    """Other bytes, the same motion: another codec, wider floats, columns in another order."""
    copy = _as_it_was(tainted, folder)
    for file in copy.glob("data/**/*.parquet"):
        frame = pl.read_parquet(file)
        wide = frame.with_columns(pl.col("observation.state", "action").cast(pl.List(pl.Float64)))
        wide.select(sorted(wide.columns, reverse=True)).write_parquet(file, compression="snappy", row_group_size=7)
    return copy


def _alone_and_renumbered(tainted: Tainted, folder: Path) -> Path:
    """The bad episode alone, as episode 0 of a recording of its own."""
    own = recording(folder, episodes=1, seed=71)
    frame = pl.read_parquet(tainted.file).with_columns(episode_index=pl.lit(0, pl.Int64))
    frame.with_columns(index=pl.int_range(pl.len())).write_parquet(own / "data/chunk-000/episode_000000.parquet")
    return own


def _noise_below_the_step(tainted: Tainted, folder: Path) -> Path:
    """Each value moved by a billionth."""
    copy = _as_it_was(tainted, folder)
    for file in copy.glob("data/**/*.parquet"):
        frame = pl.read_parquet(file)
        frame.with_columns(pl.col("action").list.eval(pl.element() + 1e-9)).write_parquet(file)
    return copy


DISGUISES: dict[str, Callable[[Tainted, Path], Path]] = {
    f.__name__.strip("_").replace("_", "-"): f
    for f in (_as_it_was, _reencoded, _alone_and_renumbered, _noise_below_the_step)
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("dataset", ["tainted", "elsewhere"])
def test_registered_again_in_disguise(
    attack: Attack, tainted: Tainted, tmp_path: Path, disguise: str, dataset: str
) -> None:
    ingest = f"{disguise}-2"
    attack.desk.register(dataset, ingest, DISGUISES[disguise](tainted, tmp_path / "again"))
    attack.desk.check(dataset, ingest)
    decision = attack.desk.judge(dataset, ingest)
    _named(decision, "no-quarantined-episode")
    assert attack.audited("dataset-approval.judged", decision.subject)
    envelope = attack.desk.sign(decision)
    error = attack.refused("decision-blocked", lambda: attack.desk.begin_approve(envelope))
    assert REASON in error.what
    assert attack.approved()[dataset] == "no-approved-version"


def test_selected_without_the_bad_episode_it_is_clean(attack: Attack, tmp_path: Path) -> None:
    """The control: what is quarantined is the episode, not everything it was recorded with."""
    whole = recording(tmp_path / "whole", seed=72)
    attack.desk.register("mixed", "whole", whole)
    attack.desk.quarantine("mixed", "whole", [2], REASON)
    clean = recording(tmp_path / "clean", episodes=2, seed=72)
    attack.desk.register("mixed", "clean", clean)
    attack.desk.check("mixed", "clean")
    decision = attack.desk.judge("mixed", "clean")
    assert decision.verdict == "eligible", decision.blocking()
    version = attack.desk.context.candidate("mixed", "clean")
    assert version.manifest.roots[0].selected_from is not None


# as what a model was fitted on


def _judged(attack: Attack, name: str, folder: Path, **made: Any) -> Decision:
    attack.model(name, folder / name, attack.run(name, "arm", **made), seed=crc32(name.encode()))
    decision = attack.gate(name)
    assert attack.audited("promotion.judged", decision.subject)
    attack.refused("plan-refused", lambda: make_plan(attack.desk.context, "evaluator", name, CLASS, "reach"))
    return decision


@pytest.mark.parametrize("disguise", DISGUISES)
def test_used_as_a_local_folder(attack: Attack, tainted: Tainted, tmp_path: Path, disguise: str) -> None:
    folder = DISGUISES[disguise](tainted, tmp_path / "innocent")
    decision = _judged(attack, f"folder-{disguise}", tmp_path, folders=(folder,))
    _named(decision, "no-quarantined-input")
    assert "innocent (folder)" in verdict(decision, "inputs-approved")[1]


def test_opened_directly_by_the_training_process(attack: Attack, tainted: Tainted, tmp_path: Path) -> None:
    """On record is approved data only; what the process opened says otherwise."""
    copy = Path(shutil.copy(tainted.file, tmp_path / "cache.bin"))
    end = RunEnd(status="finished", observed=True, opened=(opened(copy),))
    decision = _judged(attack, "opener", tmp_path, end=end)
    _named(decision, "no-quarantined-input")
    assert "cache.bin (file): opened, and no input of the run holds it" in verdict(decision, "inputs-approved")[1]


def test_another_encoding_that_was_once_registered_opened_directly(
    attack: Attack, tainted: Tainted, tmp_path: Path
) -> None:
    """Its bytes were never quarantined; the episode in them was, and the catalog remembers what they hold."""
    copy = _reencoded(tainted, tmp_path / "copy")
    attack.desk.register("copies", "one", copy)
    end = RunEnd(status="finished", observed=True, opened=(opened(copy / EPISODE),))
    _named(_judged(attack, "copier", tmp_path, end=end), "no-quarantined-input")


def test_an_unknown_recording_opened_beside_the_inputs(attack: Attack, tmp_path: Path) -> None:
    """Nobody registered it, so nobody checked it: it is an input that was not declared."""
    pl.DataFrame({"x": [1.0]}).write_parquet(tmp_path / "mine.parquet")
    end = RunEnd(status="finished", observed=True, opened=(opened(tmp_path / "mine.parquet"),))
    decision = _judged(attack, "beside", tmp_path, end=end)
    assert "mine.parquet (file)" in verdict(decision, "inputs-approved")[1]


def test_what_the_inputs_hold_may_be_opened(attack: Attack, tmp_path: Path) -> None:
    """The control: files of the approved version, settings and the like block nothing."""
    answer = attack.desk.approved("arm")
    files = [opened(Path(answer.folder, o.path), answer.manifest_digest) for o in answer.objects]
    (tmp_path / "settings.yaml").write_text("rate: 3\n")
    end = RunEnd(status="finished", observed=True, opened=(*files, opened(tmp_path / "settings.yaml")))
    attack.model("reader", tmp_path / "reader", attack.run("reader", "arm", end=end), seed=79)
    assert blocked_by(attack.gate("reader")) & {"inputs-approved", "no-quarantined-input", "ancestry"} == set()


# as another model


def _base(digest: str, name: str) -> dict[str, str]:
    return {"name": name, "digest": digest, "licence": "Apache-2.0"}


def test_a_tainted_model_continued_on_approved_data(attack: Attack, tainted: Tainted, tmp_path: Path) -> None:
    dirty = attack.model("dirty", tmp_path / "dirty", attack.run("dirty", "arm", folders=(tainted.folder,)), seed=80)
    run = attack.run("washed", "arm")
    attack.model("washed", tmp_path / "washed", run, seed=81, base_model=_base(dirty, "anything"))
    decision = attack.gate("washed")
    _named(decision, "no-quarantined-input")
    assert "inputs-approved" in blocked_by(decision)
    attack.model(
        "twice",
        tmp_path / "twice",
        attack.run("twice", "arm"),
        seed=82,
        base_model=_base(attack.desk.context.model("washed").digest_, "washed"),
    )
    _named(attack.gate("twice"), "no-quarantined-input")


def test_a_tainted_models_weights_opened_and_not_declared(attack: Attack, tainted: Tainted, tmp_path: Path) -> None:
    attack.model("dirty-2", tmp_path / "dirty-2", attack.run("dirty-2", folders=(tainted.folder,)), seed=83)
    copy = Path(shutil.copy(tmp_path / "dirty-2/weights.npz", tmp_path / "start.bin"))
    end = RunEnd(status="finished", observed=True, opened=(opened(copy),))
    attack.model("quiet", tmp_path / "quiet", attack.run("quiet", "arm", end=end), seed=84)
    _named(attack.gate("quiet"), "no-quarantined-input")


@pytest.mark.parametrize("known", [True, False])
def test_a_base_model_without_a_record(attack: Attack, tmp_path: Path, known: bool) -> None:
    name = f"foundation-{known}".lower()
    digest = "sha256:" + "e" * 64
    if known:
        digest = attack.model(name, tmp_path / "base", None, seed=85)
    attack.model(
        f"on-{name}", tmp_path / "on", attack.run(f"on-{name}", "arm"), seed=86 + known, base_model=_base(digest, name)
    )
    decision = attack.gate(f"on-{name}")
    found, said = verdict(decision, "ancestry")
    assert found == "fail"
    assert f"model {name}, which it continues: " in said
    assert ("no training record" if known else "not known here") in said


# approved first, quarantined later


def test_a_version_quarantined_after_its_approval(attack: Attack, tmp_path: Path) -> None:
    attack.desk.bring("later", "one", recording(tmp_path / "one", seed=90))
    first = attack.approved()["later"]
    attack.desk.bring("later", "two", recording(tmp_path / "two", seed=91))
    attack.model("later-model", tmp_path / "model", attack.run("later-model", "later"), seed=92)
    assert {"inputs-approved", "no-quarantined-input"} & blocked_by(attack.gate("later-model")) == set()
    epoch = attack.desk.status().epoch
    attack.desk.quarantine("later", "two", [0], REASON)
    assert attack.desk.status().epoch == epoch + 1
    assert attack.approved()["later"] == first, "the version before it is still good"
    error = attack.desk.fails(lambda: attack.desk.approved("later", "v1.1.0"))
    assert error.kind == "no-approved-version"
    assert REASON in error.where
    decision = attack.gate("later-model")
    assert verdict(decision, "no-quarantined-input")[0] == "fail"
    assert "later/two" in verdict(decision, "no-quarantined-input")[1]
    found = [v for v in attack.desk.dataset("later").versions if v.ingest == "two"]
    assert [v.state for v in found] == ["quarantined"]


def test_quarantined_under_a_name_longer_than_any_message(attack: Attack, tmp_path: Path) -> None:
    """A path may be long; naming it must not stop the gate from answering."""
    deep = tmp_path / "long" / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    made = recording(tmp_path / "made", episodes=1, seed=93)
    shutil.move(made / "data/chunk-000/episode_000000.parquet", deep / ("f" * 150 + ".parquet"))
    operations = attack.desk.service.operations
    terms = provenance(licence="x" * 200)
    started = register.start(
        operations,
        "engineer",
        "long",
        RegisterDataset(ingest="one", path=str(tmp_path / "long"), provenance=Provenance.of(terms)),
    )
    ended(attack.desk.wait(started))
    attack.desk.quarantine("long", "one", [], REASON)
    found, said = verdict(attack.desk.judge("long", "one"), "no-quarantined-episode")
    assert found == "fail"
    assert REASON in said
    assert attack.approved()["long"] == "no-approved-version"


# recall still reaches the device, whatever somebody does to the lineage


ETL = "https://example.org/etl"


def _event(inputs: list[str], outputs: list[str], **changes: object) -> dict[str, object]:
    facet = {"_producer": ETL, "_schemaURL": ETL, **changes}
    assets = {
        side: [
            {"namespace": "lake", "name": name, "facets": {"lifecycleStateChange": facet} if changes else {}}
            for name in names
        ]
        for side, names in (("inputs", inputs), ("outputs", outputs))
    }
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-01T12:00:00Z",
        "producer": ETL,
        "schemaURL": ETL,
        "run": {"runId": str(UUID(int=crc32(repr((inputs, outputs)).encode())))},
        "job": {"namespace": "etl", "name": "export"},
        **assets,
    }


def _released(attack: Attack, name: str, folder: Path, run: Run, seed: int) -> str:
    """The model of this run is live on a device; the release's id."""
    attack.model(name, folder / name, run, seed=seed)
    enrol_line(attack.desk.context, "approver-1", name, CLASS)
    attack.bring(statement(attack, attack.plan(name, name)))
    assert attack.gate(name).verdict == "eligible"
    release = str(attack.desk.release(name)["release"])
    with attack.desk.context.records.write("arm-7") as write:
        lineage_edges.of_install(write, release, "arm-7")
        write.audit("device.report", "arm-7", release=release)
    return release


def _recalled(attack: Attack, what: str, release: str, model: str) -> Reach:
    """The recall reaches the release and the device, by a path, and denies it; the gate blocks the model by name."""
    shown = recall.show(attack.desk.context, what)
    reached = {r.urn: r for r in shown.reached}
    for node in (urn.release(release), urn.device("arm-7")):
        assert reached[str(node)].path[0].src in shown.start
    started = recall.start(attack.desk.service.operations, "steward", what, REASON, shown.plan)
    assert release in ended(attack.desk.wait(started))["denied"]
    assert attack.desk.view(release).state == "denied"
    assert release in {d.release for d in attack.desk.context.releases.said()[1].releases}  # type: ignore[union-attr]
    found, said = verdict(attack.gate(model), "not-recalled")
    assert found == "fail"
    assert REASON in said
    assert attack.audited("recall", what)
    assert attack.audited("release.deny", release)
    return shown


@pytest.mark.parametrize("change", ["DROP", "OVERWRITE", "TRUNCATE"])
def test_openlineage_deletes_and_overwrites_and_recall_still_reaches_the_device(
    attack: Attack, tmp_path: Path, change: str
) -> None:
    """What was exported, transformed elsewhere and came back under another name, then "deleted"."""
    name = f"washed-{change.lower()}"
    seed = crc32(name.encode()) % 10**6
    attack.desk.bring(f"{name}-source", "one", recording(tmp_path / "source", seed=seed))
    attack.desk.bring(name, "one", recording(tmp_path / "back", seed=seed + 1))
    source, back = newest_version(attack, f"{name}-source"), newest_version(attack, name)
    ours = [str(urn.version(f"{name}-source", source)), str(urn.version(name, back))]
    release = _released(attack, name, tmp_path, attack.run(name, name), seed)
    context = attack.desk.context
    events = [_event(ours[:1], [f"{name}/raw"]), _event([f"{name}/raw"], ours[1:])]
    assert ingest_lineage(context, "engineer", events).new == 4
    for said in (
        *events,
        _event(ours[:1], [f"{name}/raw"], lifecycleStateChange=change),
        _event([], ours, lifecycleStateChange=change),
    ):
        again = ingest_lineage(context, "engineer", said)
        assert attack.audited("lineage.ingest", again.digest_)
    with context.records.read() as c:
        edges = c.execute(tables.edge.select().where(tables.edge.c.asserted_by == "ingested")).all()
    assert edges
    assert all(e.valid_to is None for e in edges)
    _recalled(attack, f"{name}-source@v1.0.0", release, name)
    assert attack.approved()[name] == "no-approved-version", "what came back as a whole is bad as a whole"


def test_an_event_satisfies_no_gate(attack: Attack, tmp_path: Path) -> None:
    """A model that nobody recorded stays one, whatever an event says it came from."""
    digest = attack.model("claimed", tmp_path / "claimed", None, seed=94)
    run = attack.run("claimed-run", "arm")
    before = attack.gate("claimed")
    event = _event(
        [str(urn.version("arm", newest_version(attack, "arm"))), str(urn.run(run.id))], [str(urn.model(digest))]
    )
    with attack.unchanged():
        assert ingest_lineage(attack.desk.context, "engineer", event).new == 3
    after = attack.gate("claimed")
    assert [(r.rule, r.verdict) for r in after.rules] == [(r.rule, r.verdict) for r in before.rules]
    assert "training-record" in blocked_by(after)


@pytest.mark.parametrize("asserted", ["decision", "release", "device", "policy", "principal"])
def test_an_event_about_what_only_the_catalog_says_is_refused(attack: Attack, asserted: str) -> None:
    names = {
        "decision": urn.decision("1"),
        "release": urn.release("1"),
        "device": urn.device("arm-7"),
        "policy": urn.policy("sha256:" + "0" * 64),
        "principal": urn.principal("approver-1"),
    }
    event = _event(["a"], [str(names[asserted])])
    attack.refused("lineage-event-invalid", lambda: ingest_lineage(attack.desk.context, "engineer", event))


@pytest.mark.parametrize("registered", ["before", "afterwards"])
def test_a_recording_opened_and_not_declared_is_found_by_its_content(
    attack: Attack, tmp_path: Path, registered: str
) -> None:
    """The run declares approved data and opens a file besides; recall of that recording reaches what was made."""
    name = f"beside-{registered}"
    folder = recording(tmp_path / "rec", seed=crc32(name.encode()) % 10**6)
    if registered == "before":
        attack.desk.register(name, "one", folder)
    end = RunEnd(status="finished", observed=True, opened=(opened(folder / EPISODE),))
    run = attack.run(name, "arm", end=end)
    attack.model(name, tmp_path / "model", run, seed=crc32(name.encode()))
    if registered == "afterwards":
        attack.desk.register(name, "one", folder)
    shown = recall.show(attack.desk.context, f"episode:{name}/one/1")
    assert {str(urn.run(run.id)), str(urn.model(attack.desk.context.model(name).digest_))} <= {
        r.urn for r in shown.reached
    }
    assert shown.counts["run"] == 1
    assert recall.show(attack.desk.context, f"episode:{name}/one/0").counts.get("run", 0) == 0


def test_weights_opened_before_anybody_registered_them(attack: Attack, tmp_path: Path) -> None:
    made = model_folder(tmp_path / "foundation", 4711)
    end = RunEnd(status="finished", observed=True, opened=(opened(made / "weights.npz"),))
    run = attack.run("continuer", "arm", end=end)
    attack.model("continuer", tmp_path / "continuer", run, seed=4712)
    attack.desk.register_model("foundation", made)
    shown = recall.show(attack.desk.context, "foundation")
    assert str(urn.model(attack.desk.context.model("continuer").digest_)) in {r.urn for r in shown.reached}
