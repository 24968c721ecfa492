"""Classes of labels: declared and used, the long tail, and one object marked twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from validators.expectations.expectation import Subject
from validators.expectations.labels.expectation import LabelExpectation, finding, labels_of
from validators.findings import Finding, Judgement, NotEvaluable
from validators.labels import Labels
from validators.values import Values

NEIGHBOURS = 64  # boxes beside each other that are compared
LISTED = 8


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f", and {len(names) - LISTED} more" if len(names) > LISTED else "")


def _classed() -> pl.Expr:
    return ~pl.col("kind").is_in(["caption", "ignored"])


def counts_of(labels: Labels) -> tuple[pl.DataFrame, str]:
    """How many of each class (`category`, `count`), most first; objects where all labels have a track, else labels."""
    classed = labels.annotations.filter(_classed() & pl.col("category").is_not_null())
    tracked = classed.select(pl.col("object").is_not_null().all()).collect(engine="streaming").item()
    number = pl.struct("episode", "object").n_unique() if tracked else pl.struct("source", "where").n_unique()
    table = classed.group_by("category").agg(count=number.cast(pl.Int64)).sort("count", "category", descending=True)
    return table.collect(engine="streaming"), "objects" if tracked else "labels"


@dataclass(frozen=True)
class ExpectDeclaredClasses(LabelExpectation):
    """Declared classes: every label has a class, and every class in use is declared where the format declares them.

    Unit: labels. Default: none. Source: the format's list of categories. Resolves: one label. Known false alarms:
    none; captions have no class. Where no classes are declared, only labels without one are found, which is said.
    """

    type: ClassVar[str] = "expect_declared_classes"
    check: ClassVar[str] = "declared_classes"

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        classed = labels.annotations.filter(_classed())
        unknown = pl.col("category").is_null()
        if labels.categories is not None:
            unknown |= ~pl.col("category").is_in(list(labels.categories))
        rows = classed.filter(unknown).collect(engine="streaming")
        findings = []
        for (category, *_), group in rows.group_by("category", "source", "stream", "kind", maintain_order=True):
            message = "no class" if category is None else f"class {category!r} not declared"
            number = float(group.height)
            findings.append(finding(self.check, subject, group, message, value=number, limit=0.0, unit="labels"))
        note = "no list of classes is declared" if labels.categories is None else ""
        return Judgement(tuple(findings), note)


@dataclass(frozen=True)
class ExpectClassCoverage(LabelExpectation):
    """Class coverage: every declared class is used, and none has a share below `least_share`.

    Counted in objects where labels have tracks (frames of one object are no new evidence), else in labels. The note
    says the effective number of classes exp(H), H the entropy of the shares, and Gini of the counts (0 even). A share
    is judged when 3 of that share would be expected, so in fewer than 3 / least_share nothing is. Unit: share.
    Default: 0.001. Source: effective number by Hill, 1973; the threshold is a convention. Resolves: one class.
    Known false alarms: a part of a larger dataset that keeps the whole list of classes (COCO excerpts).
    """

    type: ClassVar[str] = "expect_class_coverage"
    check: ClassVar[str] = "class_coverage"
    telling: ClassVar[bool] = True
    least_share: float = 0.001

    def __post_init__(self) -> None:
        if not 0 < self.least_share < 1:
            raise ValueError("least_share must be between 0 and 1")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        table, unit = counts_of(labels)
        if not table.height:
            raise NotEvaluable("no label has a class")
        counts = table["count"].to_numpy().astype(np.float64)
        names, total = table["category"].to_list(), float(counts.sum())
        findings = []
        if unused := sorted(set(labels.categories or ()) - set(names)):
            message = (
                f"{len(unused)} of {len(labels.categories or ())} declared classes are never used: {_some(unused)}"
            )
            findings.append(self._finding(message, 0.0, unit))
        rare = [f"{n} ({int(c)})" for n, c in zip(names, counts, strict=True) if c / total < self.least_share]
        if rare and total >= 3 / self.least_share:
            message = f"{len(rare)} of {len(names)} classes are rare among {int(total)} {unit}: {_some(rare[::-1])}"
            findings.append(self._finding(message, float(counts.min() / total), unit))
        effective, gini = evenness(counts)
        note = f"{len(names)} classes in {int(total)} {unit}, as many as {effective:.1f} even ones (Gini {gini:.2f}); "
        note += f"most {names[0]} {counts[0] / total:.1%}, fewest {names[-1]} {counts[-1] / total:.1%}"
        observed = {"counts": dict(zip(names, counts.astype(int).tolist(), strict=True))}
        return Judgement(tuple(findings), note, {"effective": effective, "gini": gini, **observed})

    def _finding(self, message: str, share: float, unit: str) -> Finding:
        return Finding(
            self.check,
            "classes",
            message,
            value=share,
            limit=self.least_share,
            unit=f"of {unit}",
            resolves="one class",
        )


def evenness(counts: NDArray[np.float64]) -> tuple[float, float]:
    """Effective number of classes exp(-Σ p ln p), and Gini of the counts (0 when even), of counts above 0."""
    ordered = np.sort(counts)
    shares = ordered / ordered.sum()
    number = len(ordered)
    rank = np.arange(1, number + 1)
    gini = float((2 * rank - number - 1) @ ordered / (number * ordered.sum()))
    return float(np.exp(-(shares * np.log(shares)).sum())), gini


@dataclass(frozen=True)
class ExpectNoDuplicateBoxes(LabelExpectation):
    """Duplicate boxes: no two boxes of one class, image, set and annotator overlap with an IoU of `iou` or more.

    Each box is compared with the next 64 to its right in the image; crowds are passed over. Unit: IoU. Default: 0.9,
    where two boxes differ by less than annotators do. Source: IoU (Jaccard, 1901); the threshold is a convention.
    Resolves: one pair. Known false alarms: objects that hide each other almost wholly, such as a queue seen from ahead.
    """

    type: ClassVar[str] = "expect_no_duplicate_boxes"
    check: ClassVar[str] = "duplicate_boxes"
    iou: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 <= self.iou <= 1:
            raise ValueError("iou must be from 0.5 to 1")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        whole = pl.all_horizontal(*(pl.col(c).is_finite() for c in "xywh")) & (pl.min_horizontal("w", "h") > 0)
        numbered = labels_of(subject).annotations.with_row_index("row")
        boxes = numbered.filter(
            (pl.col("kind") == "bbox") & whole & ~pl.col("crowd").fill_null(value=False) & pl.col("image").is_not_null()
        )
        group = pl.struct("source", "image", "category", "annotator").rank("dense")
        table = boxes.select("row", *"xywh", group=group).sort("group", "x").collect(engine="streaming")
        if not table.height:
            raise NotEvaluable("no label is a box in a picture")
        best = overlaps(table["group"].to_numpy(), table.select(*"xywh").to_numpy())
        over = table.select("row", best=pl.Series(best)).filter(pl.col("best") >= self.iou)
        doubled = numbered.join(over.lazy(), on="row").sort("row").collect(engine="streaming")
        findings = []
        for _, rows in doubled.group_by("source", "stream", "kind", maintain_order=True):
            message = "upon another of its class"
            most = float(rows["best"].to_numpy().max())
            findings.append(finding(self.check, subject, rows, message, value=most, limit=self.iou, unit="IoU"))
        return Judgement(tuple(findings), f"{table.height} boxes compared", {"duplicates": doubled.height})


def overlaps(group: NDArray[np.generic], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n]: the largest IoU of each box with one of the 64 before it in its group; rows sorted by group and x."""
    best = np.zeros(len(boxes))
    x, y, w, h = boxes.T
    for lag in range(1, min(NEIGHBOURS, len(boxes) - 1) + 1):
        near = np.flatnonzero((group[lag:] == group[:-lag]) & (x[lag:] < (x + w)[:-lag])) + lag
        if not near.size:
            break
        one, other = near, near - lag
        wide = np.minimum((x + w)[one], (x + w)[other]) - np.maximum(x[one], x[other])
        high = np.minimum((y + h)[one], (y + h)[other]) - np.maximum(y[one], y[other])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        best[one] = np.maximum(best[one], shared / (w[one] * h[one] + w[other] * h[other] - shared))
    return best
