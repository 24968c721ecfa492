"""The tables of the nuScenes schema as its description has them; tokens that lead nowhere are defects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import polars as pl

from validators.files import Files
from validators.readers.json_stream import spelled, walk
from validators.readers.labels.fields import Fields, Ledger, plain
from validators.readers.labels.tables import LabelTable

Kind: TypeAlias = Literal[
    "key", "link", "keys", "text", "us", "number", "flag", "translation", "rotation", "size", "numbers"
]

REQUIRED = ("scene", "sample", "sample_data", "sensor", "calibrated_sensor", "ego_pose")
SCHEMA: Mapping[str, Mapping[str, Kind]] = {
    "log": {"token": "key"},
    "scene": {"token": "key", "log_token": "link", "name": "text", "description": "text", "nbr_samples": "number",
              "first_sample_token": "link", "last_sample_token": "link"},
    "sample": {"token": "key", "scene_token": "key", "timestamp": "us", "prev": "link", "next": "link"},
    "sensor": {"token": "key", "channel": "text", "modality": "text"},
    "calibrated_sensor": {"token": "key", "sensor_token": "key", "translation": "translation", "rotation": "rotation",
                          "camera_intrinsic": "numbers"},
    "ego_pose": {"token": "key", "timestamp": "us", "translation": "translation", "rotation": "rotation"},
    "sample_data": {"token": "key", "sample_token": "key", "ego_pose_token": "key", "calibrated_sensor_token": "key",
                    "timestamp": "us", "is_key_frame": "flag", "filename": "text", "width": "number",
                    "height": "number", "prev": "link", "next": "link"},
    "category": {"token": "key", "name": "text"},
    "attribute": {"token": "key", "name": "text"},
    "visibility": {"token": "key"},
    "instance": {"token": "key", "category_token": "key", "nbr_annotations": "number",
                 "first_annotation_token": "link", "last_annotation_token": "link"},
    "sample_annotation": {"token": "key", "sample_token": "key", "instance_token": "key", "visibility_token": "link",
                          "attribute_tokens": "keys", "translation": "translation", "size": "size",
                          "rotation": "rotation", "prev": "link", "next": "link"},
}  # fmt: skip
_TARGETS = {"first_sample": "sample", "last_sample": "sample", "first_annotation": "sample_annotation",
            "last_annotation": "sample_annotation"}  # fmt: skip
_TYPES: Mapping[str, Any] = {"us": pl.Int64, "number": pl.Float64, "flag": pl.Boolean, "keys": pl.List(pl.String)}
_LISTS = ("translation", "rotation", "size", "numbers")
_COUNTED = (("scene", "nbr_samples", "sample", "scene_token"),
            ("instance", "nbr_annotations", "sample_annotation", "instance_token"))  # fmt: skip


class Tables:
    """Each table by its name, on disk; one that is not there is empty."""

    def __init__(self, files: Files, folder: str, ledger: Ledger) -> None:
        self._files, self._folder, self._ledger = files, folder, ledger
        self._there = [n for n in SCHEMA if files.is_file(f"{folder}{n}.json")]
        self._tables = {name: self._read(name) for name in SCHEMA}
        for name in self._there:
            self._unique(name)
            for column, kind in SCHEMA[name].items():
                if kind in ("key", "link", "keys") and column != "token":
                    self._dangling(name, column)
        for counted in _COUNTED:
            self._count(*counted)

    def __getitem__(self, name: str) -> pl.LazyFrame:
        return self._tables[name]

    def _read(self, name: str) -> pl.LazyFrame:
        many = pl.List(pl.Float64)
        shape = {c: _TYPES.get(k, many if k in _LISTS else pl.String) for c, k in SCHEMA[name].items()}
        table = LabelTable(self._files.scratch, name, {**shape, "where": pl.String})
        if name in self._there:
            relative = f"{self._folder}{name}.json"
            with self._files.open(relative) as file:
                for place, value in walk(file, self._files.where(relative), lambda p: not p):
                    if not place and not isinstance(value, list):
                        self._ledger.add(relative, "type", "", "a list of rows was expected")
                    elif place and isinstance(place[0], int):
                        item = Fields(value, relative, spelled(place), self._ledger)
                        row = {c: _READ[k](item, c) for c, k in SCHEMA[name].items()}
                        table.add({**row, "where": f"{name}{spelled(place)}"})
        return table.close()

    def _source(self, name: str) -> str:
        return f"{self._folder}{name}.json"

    def _note(self, name: str, rule: str, found: pl.LazyFrame, what: str) -> None:
        """Rows with `where` and `value` that break a rule."""
        rows = found.select("where", "value").head(8).collect(engine="streaming")
        if rows.height:
            number = found.select(pl.len()).collect(engine="streaming").item()
            for where, value in rows.iter_rows():
                self._ledger.add(self._source(name), rule, where, what.format(value))
            if number > rows.height:
                self._ledger.add(self._source(name), rule, "", "", count=number - rows.height)

    def _unique(self, name: str) -> None:
        tokens = self[name].filter(pl.col("token").is_not_null())
        double = tokens.group_by(value="token").agg(pl.col("where").sort().last(), pl.len()).filter(pl.col("len") > 1)
        self._note(name, "unique token", double.sort("where"), "token {!r} occurs more than once")

    def _dangling(self, name: str, column: str) -> None:
        stem = column.removesuffix("s").removesuffix("_token")
        target = name if column in ("prev", "next") else _TARGETS.get(stem, stem)
        if target not in self._there and target not in REQUIRED:
            return  # an optional table that is left out
        used = self[name].select("where", value=column)
        used = used.explode("value") if SCHEMA[name][column] == "keys" else used
        used = used.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        lost = used.join(self[target].select(value="token"), on="value", how="anti", maintain_order="left")
        self._note(name, "foreign key", lost, f"{column} {{!r}} is in no row of {target}.json")

    def _count(self, name: str, column: str, counted: str, key: str) -> None:
        if counted not in self._there:
            return
        found = self[counted].group_by(token=key).agg(found=pl.len())
        rows = self[name].select("token", "where", column).join(found, on="token", how="left")
        off = rows.with_columns(pl.col("found").fill_null(0)).filter(pl.col(column) != pl.col("found"))
        value = pl.format(
            "{} is {}, {} are there", pl.lit(column), pl.col(column).cast(pl.Int64, strict=False), "found"
        )
        self._note(name, "count", off.with_columns(value=value).sort("where"), "{}")


def _flat(item: Fields, name: str) -> list[float]:
    """A matrix, row by row."""
    rows = [item.numbers_of(f"{name}[{i}]", row) for i, row in enumerate(item.list(name))]
    return [v for row in rows if row for v in row]


_READ: Mapping[Kind, Callable[[Fields, str], Any]] = {
    "key": lambda item, name: item.key(name),
    "link": lambda item, name: item.key(name, required=False),
    "keys": lambda item, name: [plain(v) for v in item.list(name) if isinstance(v, str)],
    "text": lambda item, name: item.text(name),
    "us": lambda item, name: item.integer(name, required=True),
    "number": lambda item, name: item.number(name),
    "flag": lambda item, name: item.value.get(name) is True,
    "numbers": _flat,
    "translation": lambda item, name: item.numbers(name, (3,), required=True),
    "rotation": lambda item, name: item.numbers(name, (4,), required=True),
    "size": lambda item, name: item.numbers(name, (3,), required=True),
}
