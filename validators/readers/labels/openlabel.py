"""ASAM OpenLABEL 1.0: objects and frames of a sequence, seen by several sensors; one file is one episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.labels import Labels
from validators.readers.columns import unreadable
from validators.readers.labels.cameras import cameras
from validators.readers.labels.fields import Ledger
from validators.readers.labels.json_files import Pictures, all_that, any_is
from validators.readers.labels.openlabel_sequence import Sequence
from validators.readers.spool import Spool
from validators.recording import Facts, Problem, Recording
from validators.stream import Clock, Feature, Stream

FORMAT = "OpenLABEL (JSON with the key openlabel)"
TIME = "timestamp"


def recognises(files: Files) -> bool:
    """Whether one of the JSON files has the key `openlabel` on top, also one that is spelled as JSON5."""
    return any_is(files, _claims) or any_is(files, _claims, ".json5")


def _claims(keys: Mapping[str, Any]) -> bool:
    return "openlabel" in keys


def read(files: Files) -> Recording:
    """Reads every file once, frame by frame. A stream for each sensor holds its stamps, exact to the nanosecond."""
    ledger, pictures = Ledger(), Pictures(files)
    problems = [
        Problem("metadata-invalid", name, "JSON5 is not read (comments, commas at the end); save it as plain JSON")
        for name in files.names(".json5")
    ]
    sequences: list[Sequence] = []
    for name in all_that(files, _claims):
        try:
            origin = sequences[-1].origin if sequences else None
            sequences.append(Sequence(files, name, len(sequences), origin, ledger, pictures))
        except UnreadableDataset as error:
            if error.kind == "path-outside" or files.only:
                raise
            problems.append(unreadable(error, files, name, None))
    if not sequences:
        first = problems[0]
        raise UnreadableDataset(first.kind, first.message, path=files.where(first.path))
    origin = sequences[-1].origin or 0
    labels = Labels(
        annotations=pl.concat([s.annotations for s in sequences]),
        images=pl.concat([s.images for s in sequences]),
        objects=pl.concat([s.objects for s in sequences]),
        annotators=tuple(dict.fromkeys(s.annotator for s in sequences if s.annotator)),
        defects=ledger.defects,
    )
    return Recording(
        "openlabel",
        files,
        Facts(sensors={n: s for q in reversed(sequences) for n, s in q.sensors.items()}),
        tuple(s.episode(i) for i, s in enumerate(sequences)),
        _streams(files, sequences, origin),
        cameras(files, labels.images),
        labels=labels,
        problems=tuple(problems),
    )


def _streams(files: Files, sequences: list[Sequence], origin: int) -> dict[str, Stream]:
    names = list(dict.fromkeys(n for s in sequences for n, stamps in s.stamps.items() if n and stamps))
    with Spool(files.scratch) as spool:
        for position, sequence in enumerate(sequences):
            for name in names:
                if stamps := _distinct(sorted(sequence.stamps.get(name, []))):
                    frames, times = zip(*stamps, strict=True)
                    batch = pa.record_batch({TIME: pa.array(times, pa.int64()), "frame": pa.array(frames, pa.int64())})
                    spool.write(name, position, batch)
                    spool.close(name, position)
    features = {n: Feature(n, "int64") for n in (TIME, "frame")}
    clock = Clock(TIME, "ns", "stamp of the sensor's frame", origin=origin)
    return {n: Stream(n, features, spool.tables(n), clock) for n in names}


def _distinct(stamps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without those that repeat the one before: a sensor slower than the frames lends one scan to several."""
    return [s for i, s in enumerate(stamps) if i == 0 or s[1] != stamps[i - 1][1]]
