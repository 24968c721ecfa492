"""LeRobot datasets, v2.0 to v3.0: `meta/info.json` declares, the other files of `meta/` list; one module a layout."""

from __future__ import annotations

from validators.files import Files
from validators.readers.lerobot import metadata, v21, v30
from validators.recording import Recording

OWN = ("info.json", "episodes.jsonl", "episodes", "tasks.jsonl", "tasks.parquet", "stats.json", "episodes_stats.jsonl")
FORMAT = "LeRobot v2.0, v2.1 or v3.0 (meta/info.json)"


def recognises(files: Files) -> bool:
    """Whether the folder claims to be a LeRobot dataset, readable or not: `meta` holds a file of that name."""
    return any(files.exists(f"meta/{name}") for name in OWN)


def read(files: Files) -> Recording:
    """Reads the metadata, every Parquet footer and the clock."""
    info = metadata.info(files)
    return v30.read(files, info) if info["codebase_version"] == "v3.0" else v21.read(files, info)
