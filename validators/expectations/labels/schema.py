"""Labels by themselves: the rules of their format, and labels and pictures that meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from validators.expectations.expectation import Subject
from validators.expectations.labels.expectation import NAMED, LabelExpectation, finding, labels_of
from validators.findings import Finding, Judgement
from validators.labels import Defect, Labels
from validators.values import Values


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
    telling: ClassVar[bool] = True

    def judge(self, subject: Subject, values: Values) -> Judgement:
        labels = labels_of(subject)
        images = labels.images.select(pl.col("id").n_unique()).collect(engine="streaming").item()
        marks = labels.annotations.select(pl.len()).collect(engine="streaming").item()
        note = f"{marks} labels in {images} pictures or scans"
        note += f", by {'; '.join(a[:60] for a in labels.annotators[:3])}" if labels.annotators else ""
        return Judgement(tuple(self._finding(d) for d in labels.defects), note, {"labels": marks, "images": images})

    def _finding(self, defect: Defect) -> Finding:
        named = [f"{where}: {what}".removeprefix(": ") for where, what in defect.examples if where or what]
        more = f"; and {defect.count - NAMED} more" if defect.count > NAMED else ""
        often = "once" if defect.count == 1 else f"{defect.count} times"
        return Finding(
            self.check,
            defect.source,
            f"{defect.rule}, {often}: {'; '.join(named[:NAMED])}{more}",
            value=float(defect.count),
            limit=0.0,
            unit="places",
            resolves="one field",
        )


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
        lost = seen.join(labels.images, left_on="image", right_on="id", how="anti", maintain_order="left").collect(
            engine="streaming"
        )
        findings = [
            finding(
                self.check, subject, group, "image not listed",
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
                stream, gone = name.strip("/") or "pictures", float(number - here)
                findings.append(
                    Finding(self.check, stream, message, value=gone, limit=0.0, unit="files", resolves="one")
                )
        return findings, [f"{absent} pictures are not in the dataset, so none of them was looked at"] if absent else []
