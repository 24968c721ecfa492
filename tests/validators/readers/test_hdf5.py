import json
from contextlib import suppress
from fractions import Fraction

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from validators import readers
from validators.errors import UnreadableDataset
from validators.readers.hdf5 import guard as hdf5_guard
from validators.run import run
from validators.suites import for_recording, load

ROBOMIMIC = {
    "env_name": "Lift",
    "type": 1,
    "env_version": "1.4.1",
    "env_kwargs": {"robots": "Panda", "control_freq": 20},
}
ISAAC = {"env_name": "Isaac-Stack-Cube-Franka-IK-Rel-v0", "type": 2, "sim_args": {"dt": 0.01, "decimation": 5}}


def motion(seed, rows=40, joints=7):
    return np.cumsum(np.random.default_rng(seed).normal(0, 0.01, (rows, joints)), axis=0)


def pictures(seed, rows=40):
    return np.random.default_rng(seed).integers(0, 255, (rows, 84, 96, 3), dtype=np.uint8)


def robomimic(path, demos=2, rows=40, **compression):
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = demos * rows
        data.attrs["env_args"] = json.dumps(ROBOMIMIC)
        for i in range(demos):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = rows
            demo.attrs["model_file"] = "<mujoco/>"
            for name in ("actions", "obs/robot0_joint_pos", "next_obs/robot0_joint_pos"):
                demo.create_dataset(name, data=motion(i, rows), **compression)
            demo["obs/robot0_eef_pos"] = motion(i + 50, rows, 3).astype(">f4")
            demo["obs/object_pose"] = np.tile(np.eye(4), (rows, 1, 1))
            demo["obs/agentview_image"] = pictures(i, rows)
            demo["obs/agentview_depth"] = np.ones((rows, 84, 84, 1), np.float32)
            demo["rewards"], demo["dones"] = np.zeros(rows), np.zeros(rows, bool)
        file["mask/train"], file["mask/valid"] = np.array([b"demo_0"]), np.array([b"demo_1"])
    return path


def isaac(path):
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"], data.attrs["env_args"] = 80, json.dumps(ISAAC)
        for i in range(2):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"], demo.attrs["success"], demo.attrs["seed"] = 40, bool(i), 7
            demo["actions"] = motion(i)
            demo["initial_state/articulation/robot/joint_position"] = motion(i, 1)
            demo["states/articulation/robot/joint_position"] = motion(i, 40, 9)
            demo["states/rigid_object/cube_1/root_pose"] = motion(i + 9, 40, 7)
            demo["obs/eef_pos"] = motion(i + 5, 40, 3)
    return path


def aloha(folder, number=2):
    folder.mkdir()
    for i in range(number):
        with h5py.File(folder / f"episode_{i}.hdf5", "w") as file:
            file.attrs["sim"] = False
            file["observations/qpos"], file["observations/qvel"] = motion(i, 40, 14), motion(i + 3, 40, 14)
            file["observations/images/cam_high"] = pictures(i)
            file["action"] = motion(i + 1, 40, 14)
            file["compress_len"] = np.zeros((4, 17))
    return folder


