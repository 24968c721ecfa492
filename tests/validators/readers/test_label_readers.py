"""Label formats in, one shape of tables out; each broken rule is said with its place."""

import json
from decimal import Decimal

import fsspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import labelled
from validators import readers
from validators.errors import UnreadableDataset
from validators.labels import ANNOTATIONS, IMAGES, OBJECTS
from validators.readers.times import nanoseconds


def defects(recording):
    return {(d.rule, where, what) for d in recording.labels.defects for where, what in d.examples}


def rules(recording):
    return {d.rule: d.count for d in recording.labels.defects}


def rows(recording):
    return recording.labels.annotations.collect()


def test_coco_boxes_classes_and_images(tmp_path):
    labelled.write(tmp_path / "annotations/instances_train.json", labelled.coco())
    (tmp_path / "train").mkdir()
    (tmp_path / "train/0001.jpg").write_bytes(b"x")
    recording = readers.open(tmp_path)
    assert recording.format == "coco"
    assert recording.labels.categories == ("bolt", "nut")
    table = rows(recording)
    assert table.schema == pl.Schema(ANNOTATIONS)
    assert table.height == 12
    row = table.row(4, named=True)
    assert (row["image"], row["category"], row["kind"], row["points"]) == ("train/0001.jpg", "bolt", "bbox", 4)
    assert (row["x"], row["y"], row["w"], row["h"], row["area"]) == (70, 25, 40, 31, 1240)
    assert (row["set"], row["where"]) == ("annotations/train", "annotations[4]")
    images = recording.labels.images.collect()
    assert images.schema == pl.Schema(IMAGES)
    assert images["found"].to_list() == [False, True, False, False]
    assert not recording.labels.defects


def test_coco_in_any_order_of_its_parts(tmp_path):
    document = labelled.coco()
    for name, order in (("a", ["annotations", "images", "categories"]), ("b", ["categories", "annotations", "images"])):
        labelled.write(tmp_path / name / "x.json", {k: document[k] for k in order})
    found = [rows(readers.open(tmp_path / name)) for name in ("a", "b")]
    assert found[0].equals(found[1])
    assert set(found[0]["image"]) == {f"{i:04}.jpg" for i in range(4)}


def test_coco_captions_keypoints_masks_and_tags(tmp_path):
    document = labelled.coco(images=1, each=0)
    document["annotations"] = [
        {"id": 1, "image_id": 0, "caption": "a bolt"},
        {"id": 2, "image_id": 0, "category_id": 1, "keypoints": [1, 2, 2, 0, 0, 0], "num_keypoints": 1},
        {"id": 3, "image_id": 0, "category_id": 1, "segmentation": {"size": [480, 640], "counts": "abc"}, "iscrowd": 1},
        {"id": 4, "image_id": 0, "category_id": 2, "annotator": "bob", "attributes": {"rust": True, "n": 3, "l": []}},
        {"id": 5, "image_id": 0, "category_id": 9, "segmentation": [[1, 2, 5, 2, 5, 8]]},
    ]
    labelled.write(tmp_path / "x.json", document)
    recording = readers.open(tmp_path / "x.json")
    table = rows(recording)
    assert table["kind"].to_list() == ["caption", "point", "mask", "tag", "polygon"]
    assert table["crowd"].to_list() == [False, False, True, False, False]
    assert table.row(3, named=True)["annotator"] == "bob"
    assert json.loads(table.row(3, named=True)["attributes"])["n"] == 3
    assert table["category"].to_list() == [None, "bolt", "bolt", "nut", "category 9"]
    assert table.select(*"xywh").row(4) == (1, 2, 4, 6)
    assert not recording.labels.defects


