"""Do annotators of the same images agree? Never evaluable with one; it says how to give a second."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from validators.expectations.expectation import Subject
from validators.expectations.labels.annotators import Pair, pairs, shared_marks, units
from validators.expectations.labels.expectation import LabelExpectation, labels_of
from validators.findings import Finding, Judgement, NotEvaluable
from validators.statistics.agreement import Alpha, Array, Codes, bounds, kappa_of
from validators.values import Values


class AgreementExpectation(LabelExpectation):
    """Compares annotators; `match_iou` makes two boxes the same object."""

    def _compared(self, subject: Subject, match_iou: float, least: int) -> tuple[list[Pair], tuple[str, ...]]:
        images, names = shared_marks(labels_of(subject))
        found = [p for p in pairs(images, match_iou) if sum(max(a, b) for a, b, _ in p.made.values()) >= least]
        if not found:
            raise NotEvaluable(f"no two annotators share images with at least {least} marks")
        return found, names

    def _finding(
        self, pair: Pair, message: str, value: float, limit: float, unit: str, interval: tuple[float, float]
    ) -> Finding:
        names = f"{pair.first} and {pair.second}"[:200]
        return Finding(self.check, names, message, value=value, limit=limit, unit=unit, resolves=_said(interval))


def _said(interval: tuple[float, float]) -> str:
    if not all(map(math.isfinite, interval)):
        return "no interval, of one image"
    return f"{interval[0]:.2f} to {interval[1]:.2f} at 95 %, images resampled"


def _between(name: str, low: float, high: float, *values: float) -> None:
    if not all(low <= v <= high for v in values):
        raise ValueError(f"{name} must be from {low:g} to {high:g}")


@dataclass(frozen=True)
class ExpectBoxAgreement(AgreementExpectation):
    """Box agreement of every two annotators: mean IoU of matched boxes, and the share of boxes that have a match.

    Boxes are matched one to one, whatever their class, with an IoU of at least `match_iou` and the largest sum; share
    = 2 m / (a + b). Images in which only one of them marked anything are left out. Unit: IoU, share. Default: IoU 0.7,
    share 0.7, matches from 0.5, at least 20 marks. Source: PASCAL VOC (0.5) and common practice (0.7): conventions.
    Resolves: the 95 % interval of resampled images. Known false alarms: tiny objects, where 2 px cost 0.3 of IoU.
    """

    type: ClassVar[str] = "expect_box_agreement"
    check: ClassVar[str] = "box_agreement"
    iou: float = 0.7
    share: float = 0.7
    match_iou: float = 0.5
    least: int = 20

    def __post_init__(self) -> None:
        _between("iou, share and match_iou", 0.01, 1, self.iou, self.share, self.match_iou)
        _between("least", 1, 1e9, self.least)

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found, _ = self._compared(subject, self.match_iou, self.least)
        findings, notes, observed = [], [], {}
        for pair in found:
            overlap, images = np.array(pair.overlap), np.array(pair.images, dtype=np.int64)
            mean = float(overlap.mean()) if overlap.size else 0.0
            made = np.array(list(pair.made.values()), dtype=np.float64)
            share = _share(made, np.ones(len(made)))
            name = f"{pair.first} and {pair.second}"
            if overlap.size and mean < self.iou:
                message = f"mean IoU of {overlap.size} matched boxes"
                interval = bounds(partial(_mean, overlap), images)
                findings.append(self._finding(pair, message, mean, self.iou, "IoU", interval))
            if share < self.share:
                matches, first, second = (int(n) for n in made[:, [2, 0, 1]].sum(axis=0))
                message = f"{matches} matches of {first} and {second} boxes"
                interval = bounds(partial(_share, made), np.arange(len(made)))
                findings.append(self._finding(pair, message, share, self.share, "share", interval))
            notes.append(f"{name}: mean IoU {mean:.2f}, {share:.0%} matched")
            observed[name] = {"iou": mean, "share": share, "images": len(made)}
        return Judgement(tuple(findings), "; ".join(notes[:4]), observed)


@dataclass(frozen=True)
class ExpectClassKappa(AgreementExpectation):
    """Cohen's kappa of every two annotators: (p_o - p_e) / (1 - p_e) over marks that they share.

    A mark is shared when the boxes match (IoU at least `match_iou`, whatever the class), or when both gave the image
    one tag. Unit: kappa. Default: 0.61, `substantial` (0.81 is `almost perfect`); at least 20 shared marks. Source:
    Cohen, 1960; Landis and Koch, 1977: conventions, not laws. Resolves: the 95 % interval of resampled images.
    Known false alarms: one class far more frequent than all others lowers kappa at the same agreement.
    """

    type: ClassVar[str] = "expect_class_kappa"
    check: ClassVar[str] = "kappa"
    kappa: float = 0.61
    match_iou: float = 0.5
    least: int = 20

    def __post_init__(self) -> None:
        _between("kappa and match_iou", 0.01, 1, self.kappa, self.match_iou)
        _between("least", 1, 1e9, self.least)

    def judge(self, subject: Subject, values: Values) -> Judgement:
        found, names = self._compared(subject, self.match_iou, self.least)
        findings, notes, observed = [], [], {}
        for pair in found:
            if len(pair.classes) < self.least:
                continue
            used, codes = np.unique(np.array(pair.classes, dtype=np.int64), return_inverse=True)
            first, second = codes.reshape(-1, 2).T
            number = len(used)
            value = kappa_of(first, second, number)
            if not math.isfinite(value):
                continue
            interval = bounds(partial(kappa_of, first, second, number), np.array(pair.images))
            name = f"{pair.first} and {pair.second}"
            notes.append(f"{name}: kappa {value:.2f} ({_said(interval)}) of {len(first)} marks")
            observed[name] = {"kappa": value, "interval": list(interval), "marks": len(first)}
            if value < self.kappa:
                confused = _confused(first, second, [names[i] for i in used])
                message = f"kappa of {len(first)} shared marks; most often {confused}"
                findings.append(self._finding(pair, message, value, self.kappa, "kappa", interval))
        if not observed:
            raise NotEvaluable(f"no two annotators share {self.least} marks of more than one class")
        return Judgement(tuple(findings), "; ".join(notes[:4]), observed)


def _mean(values: Array, weights: Array) -> float:
    return float(weights @ values / weights.sum())


def _share(made: Array, weights: Array) -> float:
    """2 m / (a + b) of images [n, 3]: marks of each annotator, matched ones."""
    first, second, both = weights @ made
    return float(2 * both / (first + second))


def _confused(first: Codes, second: Codes, names: list[str]) -> str:
    apart = first != second
    if not apart.any():
        return "nothing confused"
    kinds, counts = np.unique(np.sort(np.stack([first[apart], second[apart]]), axis=0), axis=1, return_counts=True)
    most = int(counts.argmax())
    return f"{names[kinds[0, most]]} against {names[kinds[1, most]]}, {counts[most]} times"


@dataclass(frozen=True)
class ExpectKrippendorffAlpha(AgreementExpectation):
    """Krippendorff's alpha of all annotators together: 1 - D_o / D_e; not all need have marked everything.

    Marks of one object are those whose boxes match (IoU at least `match_iou`) the first annotator's, or the one tag of
    an image. `value` is `category` (nominal), or x, y, w, h, area or a numeric attribute (interval: squared
    differences). Unit: alpha. Default: 0.667, the least for tentative conclusions; 0.8 is customary. Source:
    Krippendorff, Content Analysis, 2004: conventions, not laws. Resolves: the 95 % interval of resampled images.
    Known false alarms: hardly any variation makes alpha low at high agreement; of positions it is high at any.
    """

    type: ClassVar[str] = "expect_krippendorff_alpha"
    check: ClassVar[str] = "alpha"
    alpha: float = 0.667
    value: str = "category"
    match_iou: float = 0.5
    least: int = 20

    def __post_init__(self) -> None:
        _between("alpha and match_iou", 0.01, 1, self.alpha, self.match_iou)
        _between("least", 1, 1e9, self.least)
        if not self.value or not all(c.isalnum() or c in "_- ." for c in self.value):
            raise ValueError("value must be category, x, y, w, h, area or the name of an attribute")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        images, _ = shared_marks(labels_of(subject), self.value)
        rows = [
            (number, unit, rating)
            for number, raters in enumerate(images)
            for unit, rating in units(raters, self.match_iou, nominal=self.value == "category")
            if math.isfinite(rating)
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        number = np.unique(table[:, :2], axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        result = Alpha(table[:, 2], number, "nominal" if self.value == "category" else "interval")
        if len(result.kept) < self.least:
            raise NotEvaluable(
                f"{len(result.kept)} objects have {self.value} from two annotators, {self.least} are needed"
            )
        value = result.value()
        if not math.isfinite(value):
            raise NotEvaluable(
                f"all annotators give the same one {self.value}, so chance cannot be told from agreement"
            )
        clusters = np.zeros(number.max() + 1, dtype=np.int64)
        clusters[number] = table[:, 0].astype(np.int64)
        interval = bounds(result.value, clusters[result.kept])
        raters = sorted({r for found in images for r in found})
        said = f"alpha of {self.value} over {len(result.kept)} objects and {len(raters)} annotators"
        low = Finding(
            self.check,
            ", ".join(raters)[:200],
            said,
            value=value,
            limit=self.alpha,
            unit="alpha",
            resolves=_said(interval),
        )
        return Judgement(
            (low,) if value < self.alpha else (),
            f"{said}: {value:.2f} ({_said(interval)})",
            {"alpha": value, "interval": list(interval)},
        )