def problems(path):
    return [(p.kind, p.message) for p in readers.open(path).problems]


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_robomimic(tmp_path):
    recording = readers.open(robomimic(tmp_path / "low dim.hdf5", compression="gzip"))
    facts, features = recording.facts, recording.features
    assert (facts.robot_type, facts.fps, facts.tasks, facts.totals) == ("Panda", 20, ("Lift",), {"total_frames": 80})
    assert (facts.listed, facts.tools) == ({0: 40, 1: 40}, {"environment": "Lift 1.4.1"})
    assert [(e.index, e.length, e.start_s, e.end_s) for e in recording.episodes] == [(0, 40, 0, 1.95), (1, 40, 0, 1.95)]
    assert dict(recording.episodes[1].provenance) == {"demo": "demo_1", "mask": ["valid"]}
    assert {n: (f.dtype, f.width, f.source) for n, f in features.items() if f.source} == {
        "timestamp": ("float64", 1, "the row's number / fps"),
        "action": ("float64", 7, "actions"),
        "observation.state": ("float64", 7, "obs/robot0_joint_pos"),
    }
    assert {n: (f.dtype, f.shape) for n, f in features.items() if not f.source} == {
        "obs/agentview_depth": ("float32", (84, 84, 1)),
        "obs/object_pose": ("float64", (16,)),
        "obs/robot0_eef_pos": ("float32", (3,)),
        "rewards": ("float64", (1,)),
        "dones": ("uint8", (1,)),
    }
    assert (recording.main.clock.source, recording.problems) == ("index", ())
    table = recording.scan(["observation.state"]).collect()
    assert np.array_equal(table["observation.state[2]"].to_numpy(), np.r_[motion(0)[:, 2], motion(1)[:, 2]])
    assert np.allclose(table["obs/robot0_eef_pos"].to_numpy()[:40], motion(50, 40, 3), atol=1e-6)
    camera = recording.cameras["obs/agentview_image"]
    assert (camera.width, camera.height, camera.fps, sorted(camera.episodes)) == (96, 84, 20, [0, 1])
    shown = list(camera.pictures(1))
    assert len(shown) == 40
    assert b"".join(shown[3].planes) == pictures(1)[3].tobytes()
    assert shown[3].time_s == 0.15
    result = run(recording, load("recording@1"))
    assert not result.findings


def test_isaac_lab(tmp_path):
    recording = readers.open(isaac(tmp_path / "dataset.hdf5"))
    assert (recording.facts.fps, recording.facts.tasks) == (20, ("Isaac-Stack-Cube-Franka-IK-Rel-v0",))
    assert recording.features["observation.state"].source == "states/articulation/robot/joint_position"
    assert not any("initial_state" in name for name in recording.features)
    assert dict(recording.episodes[1].provenance) == {"demo": "demo_1", "success": True, "seed": 7}
    assert not run(recording, load("recording@1")).findings


def test_one_file_an_episode(tmp_path):
    folder = aloha(tmp_path / "aloha")
    recording = readers.open(folder)
    assert [(e.path, e.index, e.length) for e in recording.episodes] == [
        ("episode_0.hdf5", 0, 40),
        ("episode_1.hdf5", 1, 40),
    ]
    assert recording.features["observation.state"].source == "observations/qpos"
    assert (recording.facts.fps, recording.main.clock, recording.problems) == (None, None, ())
    assert len(list(recording.cameras["observations/images/cam_high"].pictures(0))) == 40
    (folder / "assay.yaml").write_text("schema: declaration@1\nfps: 50\nrobot_type: aloha\n")
    declared = readers.open(folder)
    assert (declared.main.fps, declared.main.clock.source, declared.episodes[0].end_s) == (50, "index", 39 / 50)


def test_compressed_pictures(tmp_path):
    av = pytest.importorskip("av")
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 96, 84, "rgb24", Fraction(1)
    (packet,) = context.encode(av.VideoFrame.from_ndarray(pictures(0)[0], format="rgb24"))
    content = bytes(packet)
    path = aloha(tmp_path / "aloha", 1) / "episode_0.hdf5"

    def padded(file):
        del file["observations/images/cam_high"]
        file["observations/images/cam_high"] = np.tile(np.frombuffer(content + bytes(9), np.uint8), (40, 1))
        texts = file.create_dataset("observations/images/cam_low", (40,), h5py.vlen_dtype(np.uint8))
        for i in range(40):
            texts[i] = np.frombuffer(content, np.uint8)

    recording = readers.open(changed(path, padded))
    for camera in recording.cameras.values():
        assert [b"".join(p.planes) for p in camera.pictures(0)] == [pictures(0)[0].tobytes()] * 40
    assert len(recording.cameras) == 2


