"""Which JSON files of a dataset are labels: told by their first 64 KiB, never by their names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers import json_stream

LOOKED_AT = 64  # files that are looked at to recognise a format, the outermost first
MAX_DOCUMENTS = 10_000
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def heads(files: Files, suffix: str = ".json", at_most: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file, top-level keys as far as its head goes) of the files that begin with an object, the outermost first."""
    for name in sorted(files.names(suffix), key=lambda n: (n.count("/"), n))[:at_most]:
        with files.open(name) as file:
            found = json_stream.head(file)
        if found is not None:
            yield name, found


def any_is(files: Files, claims: Callable[[dict[str, Any]], bool], suffix: str = ".json") -> bool:
    """Whether one of the outermost files makes the claim."""
    return any(claims(keys) for _, keys in heads(files, suffix, LOOKED_AT))


def all_that(files: Files, claims: Callable[[dict[str, Any]], bool]) -> list[str]:
    """The JSON files that make the claim. Raises `too-large`."""
    number = len(files.names(".json"))
    if number > MAX_DOCUMENTS:
        raise UnreadableDataset("too-large", f"{number} JSON files, at most {MAX_DOCUMENTS}", path=files.where())
    return [name for name, keys in heads(files) if claims(keys)]


class Pictures:
    """The pictures of a dataset, found by the names that labels give them."""

    def __init__(self, files: Files) -> None:
        self._ends: dict[str, list[str]] = {}
        for path in files.names(*PICTURES):
            self._ends.setdefault(path.rpartition("/")[2], []).append(path)

    def find(self, name: str, source: str) -> str | None:
        """The picture that a file of labels names: beside it, else below the root, best in a folder of its name."""
        folder, _, stem = source.rpartition("/")
        same = self._ends.get(name.rpartition("/")[2], [])
        beside = f"{folder}/{name}".removeprefix("/")
        if beside in same:
            return beside
        fitting = [p for p in same if p == name or p.endswith("/" + name)]
        named = [p for p in fitting if p.rpartition("/")[0].rpartition("/")[2] in stem and "/" in p]
        return next(iter(named or fitting), None)