@pytest.mark.parametrize(
    ("change", "rule", "where", "what"),
    [
        (lambda d: d["annotations"][3].pop("image_id"), "required field", "annotations[3].image_id", "is absent"),
        (lambda d: d["annotations"][3].update(bbox=[1, 2, 3]), "length", "annotations[3].bbox", "3 numbers, 4 were"),
        (lambda d: d["annotations"][3].update(bbox="1,2"), "type", "annotations[3].bbox", "text '1,2' was found"),
        (lambda d: d["annotations"][3].update(bbox=[1, 2, 3, None]), "type", "annotations[3].bbox[3]", "null"),
        (lambda d: d["annotations"][3].update(id=2), "unique id", "annotations[3]", "id 2 of annotations occurs 2"),
        (lambda d: d["annotations"].append([]), "type", "annotations[12]", "an object was expected, a list"),
        (lambda d: d["images"][1].update(id=0), "unique id", "images[1].id", "image 0 is declared twice"),
        (lambda d: d["images"][1].update(width=0), "image size", "images[1].width", ""),
        (lambda d: d["images"][1].update(file_name=7), "type", "images[1].file_name", "text was expected"),
        (lambda d: d["categories"][1].update(id=1), "unique id", "categories[1].id", "declared twice"),
        (lambda d: d["categories"][1].update(name="bolt"), "unique name", "categories[1].name", "'bolt'"),
        (lambda d: d.update(categories={"1": "bolt"}), "type", "categories", "a list was expected"),
        (lambda d: d["annotations"][0].update(keypoints=[1, 2]), "length", "annotations[0].keypoints", "multiple of 3"),
        (
            lambda d: d["annotations"][0].update(keypoints=[1, 2, 2], num_keypoints=2),
            "count",
            "annotations[0].num_keypoints",
            "2, 1 are marked",
        ),
    ],
)
def test_what_coco_breaks_is_said_with_its_place(tmp_path, change, rule, where, what):
    document = labelled.coco()
    change(document)
    labelled.write(tmp_path / "x.json", document)
    found = defects(readers.open(tmp_path))
    assert [1 for r, w, t in found if (r, w) == (rule, where) and what in t], found


def test_openlabel_boxes_times_and_sensors(tmp_path):
    labelled.write(tmp_path / "seq.json", labelled.openlabel())
    recording = readers.open(tmp_path / "seq.json")
    table = rows(recording)
    box, cuboid = table.row(2, named=True), table.row(3, named=True)
    assert (box["x"], box["y"], box["w"], box["h"]) == (296, 225, 50, 30)  # val has the centre
    assert (box["image"], box["stream"], box["object"], box["category"]) == ("/cam/1.png", "cam", "car-1", "car")
    assert (box["annotator"], box["attributes"]) == ("ada", '{"occlusion": "0-25 %"}')
    assert box["where"] == "openlabel.frames.1.objects.car-1.object_data.bbox[0]"
    assert [cuboid[c] for c in ("cx", "cy", "cz", "sx", "sy", "sz", "qw", "qz")] == [19, 1, 0, 4, 2, 1.5, 1, 0]
    assert cuboid["time_s"] == pytest.approx(0.1)
    assert recording.labels.objects.collect().schema == pl.Schema(OBJECTS)
    assert recording.labels.annotators == ("ada",)
    assert recording.facts.sensors["cam"].kind == "camera"
    assert recording.facts.sensors["cam"].calibration["pose_wrt_parent"]["translation"] == [0.1, 0, 2]
    assert set(recording.streams) == {"cam", "lidar"}
    times = recording.streams["cam"].frames().select("timestamp", t=recording.streams["cam"].seconds()).collect()
    assert times["timestamp"].to_list() == [labelled.START_NS + i * 10**8 + 1_234_567 for i in range(5)]
    assert times["t"].to_list() == pytest.approx([i / 10 + 0.001234567 for i in range(5)], abs=1e-12)
    assert recording.episodes[0].length == 5
    assert recording.episodes[0].end_s == pytest.approx(0.4)
    assert not recording.labels.defects


