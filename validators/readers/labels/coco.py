"""COCO annotation files: instances, captions and keypoints; images by their file names, categories by id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.labels import Labels
from validators.readers.columns import unreadable
from validators.readers.json_stream import Place, spelled, walk
from validators.readers.labels.cameras import by_folder, cameras
from validators.readers.labels.fields import Fields, Ledger
from validators.readers.labels.json_files import Pictures, all_that, any_is
from validators.readers.labels.tables import LabelTables, attributes, hull
from validators.recording import Facts, Problem, Recording

FORMAT = "COCO annotations (JSON with images, annotations, categories)"
MAX_CATEGORIES = 100_000
_TASKS = re.compile(r"^(instances|captions|person_keypoints|keypoints|panoptic|stuff)(_|$)")
_ANNOTATORS = ("annotator", "annotator_id", "worker_id")
_TRACKS = ("track_id", "instance_id")
_KNOWN = {"id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "caption", "keypoints"}


def recognises(files: Files) -> bool:
    """Whether one of the JSON files begins as COCO's do."""
    return any_is(files, _claims)


def _claims(keys: Mapping[str, Any]) -> bool:
    images, annotations = keys.get("images"), keys.get("annotations")
    if isinstance(images, list) and images and isinstance(images[0], dict):
        return "id" in images[0] and bool(images[0].keys() & {"file_name", "width", "height"})
    if isinstance(annotations, list) and annotations and isinstance(annotations[0], dict):
        return "image_id" in annotations[0]
    return isinstance(images, list) and isinstance(annotations, list)


def read(files: Files) -> Recording:
    """Reads every annotation file once, annotation by annotation. No streams: pictures have no clock here."""
    ledger, pictures = Ledger(), Pictures(files)
    sets: list[_File] = []
    problems: list[Problem] = []
    for name in all_that(files, _claims):
        try:
            sets.append(_File(files, name, ledger, pictures))
        except UnreadableDataset as error:
            if error.kind == "path-outside" or files.only:
                raise
            problems.append(unreadable(error, files, name, None))
    if not sets:
        first = problems[0]
        raise UnreadableDataset(first.kind, f"no file can be read; the first: {first.message}", path=first.path)
    images, episodes = by_folder(pl.concat([s.images for s in sets]))
    declared = [name for s in sets for name in s.categories.values()]
    labels = Labels(
        annotations=pl.concat([s.annotations for s in sets]),
        images=images,
        objects=pl.concat([s.objects for s in sets]),
        categories=tuple(dict.fromkeys(declared)) if declared else None,
        annotators=(),
        defects=ledger.defects,
    )
    seen = cameras(files, images)
    return Recording("coco", files, Facts(), episodes, cameras=seen, labels=labels, problems=tuple(problems))


