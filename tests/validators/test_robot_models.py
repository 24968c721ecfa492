import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validators.errors import InvalidRobot
from validators.robot import Channel, document, load, normalised

mujoco = pytest.importorskip("mujoco", reason="needs the extra `sim`")

ARM = (
    '<mujoco><compiler {compiler}/><default><joint axis="0 0 1" {ref}/><default class="a"><joint axis="0 1 1"/></default>'
    '</default><worldbody><body name="b0" pos="0.1 0.2 0.3" {turn}><geom size="0.1"/><joint name="j0" pos="0.02 0 0.01"/>'
    '<joint name="j1" axis="1 0 0"/><body name="b1" pos="0 0.3 0" childclass="a" quat="1 2 3 4"><geom size="0.1"/>'
    '<joint name="j2" range="-30 60"/><body name="b2" pos="0.3 0 0"><geom size="0.1"/>'
    '<joint name="j3" type="slide" class="main"/><site name="tip" pos="0.1 0.05 0.02"/></body></body></body></worldbody></mujoco>'
)
TURNS = ['euler="10 20 30"', 'axisangle="1 1 0 40"', 'quat="0.5 0.5 -0.5 0.5"', ""]
angles = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


def by_mujoco(text: str, values: dict[str, float], site: str) -> np.ndarray:
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    for name, value in values.items():
        data.qpos[model.joint(name).qposadr[0]] = value
    mujoco.mj_kinematics(model, data)
    found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, site)
    return data.site_xpos[found] if found >= 0 else data.body(site).xpos


