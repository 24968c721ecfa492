"""GR00T's `meta/modality.json`: which slices of a vector are which part of the robot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.lerobot import metadata
from validators.recording import Problem
from validators.stream import Feature

FILE = "meta/modality.json"
_KEYS = {"state": "observation.state", "action": "action"}
Slices = dict[str, dict[str, tuple[int, int]]]


def read(files: Files, features: Mapping[str, Feature]) -> tuple[dict[str, Feature], Slices, list[Problem]]:
    """The features with the names that slices give, the slices of each feature, and what is wrong with the file.

    A slice `arm` of channels 0 to 7 names them `arm.0` … `arm.6` where the feature declares no names itself.
    """
    found = dict(features)
    if not files.exists(FILE):
        return found, {}, []
    problems: list[Problem] = []
    slices: Slices = {}
    try:
        for feature, name, start, end in _slices(files):
            if feature not in found or not 0 <= start < end <= found[feature].width:
                width = found[feature].width if feature in found else 0
                message = f"slice {name!r} is {start} to {end} of {feature!r}, which has {width} channels"
                problems.append(Problem("metadata-invalid", FILE, message))
                continue
            slices.setdefault(feature, {})[name] = (start, end)
    except UnreadableDataset as error:
        return found, {}, [Problem(error.kind, FILE, error.detail)]
    for feature, parts in slices.items():
        if not found[feature].names:
            names = list(found[feature].channels())
            for name, (start, end) in parts.items():
                names[start:end] = [name] if end - start == 1 else [f"{name}.{i}" for i in range(end - start)]
            found[feature] = replace(found[feature], names=tuple(names))
    return found, slices, problems


def _slices(files: Files) -> Iterator[tuple[str, str, int, int]]:
    for modality, parts in metadata.document(files, FILE).items():
        for name, part in parts.items() if modality in _KEYS and isinstance(parts, dict) else ():
            start, end = (part.get("start"), part.get("end")) if isinstance(part, dict) else (None, None)
            if not metadata.count(start) or not metadata.count(end):
                raise metadata.invalid(files.where(FILE), f"slice {name!r} needs a start and an end")
            key = part.get("original_key")
            yield key if isinstance(key, str) else _KEYS[modality], str(name), start, end
