"""Makes the profile of approved data: one pass over its streams."""

from __future__ import annotations

from validators import planner
from validators.expectations.expectation import Needs
from validators.origin import one_origin
from validators.profile import Profile
from validators.recording import Recording
from validators.sketches import extents, measured, sessions, unit_of


def of(recording: Recording) -> Profile:
    """The profile of a recording: one pass over its streams. Raises `NotEvaluable` where origins are mixed."""
    origin = one_origin(recording.episodes)
    streams = {name: stream for name, stream in recording.streams.items() if measured(stream)}
    wanted = {n: [Needs(extents(s), tuple(measured(s).values()))] for n, s in streams.items()}
    values = planner.read_all(streams, len(recording.episodes), wanted)
    unit = unit_of(recording)
    sketched = {name: sessions(recording, stream, values[name], unit) for name, stream in streams.items()}
    return Profile(unit, origin, sketched, recording.facts.robot_type, recording.facts.fps)
