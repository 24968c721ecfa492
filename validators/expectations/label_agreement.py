"""Do annotators of the same images agree? Never evaluable with one; it says how to give a second."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import polars as pl

from validators.agreement import MAX_PAIRS, Alpha, Array, Codes, bounds, kappa_of, matched
from validators.expectations.expectation import Subject
from validators.expectations.labels import LabelExpectation, labels_of
from validators.findings import Finding, Judgement, NotEvaluable
from validators.labels import Labels
from validators.values import Values

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
        found = {str(r): _mark(part) for (r,), part in rows.partition_by("rater", as_dict=True, maintain_order=True).items()}
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
    boxes = rows.filter((pl.col("kind") == "bbox") & (pl.min_horizontal("w", "h") > 0) & pl.col("x").is_finite() & pl.col("y").is_finite())
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


class AgreementExpectation(LabelExpectation):
    """Compares annotators; `match_iou` makes two boxes the same object."""

    def _compared(self, subject: Subject, match_iou: float, least: int) -> tuple[list[Pair], tuple[str, ...]]:
        images, names = shared_marks(labels_of(subject))
        found = [p for p in pairs(images, match_iou) if sum(max(a, b) for a, b, _ in p.made.values()) >= least]
        if not found:
            raise NotEvaluable(f"no two annotators share images with at least {least} marks")
        return found, names

    def _finding(
        self, pair: Pair, message: str, value: float, limit: float, unit: str, interval: tuple[float, float]
    ) -> Finding:
        of = {"value": value, "limit": limit, "unit": unit, "resolves": _said(interval)}
        return Finding(self.check, f"{pair.first} and {pair.second}"[:200], message, **of)  # type: ignore[arg-type]  # fields of one finding


def _said(interval: tuple[float, float]) -> str:
    if not all(map(math.isfinite, interval)):
        return "no interval, of one image"
    return f"{interval[0]:.2f} to {interval[1]:.2f} at 95 %, images resampled"


def _between(name: str, low: float, high: float, *values: float) -> None:
    if not all(low <= v <= high for v in values):
        raise ValueError(f"{name} must be from {low:g} to {high:g}")


@dataclass(frozen=True)
class ExpectBoxAgreement(AgreementExpectation):
    """Box agreement of every two annotators: mean IoU of matched boxes, and the share of boxes that have a match.

    Boxes are matched one to one, whatever their class, with an IoU of at least `match_iou` and the largest sum; share
    = 2 m / (a + b). Images in which only one of them marked anything are left out. Unit: IoU, share. Default: IoU 0.7,
    share 0.7, matches from 0.5, at least 20 marks. Source: PASCAL VOC (0.5) and common practice (0.7): conventions.
    Resolves: the 95 % interval of resampled images. Known false alarms: tiny objects, where 2 px cost 0.3 of IoU.
    """

    type: ClassVar[str] = "expect_box_agreement"
    check: ClassVar[str] = "box_agreement"
    iou: float = 0.7
    share: float = 0.7
    match_iou: float = 0.5
    least: int = 20

    def __post_init__(self) -> None:
        _between("iou, share and match_iou", 0.01, 1, self.iou, self.share, self.match_iou)
        _between("least", 1, 1e9, self.least)

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found, _ = self._compared(subject, self.match_iou, self.least)
        findings, notes, observed = [], [], {}
        for pair in found:
            overlap, images = np.array(pair.overlap), np.array(pair.images, dtype=np.int64)
            mean = float(overlap.mean()) if overlap.size else 0.0
            made = np.array(list(pair.made.values()), dtype=np.float64)
            share = float(2 * made[:, 2].sum() / made[:, :2].sum())
            name = f"{pair.first} and {pair.second}"
            if overlap.size and mean < self.iou:
                interval = bounds(lambda w, o=overlap: float(w @ o / w.sum()) if w.sum() else float("nan"), images)  # type: ignore[misc]  # bound now
                findings.append(self._finding(pair, f"mean IoU of {overlap.size} matched boxes", mean, self.iou, "IoU", interval))
            if share < self.share:
                interval = bounds(lambda w, m=made: float(2 * (w @ m[:, 2]) / (w @ m[:, :2].sum(axis=1))), np.arange(len(made)))  # type: ignore[misc]  # bound now
                message = f"{int(made[:, 2].sum())} matches of {int(made[:, 0].sum())} and {int(made[:, 1].sum())} boxes"
                findings.append(self._finding(pair, message, share, self.share, "share", interval))
            notes.append(f"{name}: mean IoU {mean:.2f}, {share:.0%} matched")
            observed[name] = {"iou": mean, "share": share, "images": len(made)}
        return Judgement(tuple(findings), "; ".join(notes[:4]), observed)


@dataclass(frozen=True)
class ExpectClassKappa(AgreementExpectation):
    """Cohen's kappa of every two annotators: (p_o - p_e) / (1 - p_e) over marks that they share.

    A mark is shared when the boxes match (IoU at least `match_iou`, whatever the class), or when both gave the image one
    tag. Unit: kappa. Default: 0.61, `substantial`; 0.81 is `almost perfect`; at least 20 shared marks. Source: Cohen,
    1960; Landis and Koch, 1977: conventions, not laws. Resolves: the 95 % interval of resampled images. Known false
    alarms: one class far more frequent than all others lowers kappa at the same agreement.
    """

    type: ClassVar[str] = "expect_class_kappa"
    check: ClassVar[str] = "kappa"
    kappa: float = 0.61
    match_iou: float = 0.5
    least: int = 20

    def __post_init__(self) -> None:
        _between("kappa and match_iou", 0.01, 1, self.kappa, self.match_iou)
        _between("least", 1, 1e9, self.least)

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found, names = self._compared(subject, self.match_iou, self.least)
        findings, notes, observed = [], [], {}
        for pair in found:
            if len(pair.classes) < self.least:
                continue
            used, codes = np.unique(np.array(pair.classes, dtype=np.int64), return_inverse=True)
            first, second = codes.reshape(-1, 2).T
            number = len(used)
            value = kappa_of(first, second, number)
            if not math.isfinite(value):
                continue
            interval = bounds(lambda w, a=first, b=second, n=number: kappa_of(a, b, n, w), np.array(pair.images))  # type: ignore[misc]  # bound now
            name = f"{pair.first} and {pair.second}"
            notes.append(f"{name}: kappa {value:.2f} ({_said(interval)}) of {len(first)} marks")
            observed[name] = {"kappa": value, "interval": list(interval), "marks": len(first)}
            if value < self.kappa:
                message = f"kappa of {len(first)} shared marks; most often {_confused(first, second, [names[i] for i in used])}"
                findings.append(self._finding(pair, message, value, self.kappa, "kappa", interval))
        if not observed:
            raise NotEvaluable(f"no two annotators share {self.least} marks of more than one class")
        return Judgement(tuple(findings), "; ".join(notes[:4]), observed)


def _confused(first: Codes, second: Codes, names: list[str]) -> str:
    apart = first != second
    if not apart.any():
        return "nothing confused"
    kinds, counts = np.unique(np.sort(np.stack([first[apart], second[apart]]), axis=0), axis=1, return_counts=True)
    most = int(counts.argmax())
    return f"{names[kinds[0, most]]} against {names[kinds[1, most]]}, {counts[most]} times"


@dataclass(frozen=True)
class ExpectKrippendorffAlpha(AgreementExpectation):
    """Krippendorff's alpha of all annotators together: 1 - D_o / D_e; not all need have marked everything.

    Marks of one object are those whose boxes match (IoU at least `match_iou`) the first annotator's, or the one tag of
    an image. `value` is `category` (nominal), or x, y, w, h, area or a numeric attribute (interval: squared
    differences). Unit: alpha. Default: 0.667, the least for tentative conclusions; 0.8 is customary. Source:
    Krippendorff, Content Analysis, 2004: conventions, not laws. Resolves: the 95 % interval of resampled images.
    Known false alarms: hardly any variation makes alpha low at high agreement; of positions it is high at any.
    """

    type: ClassVar[str] = "expect_krippendorff_alpha"
    check: ClassVar[str] = "alpha"
    alpha: float = 0.667
    value: str = "category"
    match_iou: float = 0.5
    least: int = 20

    def __post_init__(self) -> None:
        _between("alpha and match_iou", 0.01, 1, self.alpha, self.match_iou)
        _between("least", 1, 1e9, self.least)
        if not self.value or not all(c.isalnum() or c in "_- ." for c in self.value):
            raise ValueError("value must be category, x, y, w, h, area or the name of an attribute")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        images, _ = shared_marks(labels_of(subject), self.value)
        rows = [
            (number, unit, rating)
            for number, raters in enumerate(images)
            for unit, rating in units(raters, self.match_iou, nominal=self.value == "category")
            if math.isfinite(rating)
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        number = np.unique(table[:, :2], axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        result = Alpha(table[:, 2], number, "nominal" if self.value == "category" else "interval")
        if len(result.kept) < self.least:
            raise NotEvaluable(f"{len(result.kept)} objects have {self.value} from two annotators, {self.least} are needed")
        value = result.value()
        if not math.isfinite(value):
            raise NotEvaluable(f"all annotators give the same one {self.value}, so chance cannot be told from agreement")
        clusters = np.zeros(number.max() + 1, dtype=np.int64)
        clusters[number] = table[:, 0].astype(np.int64)
        interval = bounds(result.value, clusters[result.kept])
        raters = sorted({r for found in images for r in found})
        said = f"alpha of {self.value} over {len(result.kept)} objects and {len(raters)} annotators"
        of = {"value": value, "limit": self.alpha, "unit": "alpha", "resolves": _said(interval)}
        found = [Finding(self.check, ", ".join(raters)[:200], said, **of)] if value < self.alpha else []  # type: ignore[arg-type]  # fields of one finding
        return Judgement(tuple(found), f"{said}: {value:.2f} ({_said(interval)})", {"alpha": value, "interval": list(interval)})


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
