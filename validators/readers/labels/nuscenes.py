"""Tables of the nuScenes schema: samples, sensor data, ego poses and annotations that name each other by token."""

from __future__ import annotations

from typing import Any

import polars as pl

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.labels import ANNOTATIONS, IMAGES, OBJECTS, Labels
from validators.readers.columns import columns_of
from validators.readers.labels.cameras import cameras
from validators.readers.labels.fields import Ledger
from validators.readers.labels.nuscenes_tables import REQUIRED, Tables
from validators.recording import Episode, Facts, Recording, Sensor
from validators.stream import Clock, Feature, Part, Stream, Table

FORMAT = "nuScenes tables (sample.json, sample_data.json, …)"
TIME, EGO = "timestamp", "ego_pose"
MICRO = 1_000_000


def recognises(files: Files) -> bool:
    """Whether a folder holds the tables' files."""
    return bool(_folders(files))


def _folders(files: Files) -> list[str]:
    names = set(files.names(".json")) if files.only is None else set()
    folders = sorted(n.removesuffix("sample_data.json") for n in names if n.rpartition("/")[2] == "sample_data.json")
    return [f for f in folders if {f + "sample.json", f + "calibrated_sensor.json"} <= names]


def read(files: Files) -> Recording:
    """Reads every table once, row by row; a scene is an episode, a sensor's channel a stream in µs, as is the ego pose.

    Raises `UnreadableDataset`, also where several versions lie side by side.
    """
    folders = _folders(files)
    if len(folders) > 1:
        detail = f"several versions are here: {', '.join(f.rstrip('/') for f in folders[:8])}; give one of them"
        raise UnreadableDataset("path-unexpected", detail, path=files.where())
    (folder,) = folders
    missing = [n for n in REQUIRED if not files.is_file(f"{folder}{n}.json")]
    if missing:
        detail = f"these tables are not there: {', '.join(f'{n}.json' for n in missing)}"
        raise UnreadableDataset("metadata-missing", detail, path=files.where(folder.rstrip("/")))
    ledger = Ledger()
    found = _Read(files, folder, Tables(files, folder, ledger))
    labels = found.labels(ledger)
    return Recording(
        "nuscenes",
        files,
        Facts(sensors=found.sensors()),
        found.episodes(),
        found.streams(),
        cameras(files, labels.images),
        labels=labels,
    )


