"""Each defect of labels is found and nothing else; what cannot be judged says so."""

import copy
import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import labelled
from validators import readers, suites
from validators.expectations.labels.classes import evenness, overlaps
from validators.run import run
from validators.statistics.agreement import iou

SUITE = suites.load("labels@1")


def judged(path):
    return run(readers.open(path), SUITE)


def found(result):
    return {(f.check, f.severity) for f in result.findings}


def outcome(result, check):
    return next(o for o in result.outcomes if o.check == check)


def of_coco(tmp_path, change, **how):
    document = labelled.coco(**how)
    change(document)
    return judged(labelled.write(tmp_path / "x.json", document))


@pytest.fixture(params=["coco", "openlabel", "nuscenes", "kitti"])
def clean(request, tmp_path):
    if request.param == "nuscenes":
        return labelled.write_nuscenes(tmp_path, labelled.nuscenes())
    if request.param == "kitti":
        return labelled.write_kitti(tmp_path)
    return labelled.write(tmp_path / "x.json", getattr(labelled, request.param)()).parent


def test_clean_labels_give_no_finding(clean):
    recording = readers.open(clean)
    suite, why = suites.for_recording(recording)
    assert (suite.name, why) == ("labels@1", f"labels@1, chosen for the format {recording.format}")
    result = run(recording, suite)
    assert result.findings == ()
    assert result.passed


@pytest.mark.parametrize(
    ("box", "check", "said", "value"),
    [
        ([10, 20, 0, 30], "boxes", "no extent", 0),
        ([10, 20, -4, 30], "boxes", "no extent", -4),
        ([620, 20, 40, 30], "boxes", "outside the picture", 20),
        ([-3, 20, 40, 30], "boxes", "outside the picture", 3),
        ([10, 460, 40, 30], "boxes", "outside the picture", 10),
        ([10, float("nan"), 40, 30], "boxes", "not finite", None),
    ],
)
def test_a_box_that_cannot_be(tmp_path, box, check, said, value):
    result = of_coco(tmp_path, lambda d: d["annotations"][7].update(bbox=box, area=1))
    (finding,) = result.findings
    assert finding.check == check
    assert said in finding.message
    assert "annotations[7]" in finding.message
    assert finding.value == value
    assert isinstance(finding.limit, float)
    assert not result.passed


def test_a_pixel_beside_the_picture_is_rounding(tmp_path):
    assert of_coco(tmp_path, lambda d: d["annotations"][7].update(bbox=[601, 20, 40, 30])).passed


def test_an_area_above_the_box_and_a_polygon_of_two_points(tmp_path):
    result = of_coco(tmp_path, lambda d: d["annotations"][7].update(area=5000))
    assert ["area" in f.message for f in result.findings] == [True]
    two = {"segmentation": [[1, 2, 3, 4]]}
    result = of_coco(tmp_path, lambda d: (d["annotations"][7].pop("bbox"), d["annotations"][7].update(two)))
    assert any("fewer than 3 vertices" in f.message for f in result.findings)


def test_orphans_of_each_kind(tmp_path):
    result = of_coco(tmp_path, lambda d: d["images"].pop(1))
    assert found(result) == {("orphans", "blocking")}
    assert result.findings[0].value == 3
    document = labelled.coco()
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != 2]
    labelled.write(tmp_path / "here/x.json", document)
    for i in range(4):
        (tmp_path / f"here/{i:04}.jpg").write_bytes(b"x")
    result = judged(tmp_path / "here")
    assert result.passed
    assert outcome(result, "orphans").note == "1 of 4 images have no label"
    (tmp_path / "here/0003.jpg").unlink()
    (finding,) = judged(tmp_path / "here").findings
    assert finding.message == "1 of 4 pictures are not here: 0003.jpg"


def test_an_object_in_no_frame_and_a_class_that_is_not_declared(tmp_path):
    document = labelled.openlabel()
    document["openlabel"]["objects"]["ghost"] = {"name": "ghost", "type": "person"}
    result = judged(labelled.write(tmp_path / "x.json", document))
    assert found(result) == {("orphans", "blocking")}
    assert "person openlabel.objects.ghost" in result.findings[0].message
    result = of_coco(tmp_path / "c", lambda d: d["annotations"][2].update(category_id=8))
    assert found(result) == {("declared_classes", "blocking")}
    assert "'category 8'" in result.findings[0].message


