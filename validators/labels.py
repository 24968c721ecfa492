"""Labels of a recording: what was marked in which picture or scan, by whom, in tables of one shape for all formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

_BOX = dict.fromkeys(("x", "y", "w", "h", "area"), pl.Float64)
_CUBOID = dict.fromkeys(("cx", "cy", "cz", "sx", "sy", "sz", "qw", "qx", "qy", "qz"), pl.Float64)

ANNOTATIONS: Mapping[str, type[pl.DataType]] = {
    "id": pl.String,  # its own id in its source
    "image": pl.String,  # `id` of the image or frame in `images`
    "episode": pl.Int32,  # position of its episode in the recording
    "frame": pl.Int64,  # number of the frame in its sequence
    "time_s": pl.Float64,  # s since the recording's origin
    "stream": pl.String,  # the sensor
    "object": pl.String,  # the track
    "category": pl.String,
    "kind": pl.String,  # one of KINDS
    **_BOX,  # px, left upper corner and extent; of a polygon its hull; `area` px² as declared
    **_CUBOID,  # m, centre, length width height, unit quaternion
    "points": pl.Int64,  # vertices of a polygon or polyline
    "crowd": pl.Boolean,  # one mark around many objects
    "attributes": pl.String,  # JSON object of plain values
    "annotator": pl.String,  # who marked it, where that is said
    "set": pl.String,  # the set of labels it belongs to; sets of different names may mark the same images
    "source": pl.String,  # file
    "where": pl.String,  # line or JSON path in the file
}
IMAGES: Mapping[str, type[pl.DataType]] = {
    "id": pl.String,  # equal in all sets that mark the same image
    "file": pl.String,  # relative to the dataset where it was found there, else as declared
    "width": pl.Float64,  # px
    "height": pl.Float64,
    "episode": pl.Int32,
    "frame": pl.Int64,
    "time_s": pl.Float64,
    "stream": pl.String,
    "expected": pl.Boolean,  # marks are to be expected in it (a key frame)
    "found": pl.Boolean,  # the file is in the dataset; null where no file is named
    "source": pl.String,
}
OBJECTS: Mapping[str, type[pl.DataType]] = {
    "id": pl.String,  # a track
    "episode": pl.Int32,
    "category": pl.String,
    "first": pl.Int64,  # frames of one declared interval, both within; null where none is declared
    "last": pl.Int64,
    "source": pl.String,
    "where": pl.String,
}
KINDS = (
    "bbox",
    "cuboid",
    "polygon",
    "polyline",
    "mask",
    "point",
    "caption",
    "tag",
    "ignored",
)  # the last: left unlabelled


@dataclass(frozen=True)
class Defect:
    """A rule of the format that a file breaks in `count` places; `examples` are (where, what) of the first ones."""

    rule: str
    source: str
    count: int
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Labels:
    """Tables of the shapes above; `categories` as declared, None where the format declares none.

    `annotators` are those whom the metadata names, `defects` what the files say against their format's rules.
    """

    annotations: pl.LazyFrame = field(repr=False)
    images: pl.LazyFrame = field(repr=False)
    objects: pl.LazyFrame = field(repr=False)
    categories: tuple[str, ...] | None = None
    annotators: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()
