"""Labels by themselves: the rules of their format, boxes and cuboids that can be, labels and pictures that meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.labels import Defect, Labels
from validators.values import Values

NAMED = 5  # labels that a message names


def labels_of(subject: Subject) -> Labels:
    """The recording's labels, or `NotEvaluable`."""
    if subject.recording.labels is None:
        raise NotEvaluable(f"a {subject.recording.format} recording has no labels")
    return subject.recording.labels


class LabelExpectation(Expectation):
    """Judged once, on the labels of the recording; reads no frames."""

    scope: ClassVar[Literal["stream", "recording"]] = "recording"

    def needs(self, subject: Subject) -> Needs:
        labels_of(subject)
        return Needs()


@dataclass(frozen=True)
class ExpectLabelSchema(LabelExpectation):
    """Label schema: required fields, types, lengths, versions, ids used once, references that lead somewhere.

    Rules of OpenLABEL 1.0.0 (metadata, objects, frames, val lengths), COCO (images, annotations, categories), nuScenes
    (tables and tokens, counts) and KITTI (columns, ranges), one finding a rule and file with the first places.
    Unit: places. Default: none. Source: ASAM OpenLABEL 1.0.0 schema; cocodataset.org data format; nuscenes-devkit
    schema; KITTI object devkit. Resolves: one field. Known false alarms: fields that a tool leaves out on purpose.
    """

    type: ClassVar[str] = "expect_label_schema"
    check: ClassVar[str] = "label_schema"

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        images, marks = (t.select(pl.len()).collect(engine="streaming").item() for t in (labels.images, labels.annotations))
        note = f"{marks} labels in {images} pictures or scans"
        note += f", by {'; '.join(a[:60] for a in labels.annotators[:3])}" if labels.annotators else ""
        return Judgement(tuple(self._finding(d) for d in labels.defects), note, {"labels": marks, "images": images})

    def _finding(self, defect: Defect) -> Finding:
        named = [f"{where}: {what}".removeprefix(": ") for where, what in defect.examples if where or what]
        more = f"; and {defect.count - NAMED} more" if defect.count > NAMED else ""
        return Finding(
            self.check,
            defect.source,
            f"{defect.rule}, {defect.count} times: {'; '.join(named[:NAMED])}{more}",
            value=float(defect.count),
            limit=0.0,
            unit="places",
            resolves="one field",
        )


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

    def _rules(self) -> dict[str, _Rule]:
        box, cuboid = [pl.col(c) for c in "xywh"], [pl.col(c) for c in ("cx", "cy", "cz", "sx", "sy", "sz")]
        turn = [pl.col(c) for c in ("qw", "qx", "qy", "qz")]
        x, y, w, h = box
        beyond = pl.max_horizontal(-x, -y, x + w - pl.col("width"), y + h - pl.col("height"))
        norm = sum((q**2 for q in turn), start=pl.lit(0.0)).sqrt()
        flat = ("bbox", "polygon", "polyline")
        least, smallest = pl.min_horizontal(w, h), pl.min_horizontal(*cuboid[3:])
        area = pl.col("area")
        whole = pl.all_horizontal(_finite(box))
        wrong = ~pl.all_horizontal(_finite(box + [area]))
        broken = ~pl.all_horizontal(_finite(cuboid + turn))
        return {
            "finite": _Rule(flat, "have a number that is not finite", wrong, pl.lit(None), 0.0, "px"),
            "extent": _Rule(("bbox", "polygon"), "have no extent", whole & (least <= 0), least, 0.0, "px"),
            "outside": _Rule(
                ("bbox", "polygon"), "reach outside their picture", whole & (beyond > self.outside_px), beyond, self.outside_px, "px"
            ),
            "area": _Rule(
                ("bbox",), "declare an area above that of the box", whole & (area > 1.05 * w * h + 1) & (least > 0), area / (w * h), 1.05, "of the box"
            ),
            "cuboid finite": _Rule(("cuboid",), "have a number that is not finite", broken, pl.lit(None), 0.0, "m"),
            "cuboid size": _Rule(("cuboid",), "have no size", ~broken & (smallest <= 0), smallest, 0.0, "m"),
            "quaternion": _Rule(
                ("cuboid",), "have a quaternion that is no rotation (norm)", ~broken & ((norm - 1).abs() > 0.01), norm, 1.0, ""
            ),
            "polygon": _Rule(("polygon",), "have fewer than 3 vertices", pl.col("points") < 3, pl.col("points"), 3.0, "vertices"),
            "polyline": _Rule(("polyline",), "have fewer than 2 vertices", pl.col("points") < 2, pl.col("points"), 2.0, "vertices"),
        }  # fmt: skip

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        sizes = labels.images.group_by(image="id").agg(pl.col("width").first(), pl.col("height").first())
        rows = labels.annotations.join(sizes, on="image", how="left")
        judged = rows.filter(pl.col("kind").is_in(["bbox", "cuboid", "polygon", "polyline"]))
        flat = pl.col("kind").is_in(["bbox", "polygon"])
        counts = judged.select(
            pl.len(), unsized=(flat & (pl.col("width").is_null() | pl.col("height").is_null())).sum()
        ).collect(engine="streaming")
        number, unsized = counts.row(0)
        if not number:
            raise NotEvaluable("no label has a shape (boxes, cuboids, polygons)")
        rules = self._rules()
        bad = {n: pl.col("kind").is_in(r.kinds) & r.bad.fill_null(value=False) for n, r in rules.items()}
        failed = judged.filter(pl.any_horizontal(*bad.values())).with_columns(
            **{f"bad {n}": e for n, e in bad.items()}, **{f"value {n}": r.value.cast(pl.Float64) for n, r in rules.items()}
        )
        found = failed.collect(engine="streaming")
        findings = [f for name, rule in rules.items() for f in self._findings(subject, found, name, rule, number)]
        note = f"{number} shapes judged" + (f"; {unsized} of pictures of unknown size, not held against it" if unsized else "")
        return Judgement(tuple(findings), note, {"shapes": number, "failed": found.height})

    def _findings(
        self, subject: Subject, found: pl.DataFrame, name: str, rule: _Rule, number: int
    ) -> Iterator[Finding]:
        rows = found.filter(pl.col(f"bad {name}"))
        for _, group in rows.group_by("source", "stream", "kind", maintain_order=True):
            worst = group[f"value {name}"]
            value = worst.max() if name in ("outside", "area") else worst.min()
            yield finding(
                self.check, subject, group, f"{rule.message}",
                value=float(value) if isinstance(value, float) else None, limit=rule.limit, unit=rule.unit,
            )  # fmt: skip