def test_unused_and_rare_classes_warn(tmp_path):
    result = of_coco(tmp_path, lambda d: d["categories"].append({"id": 3, "name": "washer"}))
    assert found(result) == {("class_coverage", "warning")}
    assert result.passed
    assert "1 of 3 declared classes are never used: washer" in result.findings[0].message

    def rare(document):
        for a in document["annotations"]:
            a["category_id"] = 1
        document["annotations"][0]["category_id"] = 2

    assert of_coco(tmp_path / "few", rare, images=300, each=9).findings == ()  # 2700 labels do not show 0.1 %
    result = of_coco(tmp_path / "many", rare, images=400, each=9)
    assert "1 of 2 classes are rare among 3600 labels: nut (1)" in result.findings[0].message


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12))
def test_evenness_is_its_definition(counts):
    effective, gini = evenness(np.array(counts, float))
    n, total = len(counts), sum(counts)
    shares = [c / total for c in counts]
    assert effective == pytest.approx(np.exp(-sum(p * np.log(p) for p in shares)))
    differences = sum(abs(a - b) for a, b in itertools.product(counts, counts))
    assert gini == pytest.approx(differences / (2 * n * total), abs=1e-12)
    assert 1 - 1e-9 <= effective <= n + 1e-9


def test_the_same_box_twice_warns_and_neighbours_do_not(tmp_path):
    def double(document):
        copied = copy.deepcopy(document["annotations"][4])
        copied["id"], copied["bbox"] = 99, [copied["bbox"][0] + 0.5, *copied["bbox"][1:]]
        document["annotations"].append(copied)

    result = of_coco(tmp_path, double)
    assert found(result) == {("duplicate_boxes", "warning")}
    assert result.findings[0].value == pytest.approx(39.5 / 40.5)

    def other_class(document):
        double(document)
        document["annotations"][-1]["category_id"] = 2

    assert of_coco(tmp_path / "b", other_class).findings == ()


boxes = st.lists(st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 6)] * 2), min_size=2, max_size=12)


@given(boxes, st.integers(1, 3))
def test_overlaps_are_those_of_every_pair(boxes, groups):
    table = pl.DataFrame(boxes, schema=list("xywh"), orient="row").cast(pl.Float64)
    table = table.with_columns(g=pl.int_range(pl.len()) % groups).sort("g", "x")
    array, group = table.select(*"xywh").to_numpy(), table["g"].to_numpy()
    best = overlaps(group, array)
    pairs = iou(array, array) * (group[:, None] == group[None])
    for i in range(len(array)):
        assert best[i] == pytest.approx(pairs[i, :i].max(initial=0.0))


def with_pictures(root, change=lambda d: None, size=(640, 480)):
    document = labelled.coco()
    for i, each in enumerate(document["images"]):
        each["file_name"] = f"{i:04}.png"
        path = root / "images" / each["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(labelled.png(*(size if i == 2 else (640, 480)), seed=i))
    change(document)
    labelled.write(root / "annotations/instances_train.json", document)
    return root


def test_a_picture_turned_after_labelling(tmp_path):
    result = judged(with_pictures(tmp_path / "good"))
    assert result.findings == ()
    assert outcome(result, "picture_sizes").note == "4 of 4 pictures looked at"
    (finding,) = judged(with_pictures(tmp_path / "bad", size=(480, 640))).findings
    assert finding.message.endswith("images/0002.png is 480 × 640, declared 640 × 480")


def test_pictures_of_labels_are_cameras_that_picture_checks_see(tmp_path):
    recording = readers.open(with_pictures(tmp_path))
    (camera,) = recording.cameras.values()
    assert [e.length for e in recording.episodes] == [4]
    assert (camera.width, camera.height) == (640, 480)
    assert len(list(camera.pictures(0))) == 4
    result = run(recording, suites.load("images@1"))
    assert outcome(result, "exposure").status == "clean"
    tables = labelled.nuscenes(scenes=1, samples=2, sweeps=2)
    cameras = readers.open(labelled.write_nuscenes(tmp_path / "nu", tables)).cameras
    assert {n: dict(c.times_s)[0][1] for n, c in cameras.items()} == {"CAM_FRONT": pytest.approx(0.12)}


def of_openlabel(tmp_path, change, frames=5):
    document = labelled.openlabel(frames)
    change(document["openlabel"])
    return judged(labelled.write(tmp_path / "x.json", document))


def cuboid(document, frame):
    return document["frames"][str(frame)]["objects"]["car-1"]["object_data"]["cuboid"][0]["val"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.__setitem__(8, 0), "no size"),
        (lambda v: v.__setitem__(8, -2), "no size"),
        (lambda v: v.__setitem__(0, float("inf")), "not finite"),
        (lambda v: v.__setitem__(6, 0.5), "quaternion"),
    ],
)
def test_a_cuboid_that_cannot_be(tmp_path, change, said):
    result = of_openlabel(tmp_path, lambda d: change(cuboid(d, 2)))
    (finding,) = [f for f in result.findings if f.check == "boxes"]
    assert said in finding.message
    assert (finding.episode, finding.start_s) == (0, pytest.approx(0.2))


