"""Fit and rollouts: the fit is reproducible and good, the artefact is refused when changed, the trials are honest."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mujoco", reason="the physics of the demo comes with the extra `sim`")

from catalog.domain.harness import Probing
from catalog.services.simulate import Failed, installed, simulate
from examples.reach import ReachError, rollout, train
from examples.reach.arm import Arm, scene_digest
from examples.reach.record import RECIPES, record
from examples.reach.train import ACTION, RELATIVE, STATE, Policy, fit


def quiet(done: int, total: int) -> None:
    assert 1 <= done <= total


def successes(folder: Path, count: int) -> int:
    return sum(trial["outcome"] == "success" for trial in rollout.trials(folder, range(count), quiet))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> pl.LazyFrame:
    recipe = RECIPES["arm-reach-sim"]
    recipe = dataclasses.replace(recipe, rigs=(dataclasses.replace(recipe.rigs[0], episodes=250),))
    root = tmp_path_factory.mktemp("recorded") / "sim"
    record(recipe, root, 21)
    return pl.scan_parquet(root / "data/chunk-000/*.parquet")


@pytest.fixture(scope="module")
def folder(frames: pl.LazyFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    fit([frames], 0).save(folder)
    return folder


def test_many_demonstrations_reach_and_few_do_not(frames: pl.LazyFrame, folder: Path, tmp_path: Path) -> None:
    assert successes(folder, 100) >= 92
    fit([frames.filter(pl.col("episode_index") < 20)], 0).save(tmp_path / "few")
    assert successes(tmp_path / "few", 100) < 75


def test_the_same_data_and_seed_give_the_same_policy(frames: pl.LazyFrame) -> None:
    few = frames.filter(pl.col("episode_index") < 10)
    one, two, other = fit([few], 4), fit([few], 4), fit([few], 5)
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.frequencies, two.frequencies)
    assert not np.array_equal(one.frequencies, other.frequencies)


def test_lists_and_arrays_fit_alike_and_datasets_add_up(frames: pl.LazyFrame) -> None:
    few = frames.filter(pl.col("episode_index") < 10)
    lists = few.with_columns(pl.col(STATE, RELATIVE, ACTION).cast(pl.List(pl.Float32)))
    halves = [few.filter(pl.col("episode_index") < 5), lists.filter(pl.col("episode_index") >= 5)]
    np.testing.assert_allclose(fit(halves, 0).weights, fit([few], 0).weights, rtol=0, atol=1e-6)


def test_what_cannot_be_learned_from_is_refused(frames: pl.LazyFrame) -> None:
    row = {STATE: [[0.0, 0.0, 0.0]], RELATIVE: [[0.0, 0.0, 0.0]], ACTION: [[0.0, 0.0, 0.0]]}
    for kind, data in {
        "data-empty": [frames.head(0)],
        "data-invalid": [pl.LazyFrame({**row, ACTION: [[0.0, float("nan"), 0.0]]})],
    }.items():
        with pytest.raises(ReachError) as refused:
            fit(data, 0)
        assert refused.value.kind == kind
    for bad in ([[0.0, 0.0]], [None]):
        with pytest.raises(ReachError, match="dataset 1, column action: every row must hold three numbers"):
            fit([frames.head(5), pl.LazyFrame({**row, ACTION: bad}, schema_overrides={ACTION: pl.List(pl.Float64)})], 0)
    with pytest.raises(ReachError) as nothing:
        fit([], 0)
    assert nothing.value.kind == "data-empty"


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_a_saved_policy_acts_as_the_fitted_one(folder: Path, observation: list[float]) -> None:
    policy = Policy.load(folder)
    action = policy.act(np.array(observation, np.float32))
    assert action.shape == (3,)
    assert action.dtype == np.float32
    np.testing.assert_allclose(
        policy.act(np.array([observation, observation], np.float32)), [action, action], atol=1e-5
    )


@pytest.mark.parametrize("observation", [np.zeros(5), np.full(6, np.nan), np.array([0, 0, 0, 0, 0, np.inf])])
def test_an_observation_that_is_none_is_refused(folder: Path, observation: np.ndarray) -> None:
    with pytest.raises(ReachError) as refused:
        Policy.load(folder).act(observation)
    assert refused.value.kind == "observation-invalid"


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "weights.npz") as stored:
        return dict(stored)


def _pickled(folder: Path) -> None:
    np.savez(folder / "weights.npz", **{**_arrays(folder), "weights": np.array([{"run": "me"}], object)})


def _truncated(folder: Path) -> None:
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:1000])


def _empty(folder: Path) -> None:
    (folder / "weights.npz").write_bytes(b"")


def _bomb(folder: Path) -> None:
    np.savez_compressed(folder / "weights.npz", **_arrays(folder), extra=np.zeros(1 << 20))


def _single_array(folder: Path) -> None:
    with (folder / "weights.npz").open("wb") as file:
        np.save(file, np.zeros(3))


def _deep_contract(folder: Path) -> None:
    (folder / "contract.json").write_text("[" * 100_000, encoding="utf-8")


def _listed_contract(folder: Path) -> None:
    (folder / "contract.json").write_text("[]", encoding="utf-8")


def _one_array_more(folder: Path) -> None:
    np.savez(folder / "weights.npz", **_arrays(folder), extra=np.zeros(1))


def _infinite(folder: Path) -> None:
    arrays = _arrays(folder)
    arrays["weights"][0, 0] = np.inf
    np.savez(folder / "weights.npz", **arrays)


def _other_normalisation(folder: Path) -> None:
    arrays = _arrays(folder)
    np.savez(folder / "weights.npz", **{**arrays, "mean": arrays["mean"] + 0.1})


def _joints_in_another_order(folder: Path) -> None:
    path = folder / "contract.json"
    contract = json.loads(path.read_text(encoding="utf-8"))
    contract["outputs"][0]["names"].reverse()
    path.write_text(json.dumps(contract), encoding="utf-8")


def _no_contract(folder: Path) -> None:
    (folder / "contract.json").unlink()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_pickled, "policy-unreadable"),
        (_truncated, "policy-unreadable"),
        (_empty, "policy-unreadable"),
        (_no_contract, "policy-unreadable"),
        (_bomb, "policy-unreadable"),
        (_single_array, "policy-unreadable"),
        (_deep_contract, "policy-unreadable"),
        (_listed_contract, "contract-differs"),
        (_one_array_more, "policy-invalid"),
        (_infinite, "policy-invalid"),
        (_other_normalisation, "contract-differs"),
        (_joints_in_another_order, "contract-differs"),
    ],
)
def test_a_changed_artefact_is_refused(folder: Path, tmp_path: Path, change: Callable[[Path], None], kind: str) -> None:
    copy = tmp_path / "model"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    Policy.load(copy)
    change(copy)
    with pytest.raises(ReachError) as refused:
        Policy.load(copy)
    assert refused.value.kind == kind


def test_a_trial_is_its_seed_whatever_ran_before_it(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    whole = list(rollout.trials(folder, [5, 2**62, 9], lambda done, total: calls.append((done, total))))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert whole == list(rollout.trials(folder, [5], quiet)) + list(rollout.trials(folder, [2**62, 9], quiet))
    assert [trial["seed"] for trial in whole] == [5, 2**62, 9]
    assert len({trial["unit"] for trial in whole}) == 3
    with pytest.raises(ReachError, match="not -1"):
        list(rollout.trials(folder, [1, -1], quiet))


def test_success_means_held_within_two_centimetres(folder: Path) -> None:
    for trial in rollout.trials(folder, range(60), quiet):
        assert set(trial) == {"unit", "seed", "outcome", "distance_m", "duration_s", "assisted", "judge"}
        assert trial["assisted"] is False
        distance, duration = trial["distance_m"], trial["duration_s"]
        assert isinstance(distance, float)
        assert isinstance(duration, float)
        if trial["outcome"] == "success":
            assert distance <= rollout.SUCCESS_M
            assert duration >= rollout.HELD / train.RATE_HZ
        else:
            assert duration == rollout.LIMIT / train.RATE_HZ


def test_a_policy_that_stands_still_fails(folder: Path, tmp_path: Path) -> None:
    still = dataclasses.replace(Policy.load(folder), weights=np.zeros(train.SHAPES["weights"]))
    still.save(tmp_path / "still")
    assert successes(tmp_path / "still", 50) <= 2


def test_no_training_seed_opens_an_evaluation_scene() -> None:
    arm = Arm()
    assert scene_digest() != rollout.SCENE
    for seed in (0, 1, 7, 2**40):
        held_out = rollout.draw(arm, seed)
        trained = arm.draw(np.random.default_rng(seed), rollout.RANDOMISATION)
        assert np.linalg.norm(held_out.target - trained.target) > 1e-3


def test_a_step_is_one_inference(folder: Path) -> None:
    step = rollout.step(folder)
    first = step()
    assert isinstance(first, np.ndarray)
    np.testing.assert_array_equal(step(), first)


def test_the_installed_harness_finds_the_same_outcomes_in_a_child(folder: Path) -> None:
    """What the catalog does with the demo's own evidence: the entry point, the child, the model's bytes."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    seeds = list(range(40))
    found = simulate(installed("reach-in-simulation"), files, seeds, 120.0, lambda done: None)
    assert (found.harness.name, found.harness.version) == (rollout.NAME, rollout.VERSION)
    here = {row["seed"]: row["outcome"] for row in rollout.trials(folder, seeds, quiet)}
    assert {seed: outcome.outcome for seed, outcome in found.outcomes.items()} == here


def test_a_model_that_does_not_load_fails_its_replay(folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(Failed, match=r"0 of 3 trials.*ReachError"):
        simulate(installed("reach-in-simulation"), files | {"weights.npz": b"no"}, [1, 2, 3], 120.0, lambda done: None)


def test_a_probe_tells_other_data_from_other_kernels(folder: Path, frames: pl.LazyFrame, tmp_path: Path) -> None:
    assert isinstance(rollout, Probing)
    one = rollout.probe(folder, 3)
    assert len(one) == rollout.PROBED * 3
    assert one == rollout.probe(folder, 3)
    assert one != rollout.probe(folder, 4)
    fit([frames.filter(pl.col("episode_index") != 17)], 0).save(tmp_path / "other")
    other = rollout.probe(tmp_path / "other", 3)
    assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 10 * rollout.TOLERANCE
