"""Mixed units: is a channel, an episode or the action written in degrees where its neighbours are in radians?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import tau
from typing import ClassVar

import numpy as np

from validators.expectations.expectation import ACTION, STATE, Expectation, Needs, Subject, indices
from validators.expectations.robot.pairing import ALIKE, Pair, following, pairs
from validators.expectations.robot.units import extent_metrics, hinge_name
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Lift, channels, greatest, least
from validators.robot.kinematics import Array
from validators.values import Values

FACTOR = 180 / np.pi
NEAR = 2.5  # reaches of good episodes differ by less than this where they do the same task
LEAST_JOINTS = LEAST_EPISODES = 3
AGREE = 0.8  # share of the joints that must shrink alike, so that an arm at rest is none


@dataclass(frozen=True)
class ExpectNoMixedUnits(Expectation):
    """Mixed units: degrees among radians, between state and action, between episodes and between joints.

    State and action: the slope of an action by its joint, about their means, is within `tolerance` of 57.3 or 1/57.3
    and they are correlated (0.8 or more). Episodes: reach (greatest |x|) over the joint's median reach in all episodes;
    up, when its median over joints is 57.3 within a factor 2.5 and passes 2π; down, when 80 % of the joints shrink so,
    in reach and in travel. Joints: one reaches beyond 4π while the others, 3 or more, stay within 2π. Joints are the
    robot model's hinges, else channels named like a joint. Unit: a factor. Default: 25 % of 57.3. Source: 1 rad is 57.3
    degrees. Resolves: one channel of one episode that moves (state and action); one whole episode of 3 or more; one
    joint of 4 or more. One joint in radians among degrees looks like one that hardly moves, and is seen only beside its
    action. Known false alarms: an action normalised to -100..100 over a range of 200 degrees is 57.3 times a state in
    radians; joints of several turns.
    """

    type: ClassVar[str] = "expect_no_mixed_units"
    check: ClassVar[str] = "mixed_units"
    tolerance: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 0.5:
            raise ValueError("tolerance must be above 0 and at most 0.5")

    def needs(self, subject: Subject) -> Needs:
        if not self._joints(subject):
            raise NotEvaluable(f"no channel of {STATE} is a joint, by the robot's model or by its name")
        both = pairs(subject)
        return Needs((*extent_metrics(subject, STATE), *(m for pair in both for m in pair.metrics())))

    def _joints(self, subject: Subject) -> list[tuple[str, Lift]]:
        feature = subject.feature(STATE)
        found = []
        for i, lift in enumerate(channels(subject.stream, feature)):
            label = feature.label(i)
            channel = subject.robot.channel(label) if subject.robot else None
            hinge = subject.robot.joint(channel.joint).motion == "hinge" if subject.robot and channel else None
            if hinge if hinge is not None else hinge_name(label):
                found.append((label, lift))
        return found

    def judge(self, subject: Subject, values: Values) -> Judgement:
        joints = self._joints(subject)
        low, high = (np.stack([values[side(lift)] for _, lift in joints]) for side in (least, greatest))
        reach = np.maximum(-low, high)
        names = {lift.name for _, lift in joints}
        both = [p for p in pairs(subject) if p.state.name in names]
        findings = [f for p in both for f in self._against_action(subject, values, p)]
        findings += self._episodes(subject, reach, high - low)
        findings += self._channels([label for label, _ in joints], reach)
        note = f"{len(joints)} joints compared over {reach.shape[1]} episodes, {len(both)} of them with their action"
        return Judgement(tuple(findings), note)

    def _against_action(self, subject: Subject, values: Values, pair: Pair) -> list[Finding]:
        found = following(pair, values)
        alike, low, high = found.correlation >= ALIKE, 1 - self.tolerance, 1 / (1 - self.tolerance)
        findings = []
        for ratio, wording in (
            (FACTOR, "57 times its joint: degrees against radians"),
            (1 / FACTOR, "1/57 of its joint: radians against degrees"),
        ):
            hit = np.flatnonzero(alike & (found.slope >= low * ratio) & (found.slope <= high * ratio)).tolist()
            if hit:
                episodes = indices(subject, hit)
                findings.append(
                    Finding(
                        self.check,
                        f"{ACTION}.{pair.label}",
                        f"the action is {wording}, in {len(hit)} episode{'s' * (len(hit) > 1)}",
                        episode=episodes[0] if len(hit) == 1 else None,
                        episodes=episodes if len(hit) > 1 else (),
                        value=float(np.median(found.slope[hit])),
                        limit=1.0,
                        unit="times",
                        resolves="one channel of one episode that moves",
                    )
                )
        return findings

    def _episodes(self, subject: Subject, reach: Array, travel: Array) -> list[Finding]:
        findings = []
        for position, factor in mixed_episodes(reach, travel).items():
            episode = subject.recording.episodes[position]
            wording = "degrees among radians" if factor > 1 else "radians among degrees"
            findings.append(
                Finding(
                    self.check,
                    STATE,
                    f"its joints reach {factor:.3g} times as far as in the other episodes: {wording}?",
                    episode=episode.index,
                    start_s=episode.start_s,
                    end_s=episode.end_s,
                    value=factor,
                    limit=FACTOR / NEAR if factor > 1 else NEAR / FACTOR,
                    unit="times",
                    resolves="one whole episode",
                )
            )
        return findings

    def _channels(self, labels: Sequence[str], reach: Array) -> list[Finding]:
        typical = np.nanmedian(reach, axis=1) if reach.size else np.zeros(0)
        far = np.flatnonzero(typical > 2 * tau)
        rest = np.delete(typical, far)
        if not far.size or len(rest) < LEAST_JOINTS or len(rest) < 2 * far.size or rest.max() > tau:
            return []
        return [
            Finding(
                self.check,
                f"{STATE}.{labels[i]}",
                f"reaches {typical[i]:.0f} while {len(rest)} joints stay within 2π: degrees among radians?",
                value=float(typical[i]),
                limit=2 * tau,
                unit="rad",
                resolves="one joint beyond 4π",
            )
            for i in far.tolist()
        ]


def mixed_episodes(reach: Array, travel: Array) -> dict[int, float]:
    """Positions of the episodes whose joints reach 57.3 times as far as usual, or 1/57.3, with that factor.

    `reach`: [joints, episodes], greatest |x|; `travel`, greatest - least; what is usual is the median over three
    episodes or more. An arm at rest near zero reaches little and travels less, and is none.
    """
    if reach.shape[1] < LEAST_EPISODES:
        return {}
    usual, way = np.nanmedian(reach, axis=1), np.nanmedian(travel, axis=1)
    found = {}
    for position, own in enumerate(reach.T):
        moving = (usual > 0) & (way > 0) & np.isfinite(own)
        if moving.sum() < LEAST_JOINTS:
            continue
        ratio, farthest = own[moving] / usual[moving], np.median(usual[moving])
        shrunk = np.stack([ratio, travel[moving, position] / way[moving]]) * FACTOR
        alike = np.all((shrunk >= 1 / NEAR) & (shrunk <= NEAR), axis=0)
        degrees = 1 / NEAR <= np.median(ratio) / FACTOR <= NEAR and np.median(own[moving]) > tau >= farthest
        radians = np.mean(alike) >= AGREE and own[moving].max() <= tau < farthest
        if degrees or radians:
            found[position] = float(np.median(ratio))
    return found
