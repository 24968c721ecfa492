"""Marks of several annotators in the same images: whose they are, and which of them mean the same object."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from validators.findings import NotEvaluable
from validators.labels import Labels
from validators.statistics.agreement import MAX_PAIRS, Array, Codes, matched

RATERS = 8  # those with the most shared marks are compared
ALONE = (
    "no image was marked by two annotators; add a second file of labels for the same images under another name, or an "
    "`annotator` on each label"
)


@dataclass(frozen=True)
class Mark:
    """One annotator's marks in one image: boxes [n, 4] (x y w h, px; empty of a tag), class codes, attribute values."""

    boxes: Array
    classes: Codes
    values: Array


@dataclass
class Pair:
    """Two annotators: for each matched mark its image, both classes and the IoU; how many marks each made."""

    first: str
    second: str
    images: list[int] = field(default_factory=list)
    classes: list[tuple[int, int]] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    made: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # image → marks of each, matched


def shared_marks(labels: Labels, value: str = "category") -> tuple[list[dict[str, Mark]], tuple[str, ...]]:
    """Of each image that two annotators marked: annotator → marks; and the classes by code. Raises `NotEvaluable`."""
    kinds = pl.col("kind").is_in(["bbox", "tag"]) & pl.col("image").is_not_null() & pl.col("category").is_not_null()
    marks = labels.annotations.filter(kinds & ~pl.col("crowd").fill_null(value=False))
    marks = marks.with_columns(rater=pl.coalesce("annotator", "set"))
    mixed = pl.col("set").n_unique().over("rater", "image") > 1
    marks = marks.with_columns(rater=pl.when(mixed).then(pl.format("{} ({})", "rater", "set")).otherwise("rater"))
    if marks.select(pl.col("rater").n_unique()).collect(engine="streaming").item() < 2:
        raise NotEvaluable(ALONE)
    marks = marks.filter(pl.col("rater").n_unique().over("image") > 1)
    columns = ["image", "rater", "category", "kind", *"xywh", _value(value).alias("value")]
    table = marks.select("id", "where", *columns).sort("image", "rater", "where").collect()
    known = table.filter(pl.col("id").is_not_null()).unique(["image", "rater", "id"], keep="first", maintain_order=True)
    table = pl.concat([known, table.filter(pl.col("id").is_null())]).sort("image", "rater", maintain_order=True)
    if not table.height:
        raise NotEvaluable(ALONE)
    most = table.group_by("rater").len().sort("len", "rater", descending=[True, False])["rater"].head(RATERS)
    names = tuple(table["category"].unique().sort().to_list())
    table = table.filter(pl.col("rater").is_in(most.implode())).with_columns(
        code=pl.col("category").replace_strict(list(names), range(len(names)), return_dtype=pl.Int64)
    )
    images = []
    for rows in table.partition_by("image", maintain_order=True):
        found = {
            str(r): _mark(part) for (r,), part in rows.partition_by("rater", as_dict=True, maintain_order=True).items()
        }
        images.append({r: m for r, m in found.items() if m is not None})
    return images, names


def _value(name: str) -> pl.Expr:
    if name in ("x", "y", "w", "h", "area"):
        return pl.col(name)
    if name == "category":
        return pl.lit(None, pl.Float64)
    return pl.col("attributes").str.json_path_match(f"$['{name}']").cast(pl.Float64, strict=False)


def _mark(rows: pl.DataFrame) -> Mark | None:
    """Boxes that have an extent; or one tag, which is a mark of the whole image."""
    boxes = rows.filter(
        (pl.col("kind") == "bbox")
        & (pl.min_horizontal("w", "h") > 0)
        & pl.col("x").is_finite()
        & pl.col("y").is_finite()
    )
    if not boxes.height:
        tags = rows.filter(pl.col("kind") == "tag")
        if tags.height != 1:
            return None
        return Mark(np.array([[0.0, 0, 1, 1]]), tags["code"].to_numpy(), tags["value"].cast(pl.Float64).to_numpy())
    shape = boxes.select(*"xywh").to_numpy().astype(np.float64)
    return Mark(shape, boxes["code"].to_numpy(), boxes["value"].cast(pl.Float64).to_numpy())


def pairs(images: list[dict[str, Mark]], least: float) -> list[Pair]:
    """Every two annotators with their marks matched one to one, whatever the class."""
    found: dict[tuple[str, str], Pair] = {}
    for number, raters in enumerate(images):
        for one, other in itertools.combinations(sorted(raters), 2):
            a, b = raters[one], raters[other]
            if len(a.boxes) * len(b.boxes) > MAX_PAIRS:
                raise NotEvaluable(f"more than {MAX_PAIRS} pairs of boxes in one image")
            rows, columns, overlap = matched(a.boxes, b.boxes, least)
            pair = found.setdefault((one, other), Pair(one, other))
            pair.images += [number] * len(rows)
            pair.classes += list(zip(a.classes[rows].tolist(), b.classes[columns].tolist(), strict=True))
            pair.overlap += overlap.tolist()
            pair.made[number] = (len(a.boxes), len(b.boxes), len(rows))
    return list(found.values())


def units(raters: dict[str, Mark], least: float, *, nominal: bool) -> Iterator[tuple[int, float]]:
    """(object, rating) of one image: each annotator's boxes are matched to the objects that those before have made."""
    known = np.zeros((0, 4))
    for name in sorted(raters):
        mark = raters[name]
        if len(known) * len(mark.boxes) > MAX_PAIRS:
            raise NotEvaluable(f"more than {MAX_PAIRS} pairs of boxes in one image")
        objects = np.full(len(mark.boxes), -1)
        if len(known):
            rows, columns, _ = matched(known, mark.boxes, least)
            objects[columns] = rows
        fresh = objects < 0
        objects[fresh] = len(known) + np.arange(int(fresh.sum()))
        known = np.concatenate([known, mark.boxes[fresh]])
        ratings = mark.classes.astype(np.float64) if nominal else mark.values
        yield from zip(objects.tolist(), ratings.tolist(), strict=True)