class _Read:
    """The tables joined into what a recording is made of."""

    def __init__(self, files: Files, folder: str, tables: Tables) -> None:
        self._files, self._folder, self._tables = files, folder, tables
        scenes = tables["scene"].select(scene="token", name="name", description="description").collect()
        self._scenes = scenes.unique("scene", keep="first", maintain_order=True).with_row_index("episode")
        episode = self._scenes.lazy().select("scene", pl.col("episode").cast(pl.Int32))
        samples = tables["sample"].select("token", "scene_token", TIME, "where").unique("token", keep="first")
        samples = samples.join(episode, left_on="scene_token", right_on="scene").sort("episode", TIME, "token")
        frame = pl.int_range(pl.len(), dtype=pl.Int64).over("episode")
        self._samples = samples.with_columns(frame=frame).collect()
        sensors = tables["sensor"].select(_token_as("sensor_token"), channel="channel", modality="modality")
        rigs = tables["calibrated_sensor"].join(sensors, on="sensor_token", maintain_order="left")
        self._rigs = rigs.unique("token", keep="first", maintain_order=True).collect()
        channel = self._rigs.lazy().select(_token_as("calibrated_sensor_token"), channel="channel", modality="modality")
        sample = self._samples.lazy().select(_token_as("sample_token"), episode="episode")
        data = tables["sample_data"].join(channel, on="calibrated_sensor_token").join(sample, on="sample_token")
        kept = data.select(
            "channel", "episode", TIME, "is_key_frame", "token", "ego_pose_token", "filename", "width", "height"
        )  # fmt: skip
        self._data = kept.sort("channel", "episode", TIME, "token").collect(engine="streaming")
        times = [t for t in (self._data[TIME].min(), self._samples[TIME].min()) if isinstance(t, int)]
        self._origin = min(times, default=0)

    def sensors(self) -> dict[str, Sensor]:
        """Each channel with the calibration of its first rig, and how many it has."""
        found: dict[str, Sensor] = {}
        for row in self._rigs.iter_rows(named=True):
            name = row["channel"] or ""
            calibration = {k: row[k] for k in ("translation", "rotation", "camera_intrinsic") if row[k]}
            rigs = int(str((found[name].calibration if name in found else {}).get("calibrations", 0))) + 1
            known = found[name].calibration if name in found else calibration
            found[name] = Sensor(name, row["modality"] or "other", calibration={**known, "calibrations": rigs})
        return found

    def episodes(self) -> tuple[Episode, ...]:
        """The scenes, in the order of their table."""
        spans = self._samples.group_by("episode").agg(pl.len(), first=pl.col(TIME).min(), last=pl.col(TIME).max())
        known = {row["episode"]: row for row in spans.iter_rows(named=True)}
        none = {"len": 0, "first": None, "last": None}
        return tuple(
            Episode(
                i,
                (f"{self._folder}sample_data.json",),
                row["len"],
                self._seconds(row["first"]),
                self._seconds(row["last"]),
                task=scene["description"] or scene["name"],
            )
            for i, scene in enumerate(self._scenes.iter_rows(named=True))
            for row in [known.get(i, none)]
        )

    def _seconds(self, time: int | None) -> float | None:
        return None if time is None else (time - self._origin) / MICRO

    def streams(self) -> dict[str, Stream]:
        """A stream for each channel, key frames and sweeps in order of time; and the ego poses."""
        clock = Clock(TIME, "us", "stamp of the sensor's data", origin=self._origin)
        found: dict[str, Stream] = {}
        for (name,), rows in self._data.partition_by("channel", as_dict=True, maintain_order=True).items():
            table = self._table(f"channel {len(found)}", rows.select("episode", TIME, "is_key_frame"))
            found[str(name)] = Stream(str(name), {TIME: Feature(TIME, "int64")}, table, clock)
        poses = self._tables[EGO].select(TIME, "translation", "rotation", _token_as("ego_pose_token"))
        used = self._data.lazy().select("ego_pose_token", "episode").unique()
        taken = used.join(poses, on="ego_pose_token").sort("episode", TIME, "ego_pose_token").drop("ego_pose_token")
        taken = taken.unique(["episode", TIME], keep="first", maintain_order=True)
        features = {
            TIME: Feature(TIME, "int64"),
            "translation": Feature("translation", "float64", (3,), ("x", "y", "z"), ("m",) * 3),
            "rotation": Feature("rotation", "float64", (4,), ("w", "x", "y", "z"), ("",) * 4),
        }
        found[EGO] = Stream(EGO, features, self._table(EGO, taken.collect()), clock)
        return found

    def _table(self, name: str, rows: pl.DataFrame) -> tuple[Table, ...]:
        """The rows, sorted by episode, in one Arrow file."""
        path = self._files.scratch / f"{name}.arrow"
        kept = rows.drop("episode")
        kept.write_ipc(path)
        runs = rows["episode"].rle().struct.unnest()
        parts, offset = [], 0
        for length, episode in runs.iter_rows():
            parts.append(Part(path, int(episode), int(length), offset))
            offset += int(length)
        return (Table(tuple(parts), columns_of(kept.head(0).to_arrow().schema), "arrow"),) if parts else ()

    def labels(self, ledger: Ledger) -> Labels:
        """Cuboids in the global frame; the image of a label is its sample."""
        tables, source = self._tables, f"{self._folder}sample_annotation.json"
        samples = self._samples.lazy().select("token", "episode", "frame", TIME)
        categories = (
            tables["category"]
            .select(_token_as("category_token"), category="name")
            .unique("category_token", keep="first")
        )
        instances = (
            tables["instance"]
            .unique("token", keep="first", maintain_order=True)
            .join(categories, on="category_token", how="left", maintain_order="left")
        )
        rows = tables["sample_annotation"].join(
            samples, left_on="sample_token", right_on="token", how="left", maintain_order="left"
        )
        rows = rows.join(
            instances.select("category", _token_as("instance_token")),
            on="instance_token",
            how="left",
            maintain_order="left",
        )
        list_of = {"c": "translation", "s": "size"}
        axes = {"cx": 0, "cy": 1, "cz": 2, "sx": 1, "sy": 0, "sz": 2}  # size is width, length, height
        columns = {n: pl.col(list_of[n[0]]).list.get(i, null_on_oob=True) for n, i in axes.items()}
        columns |= {f"q{a}": pl.col("rotation").list.get(i, null_on_oob=True) for i, a in enumerate("wxyz")}
        annotations = rows.select(
            "episode", "frame", "category", "where", id="token", image="sample_token", object="instance_token",
            time_s=(pl.col(TIME) - self._origin).cast(pl.Float64) / MICRO, kind=pl.lit("cuboid"),
            set=pl.lit(self._folder.rstrip("/") or "nuscenes"), source=pl.lit(source), **columns,
        )  # fmt: skip
        objects = instances.select("category", "where", id="token", source=pl.lit(f"{self._folder}instance.json"))
        declared = tables["category"].select("name").collect()["name"].drop_nulls().to_list()
        return Labels(
            _shaped(annotations, ANNOTATIONS, self._files),
            _shaped(self._images(), IMAGES, self._files),
            _shaped(objects, OBJECTS, self._files),
            categories=tuple(dict.fromkeys(declared)),
            defects=ledger.defects,
        )

    def _images(self) -> pl.LazyFrame:
        """Samples, in which labels are expected, and the files of the sensors."""
        there = pl.Series(self._files.names(), dtype=pl.String)
        root = self._folder.rstrip("/").rpartition("/")[0]
        data = self._data.lazy().with_columns(file=pl.lit(f"{root}/" if root else "") + pl.col("filename"))
        seconds = (pl.col(TIME) - self._origin).cast(pl.Float64) / MICRO
        files = data.select(
            "episode", "width", "height", "file", id="token", time_s=seconds, stream="channel",
            expected=pl.lit(value=False), found=pl.col("file").is_in(there.implode()),
            source=pl.lit(f"{self._folder}sample_data.json"),
        )  # fmt: skip
        samples = self._samples.lazy().select(
            "episode",
            "frame",
            id="token",
            time_s=seconds,
            expected=pl.lit(value=True),
            source=pl.lit(f"{self._folder}sample.json"),
        )
        return pl.concat([samples, files], how="diagonal")


def _token_as(name: str) -> pl.Expr:
    """A row's own token under the name that other tables give it."""
    return pl.col("token").alias(name)


def _shaped(rows: pl.LazyFrame, shape: Any, files: Files) -> pl.LazyFrame:
    """The rows with all columns of a shape, kept in the scratch folder."""
    path = files.scratch / f"nuscenes {len(list(files.scratch.iterdir()))}.arrow"
    known = rows.collect_schema().names()
    rows.select(pl.col(n).cast(t) if n in known else pl.lit(None, t).alias(n) for n, t in shape.items()).sink_ipc(path)
    return pl.scan_ipc(path, glob=False)
