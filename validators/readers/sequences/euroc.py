"""EuRoC MAV (ASL): `mav0/SENSOR/data.csv` and `sensor.yaml` in each sequence; stamps are ns, hardware-synchronised.

`sensor.yaml` gives rate, extrinsics (T_BS takes points of the sensor to the body), intrinsics and distortion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from validators.documents import DocumentError, parse_yaml
from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures import image
from validators.readers.sequences import lists
from validators.readers.sequences.assembly import Sequences, scalars
from validators.readers.sequences.lists import nanoseconds
from validators.recording import Recording, Sensor
from validators.stream import Feature

PATH = Feature("path", "string")
FORMAT = "EuRoC MAV (mav0/SENSOR/data.csv)"
DATA, META = "data.csv", "sensor.yaml"
MAX_META = 1 << 20
MAX_SIDE, MAX_RATE = 1 << 16, 100_000
_LIST = re.compile(r"(?:(.*)/)?mav0/([^/]+)/data\.csv")
_NAMED = re.compile(r"(.*?)\s*(?:\[(.*)\])?")
_KEPT = (
    "camera_model",
    "intrinsics",
    "distortion_model",
    "distortion_coefficients",
    "gyroscope_noise_density",
    "gyroscope_random_walk",
    "accelerometer_noise_density",
    "accelerometer_random_walk",
    "comment",
)


def recognises(files: Files) -> bool:
    """Whether there is a folder `mav0` with a sensor in it."""
    return any(_LIST.fullmatch(name) for name in files.names(".csv"))


def read(files: Files) -> Recording:
    """Reads the lists of every sensor; pictures stay where they are."""
    found = Sequences(files, "sensor, ns")
    lists_of = [(name, m[1] or "", m[2]) for name in files.names(".csv") if (m := _LIST.fullmatch(name))]
    folders = sorted({folder for _, folder, _ in lists_of})
    for relative, folder, sensor in lists_of:
        episode = folders.index(folder)
        meta = _meta(found, episode, relative.removesuffix(DATA) + META)
        if known := _sensor(sensor, meta):
            found.sensors.setdefault(sensor, known)
        found.attempt(episode, relative, partial(_list, found, episode, relative, sensor, meta))
    return found.recording("euroc", folders)


def _meta(found: Sequences, episode: int, relative: str) -> Mapping[str, Any]:
    """What `sensor.yaml` says; nothing, and a problem, where it cannot be read."""
    if not found.files.exists(relative):
        return {}
    try:
        text = found.files.text(relative, MAX_META)
        lines = [line for line in text.split("\n") if not line.startswith("%YAML")]
        document = parse_yaml("\n".join(lines))
    except DocumentError as error:
        found.problem("metadata-invalid", relative, str(error), episode)
        return {}
    except UnreadableDataset as error:
        if error.kind == "path-outside":
            raise
        found.problem(error.kind, relative, error.detail, episode)
        return {}
    if not isinstance(document, dict):
        found.problem("metadata-invalid", relative, "a mapping was expected", episode)
        return {}
    return document


def _sensor(name: str, meta: Mapping[str, Any]) -> Sensor | None:
    kind = meta.get("sensor_type")
    if not isinstance(kind, str):
        return None
    calibration = {key: meta[key] for key in _KEPT if key in meta}
    if matrix := _matrix(meta.get("T_BS")):
        calibration |= {
            "T_BS": matrix,
            "parent": "body",
            "rotation": [row[:3] for row in matrix[:3]],
            "translation": [row[3] for row in matrix[:3]],
        }
    return Sensor(name, kind, _rate(meta), calibration)


def _rate(meta: Mapping[str, Any]) -> float | None:
    value = meta.get("rate_hz")
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_RATE
    return float(value) if good and value is not None else None


def _matrix(value: object) -> list[list[float]] | None:
    """T_BS, written as 16 numbers row by row."""
    numbers = value.get("data") if isinstance(value, dict) else None
    if not isinstance(numbers, list) or len(numbers) != 16:
        return None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        return None
    return [[float(n) for n in numbers[i : i + 4]] for i in range(0, 16, 4)]


def _size(meta: Mapping[str, Any]) -> tuple[int, int] | None:
    size = meta.get("resolution")
    if not isinstance(size, list) or len(size) != 2:
        return None
    good = all(isinstance(n, int) and not isinstance(n, bool) and 0 < n <= MAX_SIDE for n in size)
    return (size[0], size[1]) if good else None


def _list(found: Sequences, episode: int, relative: str, sensor: str, meta: Mapping[str, Any]) -> None:
    folder = relative.removesuffix("/" + DATA)
    if meta.get("sensor_type") == "camera" or (not meta and found.files.is_folder(f"{folder}/data")):
        _camera(found, episode, relative, sensor, meta, folder)
        return
    listed = lists.numbers(found.files, relative, None, ",", nanoseconds)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    names, units = _columns(listed.header[1:], listed.numbers.shape[1])
    found.add(sensor, episode, relative, listed.stamps, scalars(listed, names, units), _rate(meta))


def _columns(header: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Names and units of the columns behind the stamp, as `w_RS_S_x [rad s^-1]` has them."""
    if len(header) != width or len({_split(h)[0] for h in header}) != width:
        return [f"value[{i}]" for i in range(width)], [""] * width
    split = [_split(h) for h in header]
    return [name for name, _ in split], [unit for _, unit in split]


def _split(text: str) -> tuple[str, str]:
    match = _NAMED.fullmatch(text)
    return (match[1], match[2] or "") if match else (text, "")


def _camera(found: Sequences, episode: int, relative: str, sensor: str, meta: Mapping[str, Any], folder: str) -> None:
    listed = lists.names(found.files, relative, ",", nanoseconds)
    found.problem("metadata-invalid", relative, listed.bad, episode)
    found.add(
        sensor, episode, relative, listed.stamps, {Feature("path", "string"): pa.array(listed.names)}, _rate(meta)
    )
    found.compared(episode, relative, listed.names, f"{folder}/data", image.SUFFIXES)
    rows = zip(listed.names, listed.stamps.tolist(), strict=True)
    there = [(f"{folder}/data/{n}", at) for n, at in rows if found.files.is_file(f"{folder}/data/{n}")]
    found.images(sensor, episode, there, _size(meta), _rate(meta))
