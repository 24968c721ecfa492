"""A profile: how approved data is spread, as quantiles of each channel in each session. Drift is judged against it.

The unit is the session (rig × day), named by the episodes' provenance; the episode only where sessions do not differ or
are not named, which the profile then says. Origins are never pooled.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from validators.documents import DocumentError, canonical, parse_json
from validators.errors import InvalidProfile

SCHEMA = "profile@1"
BINS = 20  # quantiles of a channel, at (k + 1/2) / BINS
MAX_BYTES = 256 << 20
Unit: TypeAlias = Literal["session", "episode"]


@dataclass(frozen=True)
class Sketch:
    """One channel in one session, in its own unit: sampled rows, least and greatest of all rows, `BINS` quantiles."""

    rows: int
    least: float
    greatest: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Session:
    """One unit of approved data in one stream: its episodes' indices, and a sketch of each channel."""

    name: str
    episodes: tuple[int, ...]
    channels: Mapping[str, Sketch]


@dataclass(frozen=True)
class Profile:
    """Immutable. `streams`: stream → its sessions; `origin` of all of them; `robot_type` and `fps` (Hz) as declared."""

    unit: Unit
    origin: str
    streams: Mapping[str, tuple[Session, ...]] = field(repr=False)
    robot_type: str | None = None
    fps: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        streams = {
            stream: [
                {
                    "name": s.name,
                    "episodes": list(s.episodes),
                    "channels": {n: _sketch_dict(c) for n, c in s.channels.items()},
                }
                for s in sessions
            ]
            for stream, sessions in self.streams.items()
        }
        return {
            "schema": SCHEMA,
            "unit": self.unit,
            "origin": self.origin,
            "robot_type": self.robot_type,
            "fps": self.fps,
            "bins": BINS,
            "streams": streams,
        }

    @property
    def digest(self) -> str:
        """sha256 of the canonical document."""
        return "sha256:" + hashlib.sha256(canonical(self.to_dict()).encode()).hexdigest()


def _sketch_dict(sketch: Sketch) -> dict[str, Any]:
    return {
        "rows": sketch.rows,
        "least": sketch.least,
        "greatest": sketch.greatest,
        "quantiles": list(sketch.quantiles),
    }


def load(path: Path | str) -> Profile:
    """The profile in a file. Raises `InvalidProfile`."""
    path = Path(path)
    if not path.is_file():
        raise InvalidProfile("profile-missing", "no such file; make one of approved data", path=path)
    if path.stat().st_size > MAX_BYTES:
        raise InvalidProfile("profile-invalid", f"larger than {MAX_BYTES} bytes", path=path)
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidProfile("profile-invalid", f"no UTF-8 text: {error.reason}", path=path) from error
    except InvalidProfile as error:
        raise InvalidProfile(error.kind, error.detail, path=path) from error


def parse(text: str) -> Profile:
    """The profile in the text of a file, checked whole. Raises `InvalidProfile`."""
    try:
        document = parse_json(text)
    except DocumentError as error:
        raise _invalid(str(error)) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _invalid(f"a document with the schema {SCHEMA} was expected")
    if document.get("bins") != BINS:
        raise _invalid(f"made with {document.get('bins')!r} bins, {BINS} are compared here; make it again")
    unit, origin, streams = document.get("unit"), document.get("origin"), document.get("streams")
    if not isinstance(origin, str) or not isinstance(streams, dict):
        raise _invalid("origin and streams were expected")
    robot_type, fps = document.get("robot_type"), document.get("fps")
    if not isinstance(robot_type, str | None) or not (fps is None or _number(fps)):
        raise _invalid("robot_type is a text and fps a number, or null")
    found = {name: tuple(_session(name, i, s) for i, s in enumerate(_list(name, ss))) for name, ss in streams.items()}
    return Profile(_unit(unit), origin, found, robot_type, None if fps is None else float(fps))


def _unit(given: object) -> Unit:
    match given:
        case "session" | "episode":
            return given
    raise _invalid("unit: session or episode was expected")


def _session(stream: str, position: int, given: object) -> Session:
    where = f"stream {stream!r}, session {position}"
    if not isinstance(given, dict) or given.keys() != {"name", "episodes", "channels"}:
        raise _invalid(f"{where}: name, episodes and channels were expected")
    name, episodes, listed = given["name"], _list(where, given["episodes"]), given["channels"]
    if not isinstance(name, str) or not isinstance(listed, dict):
        raise _invalid(f"{where}: name is a text, channels a mapping")
    if not all(isinstance(e, int) and not isinstance(e, bool) for e in episodes):
        raise _invalid(f"{where}: episodes are indices")
    return Session(name, tuple(episodes), {n: _read_sketch(f"{where}, {n!r}", c) for n, c in listed.items()})


def _read_sketch(where: str, given: object) -> Sketch:
    if not isinstance(given, dict) or given.keys() != {"rows", "least", "greatest", "quantiles"}:
        raise _invalid(f"{where}: rows, least, greatest and quantiles were expected")
    quantiles = _list(where, given["quantiles"])
    numbers = [given["rows"], given["least"], given["greatest"], *quantiles]
    if len(quantiles) != BINS or not all(_number(n) for n in numbers) or sorted(quantiles) != quantiles:
        raise _invalid(f"{where}: {BINS} finite quantiles in order were expected")
    if not isinstance(given["rows"], int) or given["rows"] < BINS:
        raise _invalid(f"{where}: rows is a count of at least {BINS}")
    return Sketch(int(given["rows"]), float(given["least"]), float(given["greatest"]), tuple(map(float, quantiles)))


def _list(where: str, given: object) -> list[Any]:
    if not isinstance(given, list):
        raise _invalid(f"{where}: a list was expected")
    return given


def _number(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )


def _invalid(message: str) -> InvalidProfile:
    return InvalidProfile("profile-invalid", message)
