"""Drift: is a session of this recording farther from the approved ones than these are from each other?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from validators.declarations.origin import UNKNOWN, one_origin, session_of
from validators.expectations.expectation import Expectation, Needs, Subject
from validators.findings import Finding, Judgement, NotEvaluable
from validators.profile import BINS, Profile, Session
from validators.robot.kinematics import Array
from validators.sketches import Part, extents, measured, sessions
from validators.values import Values


@dataclass(frozen=True)
class Rank:
    """One session among E approved ones. `p` = (1 + approved at least as far) / (E + 1); distances in spreads.

    `limit`: the distance above which p is at most alpha; `resolves`: a shift of one channel that passes it in 95 % of
    cases, by the approved sessions' own distances; `channel`: position of the farthest channel.
    """

    p: float
    distance: float
    limit: float
    resolves: float
    channel: int


def rank(approved: Array, new: Array, alpha: float, floor: float) -> Rank:
    """The rank rule with the largest distance over channels. `approved` [E, channels, bins], `new` [channels, bins].

    Each of the E + 1 sessions is measured against the mean of the other E, so that under no drift all ranks are equally
    likely: distance = mean over quantiles of |q - mean of the others' q| / spread, spread = the mean range between the
    quartiles of all E + 1 sessions, at least `floor` of the range of all.
    """
    everyone = np.concatenate([approved, new[None]])
    number, _, bins = everyone.shape
    middle = (everyone.sum(axis=0) - everyone) / (number - 1)
    within = np.mean(everyone[..., (3 * bins) // 4] - everyone[..., bins // 4], axis=0)
    spread = np.maximum(within, floor * np.ptp(everyone, axis=(0, 2)))
    apart = np.abs(everyone - middle).mean(axis=2)
    each = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
    far = each.max(axis=1)
    others, own = np.sort(far[:-1])[::-1], float(far[-1])
    p = (1 + int((others >= own).sum())) / number
    limit = float(others[math.floor(alpha * number + 1e-9) - 1])
    usual = float(np.quantile(each[:-1], 0.95, axis=0).max())
    resolves = (limit + usual) * number / (number - 1)
    return Rank(p, own, limit, resolves, int(each[-1].argmax()))


@dataclass(frozen=True)
class ExpectNoDrift(Expectation):
    """Drift: p = (1 + approved sessions at least as far) / (E + 1) of each session, found when it is at most `alpha`.

    Far: the largest distance over channels; a channel's distance is the mean |difference| of 20 quantiles to the mean
    of the other sessions', over the mean range between the quartiles (at least `floor` of the channel's whole range).
    The unit is the session (rig × day), the episode only where sessions do not differ or are not named, never the
    frame. Unit: spreads. Default: alpha 0.05, floor 0.01. Source: conformal prediction; the approved sessions are the
    profile of approved data. PSI has no default: on good data of one rig and task it is about 5 between episodes.
    Resolves: a shift of one channel by the said number of spreads (95 %); below E = 1/alpha - 1 (19 for 5 %, 99 for 1
    %) it is not evaluable. Known false alarms: alpha of the good sessions, by construction: of 20, one; a new task or
    site drifts rightly.
    """

    type: ClassVar[str] = "expect_no_drift"
    check: ClassVar[str] = "drift"
    alpha: float = 0.05
    floor: float = 0.01

    def __post_init__(self) -> None:
        if not 1e-4 <= self.alpha <= 0.5 or not 0 < self.floor <= 1:
            raise ValueError("alpha must be 0.0001 to 0.5, floor above 0 and at most 1")

    @property
    def least(self) -> int:
        """The fewest approved sessions that can give p <= alpha."""
        return math.ceil(1 / self.alpha - 1e-9) - 1

    def needs(self, subject: Subject) -> Needs:
        approved = self._approved(subject)
        if len(approved) < self.least:
            raise NotEvaluable(f"{len(approved)} approved units, {self.least} are needed for alpha {self.alpha:g}")
        if not measured(subject.stream):
            raise NotEvaluable("the stream has no channel of numbers")
        return Needs(extents(subject.stream), tuple(measured(subject.stream).values()))

    def _approved(self, subject: Subject) -> Sequence[Session]:
        reference = subject.reference
        if reference is None:
            raise NotEvaluable("no profile of approved data is given (--profile FILE)")
        origin = one_origin(subject.recording.episodes)
        if origin != reference.origin:
            raise NotEvaluable(f"this recording is {origin}, the profile {reference.origin}: never pooled")
        if subject.stream.name not in reference.streams:
            raise NotEvaluable(f"the profile has no stream {subject.stream.name!r}")
        unnamed = [e.index for e in subject.recording.episodes if session_of(e) is None]
        if reference.unit == "session" and unnamed:
            raise NotEvaluable(f"the profile is of sessions, and episode {unnamed[0]} names no rig and day")
        return reference.streams[subject.stream.name]

    def judge(self, subject: Subject, values: Values) -> Judgement:
        reference = subject.reference
        assert reference is not None
        approved = self._approved(subject)
        found = sessions([Part(subject.recording, subject.stream, values)], reference.unit)
        if not found:
            raise NotEvaluable("no session has enough rows")
        shared = [c for c in approved[0].channels if all(c in s.channels for s in (*approved, *found))]
        if not shared:
            raise NotEvaluable("no channel is in all sessions of the recording and the profile")
        table = _table(approved, shared)
        ranks = {s.name: rank(table, _table([s], shared)[0], self.alpha, self.floor) for s in found}
        findings = [
            self._finding(s, ranks[s.name], shared, len(approved)) for s in found if self._is_far(ranks[s.name])
        ]
        observed = {
            "alpha": self.alpha,
            "bins": BINS,
            "floor": self.floor,
            "n": len(approved),
            "channels": len(shared),
            "profile": reference.digest,
            "p": {name: r.p for name, r in ranks.items()},
        }
        return Judgement(tuple(findings), self._note(reference, ranks, shared, len(approved)), observed)

    def _is_far(self, found: Rank) -> bool:
        return found.p <= self.alpha * (1 + 1e-9)

    def _finding(self, session: Session, found: Rank, channels: Sequence[str], approved: int) -> Finding:
        message = f"{session.name}: p = {found.p:.3g} among {approved} approved, farthest in {channels[found.channel]}"
        return Finding(
            self.check,
            channels[found.channel],
            message,
            episode=session.episodes[0] if len(session.episodes) == 1 else None,
            episodes=session.episodes if len(session.episodes) > 1 else (),
            value=found.distance,
            limit=found.limit,
            unit="spreads",
            resolves=f"a shift of {found.resolves:.2g} spreads (95 %, {approved} approved)",
        )

    def _note(self, reference: Profile, ranks: dict[str, Rank], channels: Sequence[str], approved: int) -> str:
        resolved = max(r.resolves for r in ranks.values())
        note = f"{len(ranks)} {reference.unit}s against {approved} approved, {len(channels)} channels, {BINS} bins"
        note += f", floor {self.floor:g}; resolves a shift of {resolved:.2g} spreads"
        if (expected := self.alpha * len(ranks)) >= 1:
            note += f"; about {expected:.0f} of {len(ranks)} good ones are found by chance"
        if reference.unit == "episode":
            note += "; the unit is the episode: sessions do not differ or are not named"
        if reference.origin == UNKNOWN:
            note += "; origins are not declared"
        return note


def _table(found: Sequence[Session], channels: Sequence[str]) -> Array:
    """Quantiles [sessions, channels, bins]."""
    return np.array([[s.channels[c].quantiles for c in channels] for s in found], dtype=np.float64)
