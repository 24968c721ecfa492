"""A declaration laid over what a reader read: it fills what the format leaves open; where they differ is a problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from validators.declarations.declaration import NAME, Declaration, DeclaredCamera, DeclaredClock, DeclaredSensor
from validators.recording import Camera, Facts, Problem, Recording, Sensor
from validators.stream import Clock, Feature, Stream


def applied(recording: Recording, declared: Declaration | None) -> Recording:
    """The recording with the declaration in it. What the files say themselves stays; `Recording.problems` says where
    the two differ, and what the declaration names that is not there."""
    if declared is None:
        return recording
    streams = {name: _stream(stream, recording, declared) for name, stream in recording.streams.items()}
    cameras = {name: _camera(camera, declared.cameras.get(name)) for name, camera in recording.cameras.items()}
    place = declared.where.removeprefix(f"{recording.files.where()}/") if declared.where else NAME
    problems = [Problem("metadata-invalid", place, message) for message in _differences(recording, declared)]
    return replace(
        recording,
        facts=_facts(recording.facts, declared),
        streams=streams,
        cameras=cameras,
        declaration=declared,
        problems=(*recording.problems, *problems),
    )


def _facts(facts: Facts, declared: Declaration) -> Facts:
    return replace(
        facts,
        robot_type=facts.robot_type or declared.robot_type,
        fps=facts.fps or declared.fps,
        kind=facts.kind or declared.kind,
        tasks=facts.tasks or declared.tasks,
        tools={**declared.tools, **facts.tools},
        sensors={**facts.sensors, **{n: _sensor(n, facts.sensors.get(n), s) for n, s in declared.sensors.items()}},
    )


def _sensor(name: str, found: Sensor | None, declared: DeclaredSensor) -> Sensor:
    if found is None:
        return Sensor(name, declared.kind, declared.rate_hz, declared.calibration)
    calibration = {**declared.calibration, **found.calibration}
    return replace(found, rate_hz=found.rate_hz or declared.rate_hz, calibration=calibration)


def _camera(camera: Any, declared: DeclaredCamera | None) -> Camera:
    if declared is not None and is_dataclass(camera) and not isinstance(camera, type):
        own = {f.name for f in fields(camera)} & {"width", "height", "codec", "fps"}
        camera = replace(camera, **{n: getattr(declared, n) for n in own if getattr(camera, n) is None})
    found: Camera = camera
    return found


def _stream(stream: Stream, recording: Recording, declared: Declaration) -> Stream:
    """Units and names of columns, the rate (of the sensor of that name, or of the only stream) and the clock."""
    features = {n: _feature(f, declared) for n, f in stream.features.items()}
    sensor = declared.sensors.get(stream.name)
    rate = sensor.rate_hz if sensor and sensor.rate_hz else declared.fps if stream is recording.main else None
    return replace(stream, features=features, fps=stream.fps or rate, clock=_clock(stream.clock, declared.clock))


def _clock(clock: Clock | None, declared: DeclaredClock | None) -> Clock | None:
    if clock is None or declared is None:
        return clock
    known = clock.synchronised if clock.synchronised != "unknown" else declared.synchronised
    source = declared.source if declared.source and clock.column == declared.column else clock.source
    return replace(clock, synchronised=known, source=source)


def _feature(feature: Feature, declared: Declaration) -> Feature:
    names, units = declared.names.get(feature.name, ()), declared.units.get(feature.name, ())
    if len(units) == 1:
        units *= feature.width
    return replace(
        feature,
        names=feature.names or (names if len(names) == feature.width else ()),
        units=feature.units or (units if len(units) == feature.width else ()),
    )


def _differences(recording: Recording, declared: Declaration) -> Iterator[str]:
    facts = recording.facts
    yield from _differs("fps", facts.fps, declared.fps)
    yield from _differs("robot_type", facts.robot_type, declared.robot_type)
    for name, sensor in declared.sensors.items():
        found = facts.sensors.get(name)
        yield from _differs(f"sensors.{name}.rate_hz", found.rate_hz if found else None, sensor.rate_hz)
        for key in sensor.calibration.keys() & (found.calibration.keys() if found else set()):
            yield from _differs(
                f"sensors.{name}.calibration.{key}", found and found.calibration[key], sensor.calibration[key]
            )
    for name, camera in declared.cameras.items():
        if name not in recording.cameras:
            yield f"cameras.{name}: the files have no such camera; they have {_listed(recording.cameras)}"
            continue
        for key in ("width", "height", "codec", "fps"):
            own, said = getattr(recording.cameras[name], key), getattr(camera, key)
            yield from _differs(f"cameras.{name}.{key}", own, said)
    yield from _columns(recording, declared)


def _columns(recording: Recording, declared: Declaration) -> Iterator[str]:
    """Columns that are named and absent, and names or units that the files contradict."""
    features: dict[str, Feature] = {}
    for stream in recording.streams.values():
        features = {**stream.features, **features}
    clocks = {s.clock.column for s in recording.streams.values() if s.clock}
    if declared.clock and declared.clock.column not in clocks:
        judged = ", ".join(sorted(clocks)) or "none"
        yield f"clock: {declared.clock.column!r} is not used, the format has clocks of its own ({judged})"
    for key, columns in (("units", declared.units), ("names", declared.names)):
        for name, said in columns.items():
            if name not in features:
                yield f"{key}.{name}: no such column; the files have {_listed(features)}"
                continue
            width = features[name].width
            if len(said) != width and not (key == "units" and len(said) == 1):
                yield f"{key}.{name}: {len(said)} are declared, the column has {width} channels"
            elif own := getattr(features[name], key):
                whole = said * width if len(said) == 1 else said
                yield from _differs(f"{key}.{name}", list(own), list(whole))


def _differs(what: str, found: Any, said: Any) -> Iterator[str]:
    if found is not None and said is not None and found != said:
        yield f"{what}: {said!r} is declared, the files say {found!r}"


def _listed(names: Mapping[str, object]) -> str:
    shown = ", ".join(list(names)[:8])
    return f"{shown}, …" if len(names) > 8 else shown or "none"
