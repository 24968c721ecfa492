"""Readers: a folder in, a `Recording` out. The format is found by looking; what cannot be read is refused by name."""

from __future__ import annotations

from pathlib import Path

from validators.errors import UnreadableDataset
from validators.readers import lerobot, parquet
from validators.recording import Recording


def open(path: Path) -> Recording:  # noqa: A001 - the verb of the package: readers.open(path)
    """The recording in the folder `path`: LeRobot v2.1, or Parquet files with a clock column `timestamp` in seconds.

    Raises `UnreadableDataset` when nothing can be judged; a damaged file among good ones is a `Problem` instead.
    """
    if not path.exists():
        raise UnreadableDataset("path-missing", "no such folder", path=path)
    if not path.is_dir():
        raise UnreadableDataset("path-missing", "a folder was expected, this is a file", path=path)
    root = path.resolve(strict=True)
    if lerobot.recognises(root):
        return lerobot.read(root)
    if parquet.recognises(root):
        return parquet.read(root)
    raise UnreadableDataset(
        "format-unknown",
        "neither meta/info.json (LeRobot) nor *.parquet files are here; give the dataset's root",
        path=path,
    )