class _File:
    """One annotation file."""

    def __init__(self, files: Files, name: str, ledger: Ledger, pictures: Pictures) -> None:
        self._files, self._name, self._ledger, self._pictures = files, name, ledger, pictures
        folder, _, stem = name.removesuffix(".json").rpartition("/")
        self._set = "/".join(p for p in (folder, _TASKS.sub("", stem)) if p) or stem
        self._keys: dict[str, str] = {}  # id of an image → its key
        self.categories: dict[str, str] = {}  # id → name
        self._read = {"images": self._image, "categories": self._category, "annotations": self._annotation}
        with LabelTables(files.scratch) as self._tables:
            self._walk()
            annotations, self.images, self.objects = self._tables.close()
        names = {i: self.categories.get(i, f"category {i}") for i in self._used}
        self.annotations = annotations.with_columns(pl.col("category").replace(names))
        self._unique(annotations, "annotations")

    def _walk(self) -> None:
        self._used: set[str] = set()
        order: list[str | int] = []
        with self._files.open(self._name) as file:
            for place, value in walk(file, self._files.where(self._name), _opened):
                if len(place) == 1:
                    order.append(place[0])
                    self._top(place, value)
                elif place and (place[0] != "annotations" or "images" in order):
                    self._member(place, value)
        for missing in sorted({"images", "annotations"} - {str(k) for k in order}):
            self._ledger.add(self._name, "required field", missing, "is absent")
        if "images" in order and "annotations" in order and order.index("annotations") < order.index("images"):
            with self._files.open(self._name) as file:
                for place, value in walk(file, self._files.where(self._name), _opened):
                    if len(place) == 2 and place[0] == "annotations":
                        self._member(place, value)

    def _top(self, place: Place, value: Any) -> None:
        if place[0] in self._read and not isinstance(value, list):
            self._ledger.add(self._name, "type", str(place[0]), "a list was expected")

    def _member(self, place: Place, value: Any) -> None:
        if isinstance(place[1], int):
            self._read[str(place[0])](Fields(value, self._name, spelled(place), self._ledger))

    def _category(self, item: Fields) -> None:
        key, name = item.key("id"), item.text("name", required=True)
        if key is None or name is None:
            return
        if key in self.categories:
            item.defect("unique id", "id", f"category {key} is declared twice")
        elif name in self.categories.values():
            item.defect("unique name", "name", f"{name!r} is declared twice")
        if len(self.categories) == MAX_CATEGORIES:
            raise UnreadableDataset("too-large", f"more than {MAX_CATEGORIES} categories", path=self._name)
        self.categories.setdefault(key, name)

    def _image(self, item: Fields) -> None:
        number, file = item.key("id"), item.text("file_name", required=True)
        width, height = item.number("width", required=True), item.number("height", required=True)
        if any(side is not None and not 1 <= side <= 1e6 for side in (width, height)):
            item.defect("image size", "width", f"{width:g} × {height:g} px" if width and height else "is not above 0")
        if number is None:
            return
        found = self._pictures.find(file, self._name) if file else None
        key = found or file or f"image {number}"
        if number in self._keys:
            item.defect("unique id", "id", f"image {number} is declared twice")
            return
        self._keys[number] = key
        self._tables.images.add(
            {
                "id": key,
                "file": found or file,
                "width": width,
                "height": height,
                "frame": item.integer("frame_id"),
                "expected": True,
                "found": None if file is None else found is not None,
                "source": self._name,
            }
        )

    def _annotation(self, item: Fields) -> None:
        image, category = item.key("image_id"), item.key("category_id", required="caption" not in item.value)
        if category is not None:
            self._used.add(category)
        box = item.numbers("bbox", (4,)) or []
        self._tables.annotations.add(
            {
                "id": item.key("id"),
                "image": None if image is None else self._keys.get(image, f"image {image}"),
                "category": category,
                "area": item.number("area"),
                "crowd": item.value.get("iscrowd") in (1, True),
                "object": _first(item, _TRACKS),
                "annotator": _first(item, _ANNOTATORS),
                "attributes": attributes(_attributes(item)),
                "set": self._set,
                "source": self._name,
                "where": item.where,
                **_shape(item),
                **(dict(zip("xywh", box, strict=True)) | {"kind": "bbox"} if box else {}),
            }
        )

    def _unique(self, table: pl.LazyFrame, name: str) -> None:
        """Ids that occur twice among the rows of this file."""
        double = table.filter(pl.col("id").is_not_null()).group_by("id").agg(pl.len(), pl.col("where").last())
        found = double.filter(pl.col("len") > 1).sort("where").collect(engine="streaming")
        for row in found.head(8).iter_rows(named=True):
            self._ledger.add(
                self._name, "unique id", row["where"], f"id {row['id']} of {name} occurs {row['len']} times"
            )
        if found.height > 8:
            self._ledger.add(self._name, "unique id", "", "", count=found.height - 8)


def _opened(place: Place) -> bool:
    return not place or (len(place) == 1 and place[0] in ("images", "annotations", "categories"))


def _first(item: Fields, names: tuple[str, ...]) -> str | None:
    return next((item.key(n) for n in names if item.value.get(n) is not None), None)


def _attributes(item: Fields) -> dict[str, Any]:
    own = item.value.get("attributes")
    plain = {k: v for k, v in item.value.items() if k not in _KNOWN}
    return plain | own if isinstance(own, dict) else plain


def _shape(item: Fields) -> dict[str, Any]:
    """Kind and extent from what is not the box: segmentation, keypoints, caption; a tag when there is nothing."""
    if "caption" in item.value:
        item.text("caption", required=True)
        return {"kind": "caption"}
    keypoints = item.numbers("keypoints")
    if keypoints is not None:
        _keypoints(item, keypoints)
    segmentation = item.value.get("segmentation")
    if isinstance(segmentation, list):
        rings = [item.numbers_of(f"segmentation[{i}]", ring) for i, ring in enumerate(segmentation)]
        points = [p for ring in rings if ring for p in ring]
        return {"kind": "polygon", "points": len(points) // 2, **hull(points)} if points else {"kind": "tag"}
    if segmentation is not None:
        item.object("segmentation").numbers("size", (2,), required=True)
        return {"kind": "mask"}
    return {"kind": "point", "points": len(keypoints) // 3} if keypoints else {"kind": "tag"}


def _keypoints(item: Fields, found: list[float]) -> None:
    if len(found) % 3:
        item.defect("length", "keypoints", f"{len(found)} numbers, a multiple of 3 was expected")
    elif item.value.get("num_keypoints") not in (None, sum(v > 0 for v in found[2::3])):
        item.defect(
            "count", "num_keypoints", f"{item.value['num_keypoints']!r}, {sum(v > 0 for v in found[2::3])} are marked"
        )