def _finite(columns: list[pl.Expr]) -> list[pl.Expr]:
    return [c.is_finite().fill_null(value=True) for c in columns]


def finding(
    check: str, subject: Subject, rows: pl.DataFrame, message: str, *, value: float | None, limit: float, unit: str
) -> Finding:
    """One finding for rows of one source, stream and kind: how many, which first, in which episodes and when."""
    positions = rows["episode"].drop_nulls().unique().sort().to_list()
    episodes = tuple(subject.recording.episodes[i].index for i in positions)
    times = rows["time_s"].drop_nulls()
    kind, source, stream = (rows[c][0] for c in ("kind", "source", "stream"))
    more = f"; and {rows.height - NAMED} more" if rows.height > NAMED else ""
    return Finding(
        check,
        f"{source} {stream}" if stream else str(source),
        f"{rows.height} {_PLURAL.get(kind, kind)} {message}: {'; '.join(named(rows))}{more}",
        episode=episodes[0] if len(episodes) == 1 else None,
        episodes=episodes if len(episodes) > 1 else (),
        start_s=_number(times.min()),
        end_s=_number(times.max()),
        value=value,
        limit=limit,
        unit=unit,
        resolves="one label",
    )


_PLURAL = {"bbox": "boxes", "cuboid": "cuboids", "polygon": "polygons", "polyline": "polylines"}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def named(rows: pl.DataFrame) -> list[str]:
    """The first labels of a table: class, image and place in the file."""
    return [
        f"{r['category'] or 'no class'} in {r['image'] or 'no image'} ({r['where'] or r['id']})"
        for r in rows.head(NAMED).select("category", "image", "where", "id").iter_rows(named=True)
    ]


