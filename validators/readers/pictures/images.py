"""Folders of images without metadata: each folder that holds some is an episode of one camera, in order of name.

Times come from the names where all of a folder are stamps, or from a list of times beside the images or one folder up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures import image, video
from validators.pictures.camera import ImageCamera
from validators.readers import times
from validators.readers.spool import Spool
from validators.recording import CLOCK, MAIN, Episode, Facts, Problem, Recording
from validators.stream import PER_SECOND, Clock, Feature, Stream, Table

FORMAT = "folders of images (png, jpg, webp, bmp, tif, pgm, ppm)"
CAMERA = "images"
HEAD = 1 << 18  # bytes that hold the size of an image
BATCH = 4096  # rows
SCHEMA = pa.schema(
    [
        (CLOCK, pa.int64()),
        ("path", pa.string()),
        ("format", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("bytes", pa.int64()),
    ]
)


def recognises(files: Files) -> bool:
    """Whether any image is there."""
    return bool(files.names(*image.SUFFIXES))


def read(files: Files) -> Recording:
    """Lists the images, declared references left out, and reads lists of times.

    Rows hold path, format, size in pixels and in bytes.
    """
    video.available()
    folders: dict[str, list[str]] = {}
    references = {c.reference for c in files.declared.cameras.values()} if files.declared else set()
    for relative in sorted(set(files.names(*image.SUFFIXES)) - references, key=natural):
        folders.setdefault(relative.rpartition("/")[0], []).append(relative)
    if not folders:
        raise UnreadableDataset("file-missing", "no image is here but declared references", path=files.where())
    stamps: dict[int, Sequence[int]] = {}
    problems = []
    for index, (folder, names) in enumerate(folders.items()):
        try:
            found = times.of_names(names) or times.listed(files, folder, names)
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problems.append(Problem(error.kind, folder, error.detail, index))
            continue
        if found:
            stamps[index] = found
            folders[folder] = [name for _, name in sorted(zip(found, names, strict=True), key=lambda p: p[0])]
            stamps[index] = sorted(found)
    origin = min((s[0] for s in stamps.values()), default=0)
    times_s = {i: [(t - origin) / PER_SECOND["ns"] for t in s] for i, s in stamps.items()}
    episodes = tuple(
        Episode(i, (names[0],), len(names), *((times_s[i][0], times_s[i][-1]) if i in times_s else (None, None)))
        for i, names in enumerate(folders.values())
    )
    images = dict(enumerate(folders.values()))
    clock = Clock(CLOCK, "ns", "file names or a list of times", origin=origin) if len(stamps) == len(folders) else None
    features = {f.name: Feature(f.name, "string" if f.type == pa.string() else "int64") for f in SCHEMA}
    features[CAMERA] = Feature(CAMERA, "image", ())
    if clock is None:
        del features[CLOCK]
    stream = Stream(MAIN, features, lambda: _rows(files, images, stamps), clock)
    cameras = {CAMERA: ImageCamera(CAMERA, files, images, times_s)}
    return Recording("images", files, Facts(), episodes, {MAIN: stream}, cameras, problems=tuple(problems))


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Order of names in which `2` comes before `10`."""
    parts = re.split(r"(\d{1,4000})", name)
    return tuple((1, int(p)) if p.isdigit() and p.isascii() else (0, p) for p in parts)


def _rows(files: Files, images: Mapping[int, Sequence[str]], stamps: Mapping[int, Sequence[int]]) -> tuple[Table, ...]:
    with Spool(files.scratch) as spool:
        for position, names in images.items():
            for start in range(0, len(names), BATCH):
                part = names[start : start + BATCH]
                at = stamps[position][start : start + BATCH] if position in stamps else [None] * len(part)
                columns = dict(zip(SCHEMA.names, zip(*_lines(files, part, at), strict=True), strict=True))
                spool.write(MAIN, position, pa.record_batch({k: list(v) for k, v in columns.items()}, schema=SCHEMA))
            spool.close(MAIN, position)
        return spool.tables(MAIN)


def _lines(files: Files, names: Sequence[str], at: Sequence[int | None]) -> Iterator[tuple[object, ...]]:
    for name, stamp in zip(names, at, strict=True):
        with files.open(name) as file:
            head = file.read(HEAD)
        width, height = _size(files, name, head) or (None, None)
        yield stamp, name, image.kind(head), width, height, files.size(name)


def _size(files: Files, name: str, head: bytes) -> tuple[int, int] | None:
    """None for an image that is damaged, which the decoder tells of."""
    if found := image.size(head):
        return found
    try:
        probe = image.probe(files, name)
    except UnreadableDataset:
        return None
    return probe.width, probe.height
