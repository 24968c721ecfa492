"""Readers: an address in, a `Recording` out. The format is found by looking; what cannot be read is refused by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from validators import files as files_of
from validators.declarations import declaration
from validators.errors import MissingExtra, UnreadableDataset
from validators.files import Files
from validators.readers.declared import applied
from validators.recording import Recording
from validators.stream import EPISODE, FRAME, ROW, START, is_pattern

GROUP = "assay.reader"  # entry points: name = the module of a reader
REGISTRY = (  # in the order in which they are asked; the most particular first
    "lerobot",
    "bags",
    "ulog",
    "hdf5",
    "sequences.euroc",
    "sequences.kitti",
    "sequences.tum",
    "labels.nuscenes",
    "labels.openlabel",
    "labels.coco",
    "labels.kitti",
    "tables",
    "pictures.video",
    "pictures.images",
    "json_document",
)


class Reader(Protocol):
    """A module that knows one format."""

    FORMAT: str  # what people call it

    def recognises(self, files: Files) -> bool:
        """Whether these files claim to be of the format, readable or not; cheap, and imports nothing heavy."""

    def read(self, files: Files) -> Recording:
        """Reads headers, indexes and metadata; no rows. Raises `UnreadableDataset`, `MissingExtra`."""


def readers() -> Iterator[tuple[Reader, str]]:
    """Those of third parties first, by name, with who they are; then the shipped ones, whose name is empty."""
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        made_by = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
        try:
            yield cast(Reader, point.load()), f"{made_by} ({point.value})"
        except (ImportError, AttributeError) as error:
            detail = f"the reader {point.value} of {made_by} cannot be loaded ({error}); mend or uninstall it"
            raise MissingExtra("extra-missing", detail) from error
    for name in REGISTRY:
        yield cast(Reader, importlib.import_module(f"validators.readers.{name}")), ""


def _named(recording: Recording) -> Recording:
    """Refuses names of columns that Polars takes for patterns, or that are ours: such a column would not be judged."""
    for stream in recording.streams.values():
        for name in stream.features:
            if is_pattern(name) or name in (EPISODE, ROW, FRAME, START):
                raise UnreadableDataset(
                    "column-type", f"{name!r} cannot be the name of a column; rename it", path=recording.files.where()
                )
    return recording


def open(  # noqa: A001 - the verb of the package
    address: Path | str, filesystem: Any = None, clock: declaration.DeclaredClock | None = None
) -> Recording:
    """The recording at an address: a folder or file of this machine, `s3://…`, `lakefs://repository/ref/path`.

    `filesystem` is one of fsspec's; without it the address says which. `clock` stands above the one of `assay.yaml`.
    Raises `UnreadableDataset` when nothing can be judged (a damaged file among good ones is a `Problem` instead),
    `MissingExtra` when a format's library is missing.
    """
    files = files_of.at(address, filesystem)
    files.declared = declaration.find(files)
    if clock is not None:
        files.declared = replace(files.declared or declaration.Declaration(), clock=clock)
    known = []
    for reader, made_by in readers():
        if reader.recognises(files):
            return replace(applied(_named(reader.read(files)), files.declared), reader=made_by)
        known.append(reader.FORMAT)
    raise UnreadableDataset(
        "format-unknown", f"of no format that is known here ({'; '.join(known)}); give the dataset's root", path=address
    )
