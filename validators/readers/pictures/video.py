"""Video files without metadata: each is an episode of one camera, in order of name; its clock is the container's."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures import Probe
from validators.pictures import video as container
from validators.pictures.camera import Clip, VideoCamera
from validators.readers.spool import Spool
from validators.recording import CLOCK, MAIN, Episode, Facts, Problem, Recording
from validators.stream import Clock, Feature, Stream, Table

FORMAT = "video files (mp4, mkv, webm, mov, avi, …)"
CAMERA = "video"
ALIKE = 0.01  # rates that differ by less are one
BATCH = 65_536  # rows
SCHEMA = pa.schema(
    [
        (CLOCK, pa.float64()),
        ("path", pa.string()),
        ("codec", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("bytes", pa.int64()),
        ("key", pa.bool_()),
    ]
)


def recognises(files: Files) -> bool:
    """Whether any video file is there."""
    return bool(files.names(*container.SUFFIXES))


def read(files: Files) -> Recording:
    """Opens every file and decodes none; rows are the packets: time, size in bytes, and whether it is a key frame."""
    container.available()
    probes: list[tuple[str, Probe]] = []
    problems = []
    for relative in files.names(*container.SUFFIXES):
        try:
            probes.append((relative, container.probe(files.local(relative))))
        except UnreadableDataset as error:
            if error.kind == "path-outside":
                raise
            problems.append(Problem(error.kind, relative, error.detail))
    if not probes:
        first = problems[0]
        detail = f"no video can be read; the first: {first.message}"
        raise UnreadableDataset(first.kind, detail, path=files.where(first.path))
    episodes = tuple(Episode(i, (path,), probe.frames or 0) for i, (path, probe) in enumerate(probes))
    fps = _one([probe.fps for _, probe in probes])
    stream = Stream(MAIN, _features(), lambda: _rows(files, probes), Clock(CLOCK, source="pts"), fps)
    clips = {i: Clip(path) for i, (path, _) in enumerate(probes)}
    cameras = {CAMERA: VideoCamera(CAMERA, files, clips)}
    return Recording("video", files, Facts(fps=fps), episodes, {MAIN: stream}, cameras, problems=tuple(problems))


def _one(rates: list[float | None]) -> float | None:
    """The rate that all files say, None where they differ or one says none."""
    known = [r for r in rates if r]
    return known[0] if len(known) == len(rates) and max(known) <= (1 + ALIKE) * min(known) else None


def _features() -> dict[str, Feature]:
    kinds = {pa.string(): "string", pa.bool_(): "bool", pa.int64(): "int64", pa.float64(): "float64"}
    return {CAMERA: Feature(CAMERA, "video", ()), **{f.name: Feature(f.name, kinds[f.type]) for f in SCHEMA}}


def _rows(files: Files, probes: list[tuple[str, Probe]]) -> tuple[Table, ...]:
    with Spool(files.scratch) as spool:
        for position, (path, probe) in enumerate(probes):
            for batch in _batches(files, path, probe):
                spool.write(MAIN, position, batch)
            spool.close(MAIN, position)
        return spool.tables(MAIN)


def _batches(files: Files, path: str, probe: Probe) -> Iterator[pa.RecordBatch]:
    packets = container.packets(files.local(path))
    for start in range(0, max(1, len(packets)), BATCH):
        part = packets[start : start + BATCH]
        columns = {
            CLOCK: [time_s for time_s, _, _ in part],
            "path": [path] * len(part),
            "codec": [probe.codec] * len(part),
            "width": [probe.width] * len(part),
            "height": [probe.height] * len(part),
            "bytes": [size for _, size, _ in part],
            "key": [key for _, _, key in part],
        }
        yield pa.record_batch(columns, schema=SCHEMA)
