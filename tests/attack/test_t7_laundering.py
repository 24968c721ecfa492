"""T7: quarantined episodes that come back. Whatever they are called, data approval and the gate name them and block."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import polars as pl
import pytest

from catalog.domain.dataset import Provenance
from catalog.domain.decision import Decision
from catalog.domain.run import RunEnd
from catalog.services import register
from catalog.services.plan import make_plan
from tests.attack.attacker import CLASS, Attack, blocked_by, opened, verdict
from tests.support.house import ended
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


def _judged(attack: Attack, name: str, folder: Path, **made: object) -> Decision:
    attack.model(name, folder / name, attack.run(name, "arm", **made), seed=crc32(name.encode()))  # type: ignore[arg-type]
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
    assert f"model {name}: " in said
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
    started = register.start(operations, "engineer", "long", "one", str(tmp_path / "long"), Provenance.of(terms))
    ended(attack.desk.wait(started))
    attack.desk.quarantine("long", "one", [], REASON)
    found, said = verdict(attack.desk.judge("long", "one"), "no-quarantined-episode")
    assert found == "fail"
    assert REASON in said
    assert attack.approved()["long"] == "no-approved-version"