def test_a_leap_a_hole_and_a_second_cuboid(tmp_path):
    result = of_openlabel(tmp_path / "leap", lambda d: cuboid(d, 2).__setitem__(0, 60))
    (finding,) = result.findings
    assert finding.check == "tracks"
    assert finding.value == pytest.approx(430, rel=1e-3)
    assert "2 such leaps" in finding.message
    assert (finding.start_s, finding.end_s) == (pytest.approx(0.2), pytest.approx(0.3))
    result = of_openlabel(tmp_path / "hole", lambda d: d["frames"]["3"].update(objects={}))
    (finding,) = result.findings
    assert "car car-1 lacks 1 of frames 0 to 4" in finding.message

    def left(document):
        document["frames"]["3"]["objects"] = {}
        spans = [{"frame_start": 0, "frame_end": 2}, {"frame_start": 4, "frame_end": 4}]
        document["objects"]["car-1"]["frame_intervals"] = spans

    assert of_openlabel(tmp_path / "left", left).findings == ()
    tables = labelled.nuscenes()
    tables["sample_annotation"].append({**tables["sample_annotation"][1], "token": "again"})
    tables["instance"][0]["nbr_annotations"] = 4
    result = judged(labelled.write_nuscenes(tmp_path / "twice", tables))
    assert ["object twice" in f.message for f in result.findings] == [True]


@settings(deadline=None, max_examples=25)
@given(
    st.sets(st.integers(0, 9)),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), min_size=1, max_size=3),
)
def test_holes_are_counted_frame_by_frame(tmp_path_factory, marked, spans):
    document = labelled.openlabel(10)
    for frame in set(range(10)) - marked:
        document["openlabel"]["frames"][str(frame)]["objects"] = {}
    intervals = [{"frame_start": a, "frame_end": b} for a, b in spans]
    document["openlabel"]["objects"]["car-1"]["frame_intervals"] = intervals
    result = judged(labelled.write(tmp_path_factory.mktemp("holes") / "x.json", document))
    missing = sum(f not in marked for a, b in spans for f in range(a, b + 1) if f < 10)
    holes = [f.value for f in result.findings if f.check == "tracks"]
    assert holes == ([missing] if missing and marked else [])


def test_a_track_of_two_classes(tmp_path):
    def tracked(document):
        for a in document["annotations"]:
            a["track_id"] = a["id"] % 3
            a["category_id"] = 1 + (a["id"] == 5)

    result = of_coco(tmp_path, tracked)
    (finding,) = [f for f in result.findings if f.check == "tracks"]
    assert finding.message == "object 2 is bolt and nut"


def test_a_label_after_the_recording(tmp_path):
    def late(tables):
        for table in ("sample_data", "ego_pose"):
            for row in tables[table]:
                row["timestamp"] -= 5_000_000

    tables = labelled.nuscenes(scenes=1)
    late(tables)
    result = judged(labelled.write_nuscenes(tmp_path, tables))
    finding = next(f for f in result.findings if f.check == "label_times")
    assert finding.value == pytest.approx(1 - 0.92 + 5, abs=0.05)
    assert finding.unit == "s"


def second_annotator(tmp_path, seed=0, wrong=0.0, moved=1.0, lost=0.0, each=3):
    """Two files for the same images, the second made from the first."""
    draw = np.random.default_rng(seed)
    document = labelled.coco(images=60, each=each)
    labelled.write(tmp_path / "instances_ada.json", document)
    kept = []
    for a in document["annotations"]:
        if draw.random() < lost:
            continue
        x, y, w, h = np.maximum(np.array(a["bbox"]) + draw.normal(0, moved, 4), [0, 0, 5, 5])
        a |= {"bbox": [x, y, w, h], "area": w * h}
        if draw.random() < wrong:
            a["category_id"] = 3 - a["category_id"]
        kept.append(a)
    labelled.write(tmp_path / "instances_bob.json", {**document, "annotations": kept})
    return judged(tmp_path)


AGREEMENT = ("box_agreement", "kappa", "alpha")


