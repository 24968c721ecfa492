"""Makes the profile of approved data: one pass over the streams of each recording."""

from __future__ import annotations

from collections.abc import Sequence

from validators import planner
from validators.declarations.origin import one_origin
from validators.expectations.expectation import Needs
from validators.findings import NotEvaluable
from validators.profile import Profile
from validators.recording import Recording
from validators.sketches import Part, extents, measured, sessions, unit_of


def of(recordings: Sequence[Recording]) -> Profile:
    """The profile of some recordings together. Raises `NotEvaluable` where origins are mixed or nothing is measured."""
    origin = one_origin([episode for recording in recordings for episode in recording.episodes])
    parts: dict[str, list[Part]] = {}
    for recording in recordings:
        streams = {name: stream for name, stream in recording.streams.items() if measured(stream)}
        wanted = {n: [Needs(extents(s), tuple(measured(s).values()))] for n, s in streams.items()}
        values = planner.read_all(streams, len(recording.episodes), wanted)
        own = recording.files.name if len(recordings) > 1 else ""
        for name, stream in streams.items():
            parts.setdefault(name, []).append(Part(recording, stream, values[name], own))
    if not parts:
        raise NotEvaluable("no stream has a channel of numbers")
    unit = unit_of(recordings)
    sketched = {name: sessions(members, unit) for name, members in parts.items()}
    facts = recordings[0].facts
    return Profile(unit, origin, sketched, facts.robot_type, facts.fps)
