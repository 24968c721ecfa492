"""One OpenLABEL file: its objects, frames and sensors, read frame by frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.json_stream import Place, spelled, walk
from validators.readers.labels.fields import Fields, Ledger
from validators.readers.labels.json_files import Pictures
from validators.readers.labels.openlabel_shapes import MARKS, mark
from validators.readers.labels.tables import LabelTables
from validators.readers.labels.tables import attributes as attributes_json
from validators.readers.times import nanoseconds
from validators.recording import Episode, Sensor

VERSIONS = ("1.0.0",)
MAX_OBJECTS = 1_000_000  # of one file, and as many frames
_OPENED = ("metadata", "objects", "frames", "streams", "coordinate_systems")


class Sequence:
    """One file."""

    def __init__(
        self, files: Files, name: str, position: int, origin: int | None, ledger: Ledger, pictures: Pictures
    ) -> None:
        self._name, self._position, self._ledger, self._pictures = name, position, ledger, pictures
        self.origin = origin  # ns: the first stamp of the recording
        self.annotator: str | None = None
        self.sensors: dict[str, Sensor] = {}
        self.stamps: dict[str, list[tuple[int, int]]] = {}  # sensor, "" for the frame itself → (frame, ns)
        self._title = name.removesuffix(".json")
        self._kinds: dict[str, str] = {}  # object → category
        self._systems: dict[str, Fields] = {}
        self._used: dict[tuple[str, str], tuple[int, str]] = {}  # (what, name) → how often, first where
        self._numbers: set[int] = set()
        seen = set()
        with LabelTables(files.scratch) as self._tables:
            with files.open(name) as file:
                for place, value in walk(file, files.where(name), _opened):
                    seen.add(place)
                    self._member(place, value)
            tables = self._tables.close()
        for required in (("openlabel",), ("openlabel", "metadata")):
            if required not in seen:
                self._ledger.add(name, "required field", spelled(required), "is absent")
        self._dangling()
        self.annotations, self.images, self.objects = self._finished(*tables)

    def _member(self, place: Place, value: Any) -> None:
        kind = str(place[1]) if len(place) > 1 else ""
        if len(place) == 2 and kind in _OPENED and kind != "metadata" and not isinstance(value, dict):
            self._ledger.add(self._name, "type", spelled(place), "an object was expected")
        elif len(place) == 2 and kind == "metadata":
            self._metadata(Fields(value, self._name, spelled(place), self._ledger))
        elif len(place) == 3 and isinstance(place[2], str) and kind in _OPENED:
            item = Fields(value, self._name, spelled(place), self._ledger)
            {"objects": self._object, "frames": self._frame, "streams": self._stream}.get(kind, self._system)(
                Fields({"k": place[2]}, self._name, spelled(place), self._ledger).text("k") or "", item
            )

    def _metadata(self, item: Fields) -> None:
        version = item.text("schema_version", required=True)
        if version is not None and version not in VERSIONS:
            item.defect("version", "schema_version", f"{version!r}; these rules are of {', '.join(VERSIONS)}")
        self.annotator = item.text("annotator")
        self._title = item.text("tagged_file") or item.text("name") or self._title

    def _object(self, key: str, item: Fields) -> None:
        item.text("name", required=True)
        self._kinds[key] = item.text("type", required=True) or ""
        if len(self._kinds) > MAX_OBJECTS:
            raise UnreadableDataset("too-large", f"more than {MAX_OBJECTS} objects", path=self._name)
        row = {"id": key, "episode": self._position, "category": self._kinds[key], "source": self._name}
        spans = [item.item("frame_intervals", i, v) for i, v in enumerate(item.list("frame_intervals"))]
        for span in spans or [Fields({}, self._name, item.where, self._ledger)]:
            first, last = span.integer("frame_start", required=bool(spans)), span.integer("frame_end")
            if first is not None and last is not None and first > last:
                span.defect("interval", "frame_start", f"{first} is after frame_end {last}")
            self._tables.objects.add(row | {"first": first, "last": last, "where": item.where})
        self._marks(key, item.object("object_data"), None, None, None)

    def _stream(self, key: str, item: Fields) -> None:
        kind = item.text("type", required=True) or "other"
        properties = item.object("stream_properties")
        self.sensors[key] = Sensor(key, kind, calibration=dict(properties.value))

    def _system(self, key: str, item: Fields) -> None:
        item.text("type", required=True)
        item.text("parent", required=True)
        pose = item.object("pose_wrt_parent")
        pose.numbers("translation", (3,))
        quaternion = pose.numbers("quaternion", (4,))
        if quaternion and abs(math.hypot(*quaternion) - 1) > 0.01:
            pose.defect("quaternion", "quaternion", f"norm {math.hypot(*quaternion):.4g}, 1 was expected")
        self._systems[key] = pose

    def _frame(self, key: str, item: Fields) -> None:
        try:
            number = int(key) if len(key) < 19 else -1
        except ValueError:
            number = -1
        if number < 0 or number in self._numbers:
            item.defect("frame number", "", f"{key!r} is no whole number of its own")
            return
        self._numbers.add(number)
        if len(self._numbers) > MAX_OBJECTS:
            raise UnreadableDataset("too-large", f"more than {MAX_OBJECTS} frames", path=self._name)
        properties = item.object("frame_properties")
        stamp = self._stamp(properties, "", number)
        images: dict[str, str] = {}
        streams = properties.object("streams")
        for name in streams.value:
            stream = streams.object(name)
            sync = stream.object("stream_properties").object("sync")
            time = self._stamp(sync, name, number) or stamp
            images[name] = self._image(name, number, time, stream.text("uri"))
        objects = item.object("objects")
        for name in objects.value:
            thing = objects.object(name)
            self._use("object", name, thing.where)
            self._marks(name, thing.object("object_data"), number, stamp, images)

    def _stamp(self, item: Fields, stream: str, number: int) -> int | None:
        value = item.value.get("timestamp")
        if value is None:
            return None
        time = nanoseconds(value)
        if time is None:
            item.defect("type", "timestamp", "neither seconds nor an ISO 8601 time")
            return None
        self.origin = time if self.origin is None else self.origin
        self.stamps.setdefault(stream, []).append((number, time))
        return time

    def _seconds(self, time: int | None) -> float | None:
        return None if time is None or self.origin is None else (time - self.origin) / 1e9

    def _image(self, stream: str, number: int, time: int | None, uri: str | None) -> str:
        found = self._pictures.find(uri.lstrip("/"), self._name) if uri else None
        key = found or uri or f"{self._title}: frame {number} {stream}".rstrip()
        self._tables.images.add(
            {
                "id": key,
                "file": found or uri,
                "episode": self._position,
                "frame": number,
                "time_s": self._seconds(time),
                "stream": stream,
                "expected": True,
                "found": found is not None if uri and uri.lower().endswith((".png", ".jpg", ".jpeg")) else None,
                "source": self._name,
            }
        )
        return key

    def _marks(
        self, thing: str, data: Fields, number: int | None, time: int | None, images: dict[str, str] | None
    ) -> None:
        for kind in data.value:
            if kind not in MARKS:
                continue
            for i, value in enumerate(data.list(kind)):
                item = data.item(kind, i, value)
                system = item.text("coordinate_system")
                if system is not None:
                    self._use("coordinate system", system, item.where)
                image = None
                if images is not None and number is not None:
                    name = system or ""
                    image = images.get(name) or self._image(name, number, time, None)
                    images[name] = image
                row, attributes = mark(kind, item)
                self._tables.annotations.add(
                    {
                        "id": item.key("uid", required=False),
                        "image": image,
                        "episode": self._position,
                        "frame": number,
                        "time_s": self._seconds(time),
                        "stream": system,
                        "object": thing,
                        "annotator": attributes.get("annotator") or self.annotator,
                        "attributes": attributes_json(attributes),
                        "set": self._name.removesuffix(".json"),
                        "source": self._name,
                        "where": item.where,
                        **row,
                    }
                )

    def _use(self, what: str, name: str, where: str) -> None:
        number, first = self._used.get((what, name), (0, where))
        self._used[what, name] = (number + 1, first)

    def _dangling(self) -> None:
        """Objects and coordinate systems that are used and not declared."""
        known = {"object": self._kinds.keys(), "coordinate system": self._systems.keys() | self.sensors.keys()}
        for (what, name), (number, where) in self._used.items():
            if name not in known[what] and (what == "object" or known[what]):
                self._ledger.add(self._name, "foreign key", where, f"{what} {name!r} is not declared", count=number)

    def _finished(
        self, annotations: pl.LazyFrame, images: pl.LazyFrame, objects: pl.LazyFrame
    ) -> tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]:
        """The tables with categories from the objects, and sizes of images and calibration from the streams."""
        sizes: dict[str, dict[str, float]] = {"width": {}, "height": {}}
        for name, sensor in self.sensors.items():
            for side, known in sizes.items():
                for value in sensor.calibration.values():
                    pixels = value.get(f"{side}_px") if isinstance(value, dict) else None
                    if isinstance(pixels, int | float) and 0 < pixels < 1e6:
                        known[name] = float(pixels)
            pose = self._systems.get(name)
            if pose is not None and pose.value:
                calibration = {**sensor.calibration, "pose_wrt_parent": dict(pose.value)}
                self.sensors[name] = replace(sensor, calibration=calibration)
        kinds = {k: v or None for k, v in self._kinds.items()}
        annotations = annotations.with_columns(category=_looked_up("object", kinds, pl.String))
        columns = {side: _looked_up("stream", known, pl.Float64) for side, known in sizes.items()}
        return annotations, images.with_columns(**columns), objects

    def episode(self, index: int) -> Episode:
        """The sequence: as many rows as frames, its span from the frames' own stamps."""
        stamps = [t for _, t in self.stamps.get("", [])] or [t for found in self.stamps.values() for _, t in found]
        start, end = (self._seconds(min(stamps)), self._seconds(max(stamps))) if stamps else (None, None)
        return Episode(index, (self._name,), len(self._numbers), start, end)


def _opened(place: Place) -> bool:
    return not place or place == ("openlabel",) or (len(place) == 2 and place[1] in _OPENED and place[1] != "metadata")


def _looked_up(column: str, known: Mapping[str, object], kind: type[pl.DataType]) -> pl.Expr:
    if not known:
        return pl.lit(None, kind)
    return pl.col(column).replace_strict(list(known), list(known.values()), default=None, return_dtype=kind)
