"""JSON that no reader knows: why, with line and column where it is no JSON at all."""

from __future__ import annotations

from typing import NoReturn

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.json_stream import walk

FORMAT = "any other JSON file is refused with the reason"
MAX_FILES, MAX_BYTES = 64, 16 << 20  # that are looked through in a folder of no known format


def recognises(files: Files) -> bool:
    """Whether a single JSON file was given, or a folder in which a file named so is no JSON."""
    if files.only is not None:
        return files.only.lower().endswith(".json")
    return bool(_broken(files))


def read(files: Files) -> NoReturn:
    """Refuses it: `metadata-invalid` with the place, or `format-unknown` with the keys of the single file."""
    name = files.only or _broken(files)
    keys = _keys(files, name)
    found = f"its keys are {', '.join(sorted(keys)[:8])}" if keys else "it is a list or a single value"
    detail = f"JSON, but of no format that is known here: {found}; OpenLABEL has openlabel, COCO images and annotations"
    raise UnreadableDataset("format-unknown", detail[:500], path=files.where(name))


def _keys(files: Files, name: str) -> list[str]:
    """The keys at the top, the document read to its end. Raises `metadata-invalid`."""
    with files.open(name) as file:
        places = [place for place, _ in walk(file, files.where(name), lambda p: not p)]
    return [str(p) for place in places for p in place if isinstance(p, str)]


def _broken(files: Files) -> str:
    """The first file of the folder that is named as JSON and is none; empty when there is none."""
    for name in files.names(".json")[:MAX_FILES]:
        if files.size(name) <= MAX_BYTES:
            try:
                _keys(files, name)
            except UnreadableDataset:
                return name
    return ""