@pytest.mark.parametrize(
    ("change", "rule", "where"),
    [
        (lambda d: d.pop("metadata"), "required field", "openlabel.metadata"),
        (lambda d: d["metadata"].update(schema_version="0.3"), "version", "openlabel.metadata.schema_version"),
        (lambda d: d["objects"]["car-1"].pop("type"), "required field", "openlabel.objects.car-1.type"),
        (lambda d: d["objects"].pop("car-1"), "foreign key", "openlabel.frames.0.objects.car-1"),
        (
            lambda d: d["coordinate_systems"]["cam"].pop("parent"),
            "required field",
            "openlabel.coordinate_systems.cam.parent",
        ),
        (lambda d: d["frames"].update(x={}), "frame number", "openlabel.frames.x"),
        (lambda d: d["frames"]["1"].update(objects=[]), "type", "openlabel.frames.1.objects"),
        (
            lambda d: d["objects"]["car-1"].update(frame_intervals=[{"frame_start": 3, "frame_end": 1}]),
            "interval",
            "openlabel.objects.car-1.frame_intervals[0].frame_start",
        ),
        (
            lambda d: d["coordinate_systems"]["cam"]["pose_wrt_parent"].update(quaternion=[1, 1, 0, 0]),
            "quaternion",
            "openlabel.coordinate_systems.cam.pose_wrt_parent.quaternion",
        ),
        (
            lambda d: d["frames"]["1"]["frame_properties"].update(timestamp="noon"),
            "type",
            "openlabel.frames.1.frame_properties.timestamp",
        ),
        (
            lambda d: d["frames"]["1"]["objects"]["car-1"]["object_data"]["cuboid"][0].update(val=[1] * 8),
            "length",
            "openlabel.frames.1.objects.car-1.object_data.cuboid[0].val",
        ),
        (
            lambda d: d["frames"]["1"]["objects"]["car-1"]["object_data"]["bbox"][0].update(coordinate_system="moon"),
            "foreign key",
            "openlabel.frames.1.objects.car-1.object_data.bbox[0]",
        ),
    ],
)
def test_what_openlabel_breaks_is_said_with_its_place(tmp_path, change, rule, where):
    document = labelled.openlabel()
    change(document["openlabel"])
    labelled.write(tmp_path / "seq.json", document)
    found = defects(readers.open(tmp_path))
    assert (rule, where) in {(r, w) for r, w, _ in found}


def test_openlabel_that_is_spelled_as_json5_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "short.json5"
    path.write_text('{"openlabel": {"metadata": {"schema_version": "1.0.0",},},}')
    with pytest.raises(UnreadableDataset, match="save it as plain JSON"):
        readers.open(path)
    labelled.write(tmp_path / "seq.json", labelled.openlabel())
    (problem,) = readers.open(tmp_path).problems
    assert problem.path == "short.json5"


def test_nuscenes_scenes_channels_and_poses(tmp_path):
    recording = readers.open(labelled.write_nuscenes(tmp_path, labelled.nuscenes()))
    assert [e.length for e in recording.episodes] == [3, 3]
    assert recording.episodes[1].start_s == 3600
    assert set(recording.streams) == {"CAM_FRONT", "LIDAR_TOP", "ego_pose"}
    lidar = recording.streams["LIDAR_TOP"]
    assert (lidar.length(0), lidar.length(1)) == (12, 12)
    second = lidar.frames([1]).select("timestamp", t=lidar.seconds()).collect()
    assert second["timestamp"][1] == labelled.START_US + 3_600_000_000 + 50_000
    assert second["t"][1] == pytest.approx(3600.05, abs=1e-9)
    pose = recording.streams["ego_pose"].frames([0]).sort("timestamp").collect()
    assert pose["translation"][-1][0] == pytest.approx(5 * 0.92)
    camera = recording.facts.sensors["CAM_FRONT"]
    assert (camera.kind, camera.calibration["camera_intrinsic"][0]) == ("camera", 1266.4)
    row = rows(recording).row(0, named=True)
    assert (row["category"], row["kind"], row["sx"], row["sy"]) == ("vehicle.car", "cuboid", 4.5, 1.9)
    assert (row["object"], row["frame"], row["time_s"], row["episode"]) == ("car-0", 0, 0.0, 0)
    assert recording.labels.images.filter(pl.col("found")).collect().height == 48
    assert not recording.labels.defects


