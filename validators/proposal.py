"""A suite proposed from approved data: what of the shipped checks they pass, and the range and noise of their channels.

Nothing is proposed that these data could not be judged on, and each number says from how many episodes it comes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validators import planner, suites
from validators.errors import InvalidSuite
from validators.expectations.expectation import Needs, Subject
from validators.expectations.signal.noise import ExpectNoiseWithin, floors
from validators.expectations.signal.ranges import ExpectChannelsToBeBetween
from validators.expectations.signal.scale import judged
from validators.findings import NotEvaluable, Outcome
from validators.metrics import channels, greatest, least
from validators.recording import CLOCK, Recording
from validators.result import GX_VERSION
from validators.run import run
from validators.stream import Feature, Stream

LEAST_EPISODES = 5
MARGIN = 0.1  # of a channel's range, on both sides
STEADY = 16.0  # greatest over least noise floor of the episodes; what differs more has no reference
SURE = 19  # episodes from which a bound blocks: a like episode passes one with at most 5 %
_NOT_SIGNALS = frozenset({CLOCK, "frame_index", "episode_index", "index", "task_index"})


@dataclasses.dataclass(frozen=True)
class Proposal:
    """`suite` is the document, Great Expectations' JSON; `left_out` says of each check that is not in it why."""

    suite: Mapping[str, Any]
    left_out: tuple[str, ...]
    episodes: int


def propose(recordings: Sequence[Recording], name: str) -> Proposal:
    """A suite named `name` for data like these. Raises `InvalidSuite` when nothing can be said of them."""
    first = recordings[0]
    if any(r.format != first.format for r in recordings):
        raise InvalidSuite("suite-invalid", "the recordings are of different formats; profile each by itself")
    base, _ = suites.for_recording(first)
    ran = [run(r, base).outcomes for r in recordings]
    entries, left_out = [], []
    for place, entry in enumerate(base.entries):
        outcomes = [o[place] for o in ran]
        if why := _unfit(outcomes):
            left_out.append(f"{entry.expectation.check}: {why}")
        else:
            entries.append({**entry.config, "meta": {**entry.config.get("meta", {}), "notes": "shipped threshold"}})
    episodes = sum(len(r.episodes) for r in recordings)
    if episodes < LEAST_EPISODES:
        left_out.append(f"channel_ranges: {episodes} episodes, at least {LEAST_EPISODES} are needed for a range")
    else:
        entries += _ranges(recordings, episodes)
        entries += _noise(recordings, episodes)
    if not entries:
        raise InvalidSuite("suite-invalid", f"nothing can be proposed: {'; '.join(left_out)}")
    meta = {
        "schema": "suite@1",
        "great_expectations_version": GX_VERSION,
        "description": f"proposed from {episodes} approved episodes, on the base of {base.name}",
        "base": {"name": base.name, "digest": base.digest},
        "left_out": left_out,
        "robot_types": sorted({r.facts.robot_type.lower() for r in recordings if r.facts.robot_type}),
    }
    return Proposal({"name": name, "expectations": entries, "meta": meta}, tuple(left_out), episodes)


def _unfit(outcomes: Sequence[Outcome]) -> str:
    """Why a shipped check is not proposed; empty when the data pass it."""
    found = [f for o in outcomes for f in o.findings if f.severity == "blocking"]
    if found:
        return f"these data fail it {len(found)} times ({found[0].message})"
    silent = [o.why for o in outcomes if o.status == "not-evaluable"]
    return f"not evaluable: {silent[0]}" if len(silent) == len(outcomes) else ""


def _alike(recordings: Sequence[Recording]) -> tuple[list[Stream], list[Feature]]:
    """The main stream of each recording, and the vectors that all have alike; none where one has no main stream."""
    streams = [r.main for r in recordings if r.main is not None]
    if len(streams) != len(recordings):
        return [], []
    signals = [f for f in streams[0].features.values() if f.width and f.name not in _NOT_SIGNALS]
    return streams, [f for f in signals if all(s.features.get(f.name, f).width == f.width for s in streams)]


def _ranges(recordings: Sequence[Recording], episodes: int) -> list[dict[str, Any]]:
    """Bounds of every channel of every vector that all recordings have alike."""
    streams, signals = _alike(recordings)
    entries = []
    for feature in signals:
        low, high = _extent(recordings, streams, feature)
        if not np.isfinite(low).all() or not np.isfinite(high).all():
            continue
        margin = MARGIN * (high - low)
        kwargs = {
            "column": feature.name,
            "min_values": [_short(v) for v in low - margin],
            "max_values": [_short(v) for v in high + margin],
        }
        chance = 1 / (episodes + 1)
        notes = (
            f"least and greatest of {episodes} episodes, widened by {MARGIN:.0%} of the range; without the margin a "
        )
        notes += f"like episode passes a bound with at most {chance:.1%}"
        entries.append(
            {
                "type": ExpectChannelsToBeBetween.type,
                "kwargs": kwargs,
                "severity": "critical" if episodes >= SURE else "warning",
                "meta": {"required": True, "notes": notes},
            }
        )
    return entries


def _noise(recordings: Sequence[Recording], episodes: int) -> list[dict[str, Any]]:
    """The noise floor of every channel that trembles alike in all episodes; what rests, grips or swings has none."""
    streams, signals = _alike(recordings)
    entries = []
    for feature in signals:
        try:
            known = [_floors(r, s, feature) for r, s in zip(recordings, streams, strict=True)]
        except NotEvaluable:  # the clock, or a name that reads as another pattern
            continue
        spread, references = 1.0, []
        for channel in zip(*known, strict=True):
            floor = np.concatenate(channel)
            steady = floor.size == episodes and floor.min() > 0 and floor.max() <= STEADY * floor.min()
            references.append(_short(np.median(floor)) if steady else 0.0)
            if steady:
                spread = max(spread, floor.max() / np.median(floor), np.median(floor) / floor.min())
        if any(references):
            factor = max(ExpectNoiseWithin.factor, math.ceil(2 * spread))
            notes = f"median noise of {episodes} episodes, which stay within a factor of {spread:.2g} of it"
            kwargs = {"column": feature.name, "references": references, "factor": factor}
            meta = {"required": True, "notes": notes}
            entries.append({"type": ExpectNoiseWithin.type, "kwargs": kwargs, "severity": "warning", "meta": meta})
    return entries


def _floors(recording: Recording, stream: Stream, feature: Feature) -> list[NDArray[np.float64]]:
    """The noise floor of each channel in each episode that is long enough; of hands and grippers in none."""
    over = judged(Subject(recording, stream), feature.name)
    known = floors(planner.read(stream, len(recording.episodes), []), over)
    return [known[c.label]["floor"].to_numpy() if not c.grips else np.empty(0) for c in over]


def _extent(
    recordings: Sequence[Recording], streams: Sequence[Stream], feature: Feature
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest of each channel over all recordings, NaN where a channel has no value."""
    lows, highs = [], []
    for recording, stream in zip(recordings, streams, strict=True):
        lifts = channels(stream, feature)
        wanted = Needs(tuple(m for lift in lifts for m in (least(lift), greatest(lift))))
        values = planner.read(stream, len(recording.episodes), [wanted])
        lows.append([_best(values[least(lift)], np.min) for lift in lifts])
        highs.append([_best(values[greatest(lift)], np.max) for lift in lifts])
    return np.min(lows, axis=0), np.max(highs, axis=0)


def _best(values: NDArray[np.float64], pick: Any) -> float:
    known = values[~np.isnan(values)]
    return float(pick(known)) if known.size else float("nan")


def _short(value: float) -> float:
    return float(f"{value:.6g}")