@dataclass(frozen=True)
class ExpectNoOrphanLabels(LabelExpectation):
    """Orphans: labels whose image is in no list of images, objects that are in no frame, pictures that are not here.

    Pictures are judged folder by folder: a folder of which no picture is here was left out on purpose, which is said;
    one of which some are here must be whole. Images without a label are counted in the note, because an empty scene
    is no defect. Unit: labels, objects, files. Default: none. Source: the formats' references. Resolves: one.
    Known false alarms: a folder that holds part of its pictures on purpose.
    """

    type: ClassVar[str] = "expect_no_orphan_labels"
    check: ClassVar[str] = "orphans"

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        seen = labels.annotations.filter(pl.col("image").is_not_null())
        lost = seen.join(labels.images, left_on="image", right_on="id", how="anti").collect(engine="streaming")
        findings = [
            finding(
                self.check, subject, group, "are of an image that is not listed",
                value=float(group.height), limit=0.0, unit="labels",
            )
            for _, group in lost.group_by("source", "stream", "kind", maintain_order=True)
        ]  # fmt: skip
        findings += self._objects(subject, labels)
        files, notes = self._files(labels)
        expected = labels.images.filter(pl.col("expected")).unique("id")
        empty = expected.join(seen, left_on="id", right_on="image", how="anti").select(pl.len()).collect().item()
        if empty:
            total = expected.select(pl.len()).collect(engine="streaming").item()
            notes.append(f"{empty} of {total} images have no label")
        return Judgement((*findings, *files), "; ".join(notes), {"unlabelled": empty})

    def _objects(self, subject: Subject, labels: Labels) -> Iterator[Finding]:
        used = labels.annotations.filter(pl.col("object").is_not_null()).select("object", "source").unique()
        objects = labels.objects.unique(["id", "episode"])
        if subject.recording.format == "openlabel":
            objects = objects.join(used, left_on=["id", "source"], right_on=["object", "source"], how="anti")
        else:
            objects = objects.join(used, left_on="id", right_on="object", how="anti")
        for (source,), rows in objects.sort("where").collect().group_by("source", maintain_order=True):
            which = "; ".join(f"{c or 'no class'} {w}" for c, w in rows.select("category", "where").head(NAMED).rows())
            message = f"{rows.height} objects are declared and marked in no frame: {which}"
            yield Finding(
                self.check, str(source), message, value=float(rows.height), limit=0.0, unit="objects", resolves="one"
            )

    def _files(self, labels: Labels) -> tuple[list[Finding], list[str]]:
        named_ = labels.images.filter(pl.col("found").is_not_null())
        folder = pl.concat_str([pl.lit("/"), pl.col("file")]).str.replace(r"/[^/]*$", "")
        counts = named_.unique("id").group_by(folder=folder).agg(
            pl.len(), here=pl.col("found").sum(), first=pl.col("file").filter(~pl.col("found")).sort().head(NAMED)
        )  # fmt: skip
        findings, absent = [], 0
        for name, number, here, first in counts.sort("folder").collect().iter_rows():
            if not here:
                absent += number
            elif here < number:
                message = f"{number - here} of {number} pictures are not here: {', '.join(first)}"
                of = {"value": float(number - here), "limit": 0.0, "unit": "files", "resolves": "one"}
                findings.append(Finding(self.check, name.strip("/") or "pictures", message, **of))  # type: ignore[arg-type]  # fields of a finding
        return findings, [f"{absent} pictures are not in the dataset, so none of them was looked at"] if absent else []