@pytest.mark.parametrize(
    ("change", "rule", "where"),
    [
        (lambda t: t["sample"][1].update(scene_token="gone"), "foreign key", "sample[1]"),
        (lambda t: t["sample"][1].update(next="gone"), "foreign key", "sample[1]"),
        (lambda t: t["sample_data"][5].update(ego_pose_token="gone"), "foreign key", "sample_data[5]"),
        (lambda t: t["sample_annotation"][2].update(instance_token="gone"), "foreign key", "sample_annotation[2]"),
        (
            lambda t: t["sample_annotation"][2].update(attribute_tokens=["att", "no"]),
            "foreign key",
            "sample_annotation[2]",
        ),
        (lambda t: t["instance"][0].update(nbr_annotations=7), "count", "instance[0]"),
        (lambda t: t["scene"][0].update(nbr_samples=2), "count", "scene[0]"),
        (lambda t: t["sample"][1].update(token="sample-0-0"), "unique token", "sample[1]"),
        (lambda t: t["sample"][1].update(timestamp="soon"), "type", "[1].timestamp"),
        (lambda t: t["ego_pose"][0].pop("rotation"), "required field", "[0].rotation"),
        (lambda t: t["sample_annotation"][0].update(size=[1, 2]), "length", "[0].size"),
    ],
)
def test_what_nuscenes_breaks_is_said_with_its_place(tmp_path, change, rule, where):
    tables = labelled.nuscenes()
    change(tables)
    found = defects(readers.open(labelled.write_nuscenes(tmp_path, tables)))
    assert (rule, where) in {(r, w) for r, w, _ in found}


def test_nuscenes_without_a_table_or_with_two_versions(tmp_path):
    root = labelled.write_nuscenes(tmp_path / "a", labelled.nuscenes())
    (root / "v1.0-mini/ego_pose.json").unlink()
    with pytest.raises(UnreadableDataset, match=r"ego_pose\.json"):
        readers.open(root)
    root = labelled.write_nuscenes(tmp_path / "b", labelled.nuscenes())
    (root / "v1.0-mini").rename(root / "v1.0-test")
    labelled.write_nuscenes(root, labelled.nuscenes())
    with pytest.raises(UnreadableDataset, match="give one of them"):
        readers.open(root)
    assert readers.open(root / "v1.0-mini").format == "nuscenes"


def test_a_nuscenes_test_split_has_no_annotations(tmp_path):
    root = labelled.write_nuscenes(tmp_path, labelled.nuscenes())
    for name in ("sample_annotation", "instance", "category", "attribute", "visibility", "log"):
        (root / f"v1.0-mini/{name}.json").unlink()
    recording = readers.open(root)
    assert rows(recording).height == 0
    assert not recording.labels.defects


def test_kitti_lines_are_a_box_and_a_cuboid(tmp_path):
    recording = readers.open(labelled.write_kitti(tmp_path))
    table = rows(recording)
    assert table["kind"].to_list() == ["bbox", "cuboid", "ignored"] * 2
    box, cuboid = table.row(0, named=True), table.row(1, named=True)
    assert (box["x"], box["w"], box["category"], box["where"]) == (614.24, pytest.approx(113.07), "Car", "line 1")
    assert (cuboid["cy"], cuboid["sx"], cuboid["sy"], cuboid["sz"]) == (pytest.approx(1.75 - 0.785), 4.15, 1.73, 1.57)
    assert recording.labels.images.collect().select("width", "height", "found").row(0) == (1242, 375, True)
    assert not recording.labels.defects


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("Car 0 0 0 1 2 3", "length"),
        ("Car 0 0 0 1 2 3 x 1 1 1 1 1 1 1", "type"),
        ("Car 1.5 0 0 1 2 3 4 1 1 1 1 1 1 1", "range"),
        ("Car 0 7 0 1 2 3 4 1 1 1 1 1 1 1", "range"),
        ("Car 0 0 0 1 2 3 4 1 1 1 1 1 1 90", "range"),
    ],
)
def test_what_kitti_breaks_is_said_with_its_line(tmp_path, line, rule):
    root = labelled.write_kitti(tmp_path)
    (root / "training/label_2/000001.txt").write_text(labelled.KITTI + line + "\n")
    assert {(r, w) for r, w, _ in defects(readers.open(root))} == {(rule, "line 3")}


def test_a_json_file_that_is_none_is_refused_with_line_and_column(tmp_path, shared):
    with pytest.raises(UnreadableDataset, match="line 40, column 2") as refused:
        readers.open(shared / "mlperf_tiny_edge/system_description_NRF5340DK.json")
    assert refused.value.kind == "metadata-invalid"
    with pytest.raises(UnreadableDataset, match="its keys are a, b") as refused:
        readers.open(labelled.write(tmp_path / "x.json", {"a": 1, "b": 2}))
    assert refused.value.kind == "format-unknown"