def test_a_time_dataset_is_the_clock(tmp_path):
    start = 1_700_000_000_000_000_000

    def timed(file):
        for i in range(2):
            file[f"data/demo_{i}/obs/time_ns"] = start + i * 10**12 + np.arange(40) * 50_000_000

    path = changed(robomimic(tmp_path / "a.hdf5"), timed)
    recording = readers.open(path)
    clock = recording.main.clock
    assert (clock.column, clock.unit, clock.origin) == ("obs/time_ns", "ns", start)
    assert [(e.start_s, e.end_s) for e in recording.episodes] == [(0, 1.95), (1000, 1001.95)]
    assert not run(recording, load("recording@1")).findings
    declared = readers.open(path, clock=readers.declaration.clock("obs/time_ns:ns"))
    assert declared.main.clock.source == "as declared"
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(path, clock=readers.declaration.clock("obs/none:ns"))
    assert caught.value.kind == "column-missing"


def test_lengths_that_disagree(tmp_path):
    def cut(file):
        del file["data/demo_1/obs/robot0_eef_pos"]
        file["data/demo_1/obs/robot0_eef_pos"] = motion(1, 39, 3)
        file["data/demo_0"].attrs["num_samples"] = 41
        file["mask/train"][0] = b"demo_9"

    recording = readers.open(changed(robomimic(tmp_path / "a.hdf5"), cut))
    said = [p.message for p in recording.problems]
    assert any("obs/robot0_eef_pos has 39 rows, actions 40" in m for m in said)
    assert any("has no obs/robot0_eef_pos, which the first episode has" in m for m in said)
    assert any("not there: demo_9" in m for m in said)
    found = run(recording, load("recording@1")).findings
    assert {f.check for f in found} == {"readable", "counts"}


def link(file, made):
    file["data/demo_0/obs/robot0_leaves"] = made


def virtual(file):
    layout = h5py.VirtualLayout((40, 3), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (40, 3))
    file.create_virtual_dataset("data/demo_0/obs/robot0_leaves", layout)


def external(file):
    file.create_dataset("data/demo_0/obs/robot0_leaves", (40,), "f8", external=[("raw.bin", 0, 320)])


def references(file):
    made = file.create_dataset("data/demo_0/obs/robot0_leaves", (40,), h5py.ref_dtype)
    made[0] = file["data"].ref


def compound(file):
    file["data/demo_0/obs/robot0_leaves"] = np.zeros(40, [("a", "f8"), ("b", "i4")])


def unknown_filter(file):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((40,))
    plan.set_filter(32099, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((40,))
    where = file["data/demo_0/obs"].id
    h5py.h5d.create(where, b"robot0_leaves", h5py.h5t.NATIVE_DOUBLE, space, plan)


def huge(file):
    file.create_dataset("data/demo_0/obs/robot0_leaves", (40, 1 << 28, 1 << 20), "f8", chunks=(1, 1, 1 << 10))


def long(file):
    file.create_dataset("data/demo_0/obs/robot0_leaves", (1 << 40,), "f8", chunks=(1 << 10,))


def bomb(file):
    file.create_dataset("data/demo_0/obs/robot0_leaves", (40, 1 << 24), "f8", chunks=(1, 1 << 20), compression="gzip")


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda f: link(f, h5py.ExternalLink("/etc/passwd", "/x")), "path-outside", "link to the file '/etc/passwd'"),
        (lambda f: link(f, h5py.SoftLink("/nowhere")), "path-outside", "link to '/nowhere'"),
        (virtual, "path-outside", "virtual dataset"),
        (external, "path-outside", "another file"),
        (references, "column-type", "references"),
        (compound, "column-type", "compound"),
        (unknown_filter, "file-damaged", "filter 32099"),
        (huge, "too-large", "claims"),
        (long, "too-large", "rows"),
        (bomb, "too-large", "claims"),
    ],
)
def test_what_is_not_followed_or_believed(tmp_path, spoil, kind, words):
    recording = readers.open(changed(robomimic(tmp_path / "a.hdf5"), spoil))
    assert [(p.kind, p.episode) for p in recording.problems] == [(kind, 0)]
    assert "data/demo_0/obs/robot0_leaves" in recording.problems[0].message
    assert words in recording.problems[0].message
    assert recording.scan().collect().height == 80