def test_one_annotator_is_not_evaluable_and_told_how(tmp_path):
    result = of_coco(tmp_path, lambda d: None)
    for check in AGREEMENT:
        assert outcome(result, check).status == "not-evaluable"
        assert "second file of labels" in outcome(result, check).why


def test_files_of_one_annotator_are_one(tmp_path):
    """Instances and keypoints of the same images, and two halves of a dataset, are nobody's second opinion."""
    labelled.write(tmp_path / "instances_train.json", labelled.coco(60))
    labelled.write(tmp_path / "person_keypoints_train.json", labelled.coco(60))
    other = labelled.coco(60)
    for image in other["images"]:
        image["file_name"] = "val-" + image["file_name"]
    labelled.write(tmp_path / "instances_val.json", other)
    result = judged(tmp_path)
    assert {outcome(result, c).status for c in AGREEMENT} == {"not-evaluable"}


def test_annotators_who_agree(tmp_path):
    result = second_annotator(tmp_path, wrong=0.02)
    assert result.findings == ()
    assert {outcome(result, c).status for c in AGREEMENT} == {"clean"}
    kappa = outcome(result, "kappa").observed["ada and bob"]
    assert kappa["interval"][0] < kappa["kappa"] < kappa["interval"][1]
    assert kappa["kappa"] == pytest.approx(0.96, abs=0.05)
    assert outcome(result, "alpha").observed["alpha"] == pytest.approx(kappa["kappa"], abs=0.01)


@pytest.mark.parametrize(
    ("how", "blocks", "warns"),
    [
        ({"wrong": 0.35}, {"kappa", "alpha"}, {"kappa", "alpha"}),
        ({"wrong": 0.14}, set(), {"kappa", "alpha"}),
        ({"moved": 5.0}, set(), {"box_agreement"}),
        ({"lost": 0.8, "each": 8}, {"box_agreement"}, {"box_agreement"}),
    ],
)
def test_annotators_who_do_not(tmp_path, how, blocks, warns):
    result = second_annotator(tmp_path, **how)
    checks = {s: {f.check for f in result.findings if f.severity == s} for s in ("blocking", "warning")}
    assert checks == {"blocking": blocks, "warning": warns}


def test_an_annotator_on_each_label_and_tags_of_whole_images(tmp_path):
    document = labelled.coco(images=50, each=0)
    document["annotations"] = [
        {"id": 2 * i + j, "image_id": i, "category_id": 1 + ((i + (j and i % 4 == 0)) % 2), "annotator": name}
        for i in range(50)
        for j, name in enumerate(("ada", "bob"))
    ]
    result = judged(labelled.write(tmp_path / "x.json", document))
    first = np.arange(50) % 2
    second = (np.arange(50) + (np.arange(50) % 4 == 0)) % 2
    expected = np.mean(first) * np.mean(second) + (1 - np.mean(first)) * (1 - np.mean(second))
    kappa = (np.mean(first == second) - expected) / (1 - expected)
    assert outcome(result, "kappa").observed["ada and bob"]["kappa"] == pytest.approx(kappa)


def test_alpha_of_a_numeric_attribute_is_of_intervals(tmp_path):
    suite = suites.parse(
        '{"name": "x", "expectations": [{"type": "expect_krippendorff_alpha", "kwargs": {"value": "size_mm"}}]}'
    )
    draw = np.random.default_rng(1)
    for name in ("ada", "bob"):
        document = labelled.coco(images=20)
        for a in document["annotations"]:
            a["size_mm"] = a["id"] + draw.normal(0, 1)
        labelled.write(tmp_path / f"{name}.json", document)
    (result,) = run(readers.open(tmp_path), suite).outcomes
    assert result.status == "clean"
    assert result.observed["alpha"] > 0.99


def test_a_track_of_osdar_leaps_and_nothing_else_is_wrong(shared):
    """A road vehicle 183 m ahead is 11 m farther in every third frame: so it was published."""
    result = judged(shared / "openlabel_osdar23/1_calibration_1.1_labels.json")
    (finding,) = result.findings
    assert finding.check == "tracks"
    assert "road_vehicle db3f5d36" in finding.message
    assert finding.value == pytest.approx(112, abs=1)


def test_boxes_of_the_mini_coco_reach_outside(shared):
    """Published so: image 116100 is declared 182 px high, and box 93 ends 20 px right of its picture."""
    result = judged(shared / "croissant/coco2014-mini-1.0")
    assert found(result) == {("boxes", "blocking"), ("class_coverage", "warning")}
    assert result.blocking[0].value == pytest.approx(475.24 + 76.73 - 182)