@settings(max_examples=40, deadline=None)
@given(
    angles,
    st.sampled_from(TURNS),
    st.sampled_from(['eulerseq="xyz"', 'eulerseq="ZYX"', 'eulerseq="zxz"']),
    st.booleans(),
)
def test_mjcf_kinematics_are_mujocos_own(values, turn, sequence, referenced):
    text = ARM.format(compiler=f'angle="degree" {sequence}', turn=turn, ref='ref="20"' if referenced else "")
    robot = load(text)
    joints = {f"j{i}": v for i, v in enumerate(values)}
    wanted = by_mujoco(text, joints, "tip")
    site = robot.tree.point("tip")
    position, _ = robot.tree.forward(site, {k: np.array([v]) for k, v in joints.items()}, 1)
    np.testing.assert_allclose(position[0], wanted, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(angles)
def test_slopes_are_the_derivatives(values):
    robot = load(ARM.format(compiler="", turn=TURNS[0], ref=""))
    site, step = robot.tree.point("tip"), 1e-6
    joints = {f"j{i}": np.array([v]) for i, v in enumerate(values)}
    here, slopes = robot.tree.forward(site, joints, 1)
    for name, value in joints.items():
        there, _ = robot.tree.forward(site, joints | {name: value + step}, 1)
        np.testing.assert_allclose((there - here) / step, slopes[name], atol=1e-5)


def test_limits_are_read_in_the_compilers_unit():
    degrees = load(ARM.format(compiler="", turn="", ref="")).joint("j2")
    assert (degrees.lower, degrees.upper) == (pytest.approx(math.radians(-30)), pytest.approx(math.radians(60)))
    radians = load(ARM.format(compiler='angle="radian"', turn="", ref="")).joint("j2")
    assert (radians.lower, radians.upper) == (-30, 60)
    unlimited = load(ARM.format(compiler='autolimits="false"', turn="", ref="")).joint("j2")
    assert unlimited.lower is None


def without_shapes(path) -> str:
    """The URDF without meshes, which are not here, and with fixed links kept, so that mujoco compiles the same tree."""
    root = ElementTree.parse(path).getroot()
    for link in root.iter("link"):
        for shape in [*link.findall("visual"), *link.findall("collision")]:
            link.remove(shape)
    for joint in [j for j in root.findall("joint") if j.get("type") == "floating"]:
        joint.set("type", "fixed")
    extension = root.find("mujoco")
    if extension is not None:
        root.remove(extension)
    root.append(
        ElementTree.fromstring(
            '<mujoco><compiler fusestatic="false" discardvisual="false" balanceinertia="true"/></mujoco>'
        )
    )
    return ElementTree.tostring(root, encoding="unicode")


@pytest.mark.parametrize(
    ("folder", "name", "link"),
    [
        ("robot_models_g1", "g1_29dof_rev_1_0.urdf", "left_wrist_yaw_link"),
        ("robot_models_so101", "so101_new_calib.urdf", "moving_jaw_so101_v1_link"),
    ],
)
def test_real_urdf_kinematics_are_mujocos_own(shared, folder, name, link):
    path = shared / folder / name
    robot = load(path)
    site, rng = robot.tree.point(link), np.random.default_rng(0)
    for _ in range(5):
        joints = {j: float(rng.uniform(-1, 1)) for j in robot.tree.moving(site)}
        position, _ = robot.tree.forward(site, {k: np.array([v]) for k, v in joints.items()}, 1)
        np.testing.assert_allclose(position[0], by_mujoco(without_shapes(path), joints, link), atol=1e-6)


def test_real_mjcf_and_urdf_of_one_robot_agree_on_limits(shared):
    folder = shared / "robot_models_so101"
    drawn, described = (load(folder / f"so101_new_calib.{kind}") for kind in ("xml", "urdf"))
    assert {n: round(j.upper, 4) for n, j in drawn.tree.joints.items()} == {
        n: round(j.upper, 4) for n, j in described.tree.joints.items() if j.upper is not None
    }


def test_channels_find_their_joints(shared):
    robot = load(shared / "robot_models_g1/g1_29dof_rev_1_0.urdf")
    assert robot.channel("kLeftShoulderPitch") == Channel("left_shoulder_pitch_joint")
    assert robot.channel("kLeftHandThumbBend") is None
    assert normalised("shoulder_pan.pos") == normalised("ShoulderPan") == "shoulder_pan"


def record(**changes) -> str:
    model = '<robot name="r"><link name="a"/><link name="b"/><joint name="j" type="revolute"><parent link="a"/><child link="b"/></joint></robot>'
    return json.dumps({"schema": "robot@1", "name": "r", "model": model} | changes)


def test_a_record_names_joints_units_and_tracker(tmp_path):
    model = json.loads(record())["model"]
    (tmp_path / "r.urdf").write_text(model)
    text = record(
        model="r.urdf", channels={"c": {"joint": "j", "unit": "deg"}}, tracker={"column": "seen", "link": "b"}
    )
    (tmp_path / "r.json").write_text(text)
    robot = load(tmp_path / "r.json")
    assert robot.channel("c") == Channel("j", "deg")
    assert robot.tracker.column == "seen"
    assert robot.site().body == "b"
    again = load(json.dumps(document(tmp_path / "r.json")))
    assert (again.digest, again.tracker, again.channels) == (robot.digest, robot.tracker, robot.channels)
    (tmp_path / "r.urdf").write_text(model.replace('name="r"', 'name="s"'))
    assert load(tmp_path / "r.json").digest != robot.digest


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{", "robot-invalid"),
        ('{"schema": "robot@2"}', "robot-invalid"),
        (record(extra=1), "robot-invalid"),
        (record(name=""), "robot-invalid"),
        (record(model="r.urdf"), "robot-missing"),
        (record(channels={"c": {"joint": "none"}}), "robot-invalid"),
        (record(channels={"c": {"joint": "j", "unit": "furlong"}}), "robot-invalid"),
        (record(channels=[]), "robot-invalid"),
        (record(tracker={"column": "seen", "site": "nowhere"}), "robot-invalid"),
        ("schema: robot@1\nname: &a r\nmodel: *a", "robot-invalid"),
        ("schema: robot@1\nschema: robot@1", "robot-invalid"),
        ("schema: !!python/name:os.system robot@1\n", "robot-invalid"),
        ("<html/>", "model-invalid"),
        ("<robot", "model-invalid"),
        ("<robot/>", "model-invalid"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><robot>&a;</robot>', "model-invalid"),
        ("<mujoco><include file='x'/></mujoco>", "model-unsupported"),
        ("<mujoco><worldbody><body><joint type='ball'/></body></worldbody></mujoco>", "model-unsupported"),
        ("<mujoco><worldbody><body><freejoint/></body></worldbody></mujoco>", "model-unsupported"),
        ("<mujoco><worldbody><body pos='1 2'/></worldbody></mujoco>", "model-invalid"),
        ("<mujoco><worldbody><body pos='1 2 nan'/></worldbody></mujoco>", "model-invalid"),
        ("<mujoco><worldbody><body quat='0 0 0 0'/></worldbody></mujoco>", "model-invalid"),
        ("<mujoco><worldbody><body><joint axis='0 0 0'/></body></worldbody></mujoco>", "model-invalid"),
        ("<mujoco><worldbody><body><joint class='none'/></body></worldbody></mujoco>", "model-invalid"),
        ("<mujoco>" + "<body>" * 300 + "</body>" * 300 + "</mujoco>", "model-invalid"),
    ],
)
def test_what_is_refused(text, kind):
    with pytest.raises(InvalidRobot) as caught:
        load(text + "\n")
    assert caught.value.kind == kind


def test_a_doctype_is_refused_whatever_it_holds():
    model = json.loads(record())["model"]
    assert load(model).tree.joints
    for doctype in ('<!DOCTYPE robot SYSTEM "file:///etc/passwd">', '<!DOCTYPE robot [<!ENTITY a "b">]>'):
        with pytest.raises(InvalidRobot, match="DOCTYPE"):
            load(doctype + model)


@pytest.mark.parametrize(
    "joints",
    [
        [("j", "a", "b"), ("k", "b", "a")],  # a ring
        [("j", "a", "b"), ("k", "c", "b")],  # two parents
        [("j", "a", "b")],  # two roots
        [("j", "a", "b"), ("j", "b", "c")],  # one name twice
        [("j", "a", "x"), ("k", "b", "c")],  # no such link
    ],
)
def test_urdf_that_is_no_tree(joints):
    links = "".join(f'<link name="{n}"/>' for n in "abc")
    body = "".join(
        f'<joint name="{n}" type="fixed"><parent link="{p}"/><child link="{c}"/></joint>' for n, p, c in joints
    )
    body = re.sub('"fixed"', '"revolute"', body)
    with pytest.raises(InvalidRobot) as caught:
        load(f"<robot>{links}{body}</robot>")
    assert caught.value.kind == "model-invalid"


def test_models_outside_the_records_folder(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "m.urdf").write_text(json.loads(record())["model"])
    for name in ("../m.urdf", str(tmp_path / "m.urdf")):
        (tmp_path / "r/r.json").write_text(record(model=name))
        with pytest.raises(InvalidRobot) as caught:
            load(tmp_path / "r/r.json")
        assert caught.value.kind == "path-outside"
    (tmp_path / "r/link.urdf").symlink_to(tmp_path / "m.urdf")
    (tmp_path / "r/r.json").write_text(record(model="link.urdf"))
    with pytest.raises(InvalidRobot) as caught:
        load(tmp_path / "r/r.json")
    assert caught.value.kind == "path-outside"


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_spoilt_model_is_refused_or_read(data):
    text = ARM.format(compiler="", turn=TURNS[0], ref="")
    at = data.draw(st.integers(0, len(text) - 1))
    piece = data.draw(st.text(st.sampled_from('<>"/= 09.-eabj&;\0é'), max_size=4))
    width = data.draw(st.integers(0, 6))
    try:
        robot = load(text[:at] + piece + text[at + width :] + "\n")
    except InvalidRobot:
        return
    assert robot.tree.bodies
