"""Labels and the pictures they were drawn on: is each of the size that the labels say?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from validators.expectations.expectation import Subject
from validators.expectations.labels.expectation import NAMED, LabelExpectation, labels_of
from validators.findings import Finding, Judgement, NotEvaluable
from validators.pictures import image
from validators.values import Values

HEAD = 1 << 18  # bytes that hold the size of an image


@dataclass(frozen=True)
class ExpectPictureSizesAsDeclared(LabelExpectation):
    """Picture sizes: the width and height that the labels declare are those in the head of the image file.

    Boxes of a picture that was scaled, cut or turned after labelling lie beside their objects. An even sample of at
    most `sample` pictures is looked at, without decoding. Unit: pictures. Default: 1000 pictures. Source: the lists of
    images of the formats. Resolves: one picture of the sample. Known false alarms: pictures turned by an EXIF tag that
    the labelling tool obeyed, which training code that does not obey it gets wrong.
    """

    type: ClassVar[str] = "expect_picture_sizes_as_declared"
    check: ClassVar[str] = "picture_sizes"
    sample: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.sample <= 10_000_000:
            raise ValueError("sample must be from 1 to 10000000")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        images = labels_of(subject).images.filter(
            pl.col("found") & pl.col("width").is_not_null() & pl.col("height").is_not_null()
        )
        suffix = pl.col("file").str.to_lowercase().str.extract(r"(\.[a-z]+)$")
        rows = images.filter(suffix.is_in(image.SUFFIXES)).unique("file").sort("file")
        table = rows.select("file", "width", "height", "source").collect(engine="streaming")
        if not table.height:
            raise NotEvaluable("no picture is here whose size is declared")
        chosen = np.unique(np.linspace(0, table.height - 1, min(self.sample, table.height)).astype(np.int64))
        off: dict[str, list[str]] = {}
        for file, width, height, source in table[chosen].iter_rows():
            with subject.recording.files.open(file) as opened:
                size = image.size(opened.read(HEAD))
            if size is not None and size != (width, height):
                off.setdefault(source, []).append(f"{file} is {size[0]} × {size[1]}, declared {width:g} × {height:g}")
        findings = tuple(
            Finding(
                self.check,
                source,
                f"{len(found)} pictures are not of the declared size: {'; '.join(found[:NAMED])}",
                value=float(len(found)),
                limit=0.0,
                unit="pictures",
                resolves="one picture" if len(chosen) == table.height else f"one of {len(chosen)} looked at",
            )
            for source, found in off.items()
        )
        return Judgement(findings, f"{len(chosen)} of {table.height} pictures looked at")
