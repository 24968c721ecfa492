"""Boxes, cuboids and polygons that can be: finite, of some extent, inside their picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from validators.expectations.expectation import Subject
from validators.expectations.labels.expectation import LabelExpectation, finding, labels_of
from validators.findings import Finding, Judgement, NotEvaluable
from validators.values import Values


@dataclass(frozen=True)
class _Rule:
    """`bad` marks rows of some kinds; `value` is how far off they are."""

    kinds: tuple[str, ...]
    message: str
    bad: pl.Expr
    value: pl.Expr
    limit: float
    unit: str


@dataclass(frozen=True)
class ExpectValidBoxes(LabelExpectation):
    """Boxes: numbers are finite, w > 0 and h > 0, no side more than `outside_px` beyond the picture.

    Declared area at most 1.05 w h + 1. Cuboids: numbers are finite, sizes > 0, | |q| - 1 | <= 0.01. Polygons have at
    least 3 vertices, polylines 2. Unit: px, m. Default: 1 px, because tools round and count from 0 or 1. Source: the
    formats' descriptions. Resolves: one label. Known false alarms: boxes of objects that the picture cuts, where a
    guideline asks for the whole object (raise outside_px); pictures whose size is not declared are passed over, which
    is said.
    """

    type: ClassVar[str] = "expect_valid_boxes"
    check: ClassVar[str] = "boxes"
    outside_px: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.outside_px <= 1e6:
            raise ValueError("outside_px must be from 0 to 1e6")

    def _rules(self) -> tuple[_Rule, ...]:
        box, cuboid = [pl.col(c) for c in "xywh"], [pl.col(c) for c in ("cx", "cy", "cz", "sx", "sy", "sz")]
        turn = [pl.col(c) for c in ("qw", "qx", "qy", "qz")]
        x, y, w, h = box
        beyond = pl.max_horizontal(-x, -y, x + w - pl.col("width"), y + h - pl.col("height"))
        norm = sum((q**2 for q in turn), start=pl.lit(0.0)).sqrt()
        side, size, area = pl.min_horizontal(w, h), pl.min_horizontal(*cuboid[3:]), pl.col("area")
        whole, solid = _finite(box), _finite([*cuboid, *turn])
        none, points, limit = pl.lit(None, pl.Float64), pl.col("points"), self.outside_px
        flat, closed, one = ("bbox", "polygon", "polyline"), ("bbox", "polygon"), ("cuboid",)
        large = (area > 1.05 * w * h + 1) & (side > 0)
        return (
            _Rule(flat, "not finite", ~_finite([*box, area]), none, 0, "px"),
            _Rule(closed, "no extent", whole & (side <= 0), side, 0, "px"),
            _Rule(closed, "outside the picture", whole & (beyond > limit), beyond, limit, "px"),
            _Rule(("bbox",), "declared area above its own", whole & large, area / (w * h), 1.05, "of the box"),
            _Rule(one, "not finite", ~solid, none, 0, "m"),
            _Rule(one, "no size", solid & (size <= 0), size, 0, "m"),
            _Rule(one, "quaternion that is no rotation", solid & ((norm - 1).abs() > 0.01), norm, 1, "of norm"),
            _Rule(("polygon",), "fewer than 3 vertices", points < 3, points, 3, "vertices"),
            _Rule(("polyline",), "fewer than 2 vertices", points < 2, points, 2, "vertices"),
        )

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        sizes = labels.images.group_by(image="id").agg(pl.col("width").first(), pl.col("height").first())
        rows = labels.annotations.join(sizes, on="image", how="left", maintain_order="left")
        judged = rows.filter(pl.col("kind").is_in(["bbox", "cuboid", "polygon", "polyline"]))
        flat = pl.col("kind").is_in(["bbox", "polygon"])
        counts = judged.select(
            pl.len(), unsized=(flat & (pl.col("width").is_null() | pl.col("height").is_null())).sum()
        ).collect(engine="streaming")
        number, unsized = counts.row(0)
        if not number:
            raise NotEvaluable("no label has a shape (boxes, cuboids, polygons)")
        rules = self._rules()
        bad = [pl.col("kind").is_in(r.kinds) & r.bad.fill_null(value=False) for r in rules]
        columns = {f"bad {i}": e for i, e in enumerate(bad)} | {f"value {i}": r.value for i, r in enumerate(rules)}
        found = judged.filter(pl.any_horizontal(*bad)).with_columns(**columns).collect(engine="streaming")
        findings = [f for i, rule in enumerate(rules) for f in self._findings(subject, found, i, rule)]
        note = f"{number} shapes judged" + (
            f"; {unsized} of pictures of unknown size, not judged at the edges" if unsized else ""
        )
        return Judgement(tuple(findings), note, {"shapes": number, "failed": found.height})

    def _findings(self, subject: Subject, found: pl.DataFrame, rule: int, of: _Rule) -> Iterator[Finding]:
        rows = found.filter(pl.col(f"bad {rule}"))
        for _, group in rows.group_by("source", "stream", "kind", maintain_order=True):
            worst = group[f"value {rule}"].cast(pl.Float64)
            value = worst.max() if of.unit in ("px", "of the box") and of.limit else worst.min()
            known = float(value) if isinstance(value, float) else None
            yield finding(self.check, subject, group, of.message, value=known, limit=of.limit, unit=of.unit)


def _finite(columns: list[pl.Expr]) -> pl.Expr:
    return pl.all_horizontal(*(c.is_finite().fill_null(value=True) for c in columns))
