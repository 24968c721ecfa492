import hashlib
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from validators import readers
from validators.errors import UnreadableDataset
from validators.fingerprint import NAN, NEGATIVE, POSITIVE, fingerprints, quantised

any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=any_float))
def test_every_value_has_one_integer(values):
    steps = quantised(values)
    assert steps.dtype == np.dtype("<i8")
    finite = np.isfinite(values) & (np.abs(values) < 1e9)
    np.testing.assert_array_equal(steps[finite], np.round(values[finite].astype(np.float64) / 1e-4).astype(np.int64))
    assert (steps[np.isnan(values)] == NAN).all()
    assert (steps[np.isposinf(values)] == POSITIVE).all()
    assert (steps[np.isneginf(values)] == NEGATIVE).all()
    np.testing.assert_array_equal(quantised(values.copy()), steps)


@given(st.integers(-(2**20), 2**20), st.floats(-0.4, 0.4))
def test_noise_below_half_a_step_changes_nothing(step, noise):
    near = np.array([[step * 1e-4 + noise * 1e-4]], dtype=np.float64)
    assert np.round(near / 1e-4) == step


def test_the_digest_is_the_documented_one(writer):
    tracks = writer.tracks(1)
    both = np.concatenate([tracks[0].columns["observation.state"], tracks[0].columns["action"]], axis=1)
    steps = np.round(both.astype(np.float64) / 1e-4).astype("<i8")
    header = json.dumps({"action": 3, "schema": "fingerprint@1", "state": 3}, separators=(",", ":")) + "\n"
    wanted = "sha256:" + hashlib.sha256(header.encode() + steps.tobytes()).hexdigest()
    assert fingerprints(readers.open(writer.write(tracks))) == {0: wanted}


def test_stable_under_renaming_renumbering_and_another_encoding(writer):
    tracks = writer.tracks(4)
    first = fingerprints(readers.open(writer.write(tracks, "one")))
    assert len(set(first.values())) == 4
    tracks.reverse()
    for t in tracks:
        t.columns["timestamp"] = t.columns["timestamp"] * 2
        t.columns["action"] = t.columns["action"].astype(np.float64)
    second = fingerprints(readers.open(writer.write(tracks, "two", array=True)))
    assert [first[i] for i in range(4)] == [second[3 - i] for i in range(4)]
    plain = writer.folder / "plain"
    plain.mkdir()
    for i, t in enumerate(tracks):
        made = {n: pl.Series(n, t.columns[n]).arr.to_list() for n in ("action", "observation.state")}
        pl.DataFrame({**made, "timestamp": t.columns["timestamp"]}).write_parquet(
            plain / f"{i}.parquet", compression="gzip", row_group_size=7
        )
    assert fingerprints(readers.open(plain)) == second


@settings(max_examples=25)
@given(st.integers(0, 59), st.integers(0, 2), st.sampled_from([1e-3, -2e-4, 5.0]))
def test_any_changed_value_is_another_episode(row, channel, change):
    values = np.zeros((60, 3), dtype=np.float32)
    other = values.copy()
    other[row, channel] += np.float32(change)
    assert quantised(values).tobytes() != quantised(other).tobytes()


def test_a_file_with_damaged_pages_is_named(writer):
    root = writer.write(writer.tracks(3, rows=400))
    path = root / "data/chunk-000/episode_000002.parquet"
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(bytes(data))
    recording = readers.open(root)
    with pytest.raises(UnreadableDataset) as caught:
        fingerprints(recording)
    assert (caught.value.kind, caught.value.path) == ("file-damaged", str(path))


def test_one_row_fewer_is_another_episode(writer):
    tracks = writer.tracks(1)
    whole = fingerprints(readers.open(writer.write(tracks, "whole")))
    tracks[0].columns = {n: v[:-1] for n, v in tracks[0].columns.items()}
    assert fingerprints(readers.open(writer.write(tracks, "trimmed"))) != whole


def test_episodes_without_state_and_action_have_none(writer):
    tracks = writer.tracks(1)
    del tracks[0].columns["observation.state"], tracks[0].columns["action"]
    assert fingerprints(readers.open(writer.write(tracks))) == {}


def test_state_alone_is_not_state_and_action(writer):
    tracks = writer.tracks(1)
    both = fingerprints(readers.open(writer.write(tracks, "both")))
    tracks[0].columns["action"] = tracks[0].columns["action"][:, :0]
    del tracks[0].columns["action"]
    assert fingerprints(readers.open(writer.write(tracks, "alone"))) != both


def test_the_real_recording(shared):
    found = fingerprints(readers.open(shared / "lerobot_v21_unitree_g1"))
    assert sorted(found) == [0, 5, 29, 30, 59, 82]
    assert len(set(found.values())) == 6