def test_a_damaged_file_among_good_ones_is_a_problem(tmp_path):
    labelled.write(tmp_path / "a.json", labelled.coco())
    (tmp_path / "b.json").write_text(json.dumps(labelled.coco())[:-30])
    (problem,) = readers.open(tmp_path).problems
    assert (problem.path, problem.kind) == ("b.json", "metadata-invalid")
    (tmp_path / "a.json").unlink()
    with pytest.raises(UnreadableDataset, match="line 1, column"):
        readers.open(tmp_path)


@pytest.mark.parametrize("made", ["coco", "openlabel", "nuscenes", "kitti"])
def test_labels_elsewhere_are_read_as_those_here(tmp_path, made):
    """On a filesystem that is none of this machine, as S3 is."""
    if made == "nuscenes":
        labelled.write_nuscenes(tmp_path, labelled.nuscenes())
    elif made == "kitti":
        labelled.write_kitti(tmp_path)
    else:
        labelled.write(tmp_path / "x.json", getattr(labelled, made)())
    elsewhere = fsspec.filesystem("memory")
    elsewhere.put(str(tmp_path) + "/", f"/labels-{made}", recursive=True)
    here, there = readers.open(tmp_path), readers.open(f"/labels-{made}", elsewhere)
    assert rows(here).equals(rows(there))
    assert here.labels.images.collect().equals(there.labels.images.collect())
    assert here.episodes == there.episodes


def test_osdar_has_nine_sensors_and_more_and_37_objects(shared):
    recording = readers.open(shared / "openlabel_osdar23/1_calibration_1.1_labels.json")
    cameras = [s for s in recording.facts.sensors.values() if s.kind == "camera"]
    assert len(cameras) == 9
    assert {s.kind for s in recording.facts.sensors.values()} == {"camera", "lidar", "radar"}
    assert recording.labels.objects.select(pl.col("id").n_unique()).collect().item() == 37
    assert recording.episodes[0].length == 10
    assert "FusionSystems" in recording.labels.annotators[0]
    assert not recording.labels.defects


@given(st.integers(10**17, 2 * 10**18))
def test_stamps_keep_every_digit(time):
    assert nanoseconds(f"{time // 10**9}.{time % 10**9:09}") == time
    assert nanoseconds(time) == time
    assert nanoseconds(str(Decimal(time) / 10**9)) == time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (1_532_402_927, 1_532_402_927 * 10**9),
        (1_532_402_927_647, 1_532_402_927_647 * 10**6),
        (1_532_402_927_647_951, 1_532_402_927_647_951 * 10**3),
        ("2020-04-11 12:00:01.5", 1_586_606_401_500_000_000),
        ("2020-04-11T12:00:01+00:00", 1_586_606_401 * 10**9),
        ("2020-04-11T14:00:01.000000007+02:00", 1_586_606_401 * 10**9 + 7),
        ("2020-04-11 12:00:01.123456789Z", 1_586_606_401_123_456_789),
        (0.25, 250_000_000),
        ("9999-12-31 23:59:59", None), ("noon", None), ("", None), (True, None), (None, None), ([], None), (float("nan"), None), ("1e999", None), ("9" * 99, None),
    ],
)  # fmt: skip
def test_stamps_in_any_unit(text, time):
    assert nanoseconds(text) == time


@given(st.text(max_size=70) | st.floats() | st.integers())
def test_any_stamp_is_answered(value):
    found = nanoseconds(value)
    assert found is None or abs(found) < 1 << 62


def test_a_folder_of_no_format_names_the_file_that_is_no_json(tmp_path, shared):
    (tmp_path / "log.txt").write_text("x")
    (tmp_path / "good.json").write_text("{}")
    with pytest.raises(UnreadableDataset, match="no format that is known"):
        readers.open(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/system.json").write_text('{"a": 1\n "b": 2}')
    with pytest.raises(UnreadableDataset, match=r"sub/system.json: no JSON at line 2, column 2"):
        readers.open(tmp_path)
    with pytest.raises(UnreadableDataset, match=r"NRF5340DK.json: no JSON at line 40"):
        readers.open(shared / "mlperf_tiny_edge")
