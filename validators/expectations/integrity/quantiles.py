"""Quantiles that a dataset declares of all its rows: are they, or were they averaged over episodes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from validators.errors import UnreadableDataset
from validators.expectations.expectation import Needs, Subject
from validators.expectations.integrity.statistics import Array, OfStatistics
from validators.findings import Finding, Judgement, NotEvaluable
from validators.metrics import Metric, channels, count
from validators.statistics.channels import QUANTILES, Declared
from validators.stream import Feature
from validators.values import Values

JUDGED = ("q01", "q99")  # the quantiles that policies normalise by
BINS = 1e-3  # of the range: five of the 5000 bins by which LeRobot estimates a quantile
Class = Literal["exact", "mean", "envelope", "stale"]


@dataclass(frozen=True)
class ExpectQuantilesOfAllRows(OfStatistics):
    """Quantiles: the declared q01 and q99 of all rows are quantiles of all rows, counted, and classified if not.

    Exact: at most p of the rows lie below q - t and at least p at or below q + t, t being a thousandth of the range
    (LeRobot estimates by 5000 bins), a row more or less. Mean: it is the mean of the episodes' quantiles, weighted by
    rows, a defect, because normalisation then clips what whole episodes do. Envelope: it is the extreme of the
    episodes' quantiles, which covers more and is only noted. Stale: none of these. Unit: share of rows. Default: none.
    Source: LeRobot's aggregate_stats, which takes the mean. Resolves: a thousandth of the range. Known false alarms:
    none for policies that normalise by quantiles; others do not read them, so suites only warn.
    """

    type: ClassVar[str] = "expect_quantiles_of_all_rows"
    check: ClassVar[str] = "quantiles"

    def _judged(self, subject: Subject, declared: Declared) -> tuple[Feature, ...]:
        fitting = {f for f, s in declared.whole.items() if any(q in s for q in JUDGED) and {"min", "max"} <= s.keys()}
        found = self._features(subject, fitting)
        return tuple(
            f for f in found if all(len(v) == f.width for k, v in declared.whole[f.name].items() if k != "count")
        )

    def _slack(self, declared: Declared, feature: Feature) -> Array:
        said = declared.whole[feature.name]
        return np.maximum(BINS * (said["max"] - said["min"]), 1e-6 * np.maximum(1.0, np.abs(said["max"])))

    def _counts(self, subject: Subject, declared: Declared, feature: Feature, name: str) -> list[tuple[Metric, Metric]]:
        """Of each channel: rows below the declared quantile, and rows at or below it, the slack apart."""
        said, slack = declared.whole[feature.name][name], self._slack(declared, feature)
        found = []
        for lift, q, t in zip(channels(subject.stream, feature), said.tolist(), slack.tolist(), strict=True):
            below = count(f"{lift.name} < {q - t!r}", lift.column < q - t, lift)
            found.append((below, count(f"{lift.name} <= {q + t!r}", lift.column <= q + t, lift)))
        return found

    def needs(self, subject: Subject) -> Needs:
        try:
            declared = self._declared(subject)
        except UnreadableDataset as error:
            raise NotEvaluable(f"the statistics cannot be read: {error.detail}") from error
        if not (features := self._judged(subject, declared)):
            raise NotEvaluable("no quantiles of all rows are declared")
        if why := self._whole(subject):
            raise NotEvaluable(why)
        names = [(f, n) for f in features for n in JUDGED if n in declared.whole[f.name]]
        return Needs(tuple(m for f, n in names for pair in self._counts(subject, declared, f, n) for m in pair))

    def judge(self, subject: Subject, values: Values) -> Judgement:
        declared = self._declared(subject)
        findings, classes = [], dict[str, int]()
        for feature in self._judged(subject, declared):
            for name in (n for n in JUDGED if n in declared.whole[feature.name]):
                found, shares = self._classified(subject, declared, feature, name, values)
                for one in found:
                    classes[one] = classes.get(one, 0) + 1
                for kind, message in _SAID.items():
                    at = [i for i, one in enumerate(found) if one == kind]
                    if at:
                        findings.append(self._finding(feature, name, message, at, shares))
        note = ", ".join(f"{number} {kind}" for kind, number in sorted(classes.items()))
        told = f"q01 and q99 of channels: {note}" if set(classes) - {"exact"} else ""
        return Judgement(tuple(findings), told, classes)

    def _classified(
        self, subject: Subject, declared: Declared, feature: Feature, name: str, values: Values
    ) -> tuple[list[Class], Array]:
        """The class of each channel's quantile, and the share of rows at or below it."""
        rows, p = float(values.metrics["rows"].sum()), QUANTILES[name]
        counted = self._counts(subject, declared, feature, name)
        below, upto = (np.array([np.nansum(values[pair[i]]) for pair in counted]) for i in (0, 1))
        q, slack = declared.whole[feature.name][name], self._slack(declared, feature)
        said = [
            (e.length, declared.episodes.get(e.index, {}).get(feature.name, {}).get(name))
            for e in subject.recording.episodes
        ]
        parts = [(n, v) for n, v in said if v is not None and len(v) == feature.width]
        mean = extreme = np.full(feature.width, np.nan)
        if len(parts) == len(said):
            mean = np.average([v for _, v in parts], axis=0, weights=[n for n, _ in parts])
            extreme = (np.min if p < 0.5 else np.max)([v for _, v in parts], axis=0)
        exact = (below <= p * rows + 1) & (upto >= p * rows - 1)
        kinds: list[Class] = [
            "exact" if fits else _kind(*one) for fits, *one in zip(exact, q, mean, extreme, slack, strict=True)
        ]
        return kinds, upto / rows

    def _finding(self, feature: Feature, name: str, message: str, at: list[int], shares: Array) -> Finding:
        p = QUANTILES[name]
        worst = max(at, key=lambda i: abs(float(shares[i]) - p))
        share = float(shares[worst])
        text = f"{name} of {len(at)} of {feature.width} channels {message}; of {feature.label(worst)}"
        text += f" {share:.1%} of the rows are at or below it"
        return Finding(
            self.check,
            feature.name,
            text,
            value=share,
            limit=p,
            unit="of rows",
            resolves=f"{BINS:g} of the range",
        )


_SAID: dict[Class, str] = {
    "mean": "is the mean of the episodes' own, not the quantile of all rows",
    "stale": "is no quantile of the rows that are here",
}


def _kind(quantile: float, mean: float, extreme: float, slack: float) -> Class:
    """What a quantile that is not exact is; mean and extreme are NaN where the episodes declare none."""
    if abs(quantile - mean) <= slack:
        return "mean"
    return "envelope" if abs(quantile - extreme) <= slack else "stale"