def test_groups_that_hold_themselves(tmp_path):
    def circle(file):
        file["data/demo_0/obs/again"] = file["data/demo_0"]

    said = problems(changed(robomimic(tmp_path / "a.hdf5"), circle))
    assert [kind for kind, _ in said] == ["too-large"]


def test_a_damaged_chunk_is_said_when_it_is_met(tmp_path):
    path = robomimic(tmp_path / "a.hdf5", compression="gzip", chunks=(10, 7))
    with h5py.File(path) as file:
        chunk = file["data/demo_1/actions"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 40] = bytes(40)
    path.write_bytes(bytes(content))
    result = run(readers.open(path), load("recording@1"))
    (found,) = [f for f in result.findings if f.check == "readable"]
    assert (found.episode, "data/demo_1" in found.message) == (1, True)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda p: p.touch(), "file-damaged"),
        (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "file-damaged"),
        (lambda p: h5py.File(p, "w").close(), "format-unknown"),
        (lambda p: changed(robomimic(p), lambda f: f.move("data", "other")), "format-unknown"),
    ],
)
def test_files_without_demonstrations(tmp_path, make, kind):
    make(tmp_path / "a.h5")
    with pytest.raises(UnreadableDataset) as caught:
        readers.open(tmp_path)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"env_kwargs": 1, "sim_args": {"dt": "x"}}', '{"env_kwargs": {"robots": []}}']
)
def test_any_arguments(tmp_path, text):
    def set_arguments(file):
        file["data"].attrs["env_args"] = text

    recording = readers.open(changed(robomimic(tmp_path / "a.hdf5"), set_arguments))
    assert recording.facts.fps is None
    assert [p.kind for p in recording.problems] == (["metadata-invalid"] if text == "{" else [])


def test_a_process_of_its_own_looks_first(tmp_path):
    good, bad = robomimic(tmp_path / "good.h5"), tmp_path / "bad.h5"
    bad.write_bytes(good.read_bytes()[:5000])
    assert hdf5_guard.unsound([good, bad, good]) == {}  # what is damaged and can be said is the reader's to say
    (why,) = hdf5_guard.unsound([good], patience_s=0).values()
    assert "does not end" in why


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_bytes(tmp_path, data):
    path = tmp_path / "a.hdf5"
    if not (tmp_path / "good").exists():
        robomimic(tmp_path / "good", rows=10, compression="gzip")
    content = bytearray((tmp_path / "good").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 8000))
        if data.draw(st.integers(0, 9)) == 0:
            del content[at:]
            content += b" "
        else:
            content[at % len(content)] = data.draw(st.sampled_from([0, 1, 255]) | st.integers(0, 255))
    path.write_bytes(bytes(content))
    with suppress(UnreadableDataset):
        recording = readers.open(path)
        run(recording, load("recording@1"))


@pytest.mark.parametrize("write", [robomimic, isaac])
def test_a_good_file_is_not_blocked(tmp_path, write):
    recording = readers.open(write(tmp_path / "good.hdf5"))
    result = run(recording, for_recording(recording)[0])
    assert not [o.check for o in result.outcomes if o.required and o.status == "not-evaluable"]
    assert "synthetic_clock" not in {f.check for f in result.findings}  # the reader made it, and says so


def test_degrees_among_radians_in_channels_without_names(tmp_path):
    def degrees(file):
        positions = file["data/demo_2/obs/robot0_joint_pos"]
        positions[:] = np.degrees(positions[:])

    recording = readers.open(changed(robomimic(tmp_path / "mixed.hdf5", demos=5), degrees))
    assert recording.features["observation.state"].names[3] == "robot0_joint_pos[3]"
    found = run(recording, load("arm@2")).findings
    assert {f.episode for f in found if f.check == "mixed_units"} == {2}
