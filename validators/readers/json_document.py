"""A JSON file that no reader knows: why, with line and column where it is no JSON at all."""

from __future__ import annotations

from typing import NoReturn

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.json_stream import walk

FORMAT = "any other JSON file is refused with the reason"


def recognises(files: Files) -> bool:
    """Whether a single JSON file was given."""
    return files.only is not None and files.only.lower().endswith(".json")


def read(files: Files) -> NoReturn:
    """Reads it to the end, and refuses it: `metadata-invalid` with the place, or `format-unknown` with its keys."""
    name = files.only or ""
    keys = []
    with files.open(name) as file:
        for place, _ in walk(file, files.where(name), lambda p: not p):
            keys += [str(p) for p in place if isinstance(p, str)]
    found = f"its keys are {', '.join(sorted(keys)[:8])}" if keys else "it is a list or a single value"
    detail = f"JSON, but of no format that is known here: {found}; OpenLABEL has openlabel, COCO images and annotations"
    raise UnreadableDataset("format-unknown", detail[:500], path=files.where(name))
