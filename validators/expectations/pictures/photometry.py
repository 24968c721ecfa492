"""Photometry: is there light, contrast and focus? Judged by an episode's medians, so that one frame alarms nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from validators.expectations.expectation import Subject
from validators.expectations.pictures.expectation import OfPictures, Seen
from validators.findings import Finding, Judgement, NotEvaluable

FLAT = 20.0  # levels of deviation: a picture of less has no edge to be sharp


class _Photometry(OfPictures):
    """Of every camera that shows light; a depth camera shows distances."""

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        lit = [one for one in seen if not one.camera.depth]
        if seen and not lit:
            raise NotEvaluable("only depth cameras are here; their values are distances, not light")
        findings = [finding for one in lit for finding in self.flaws(one)]
        observed = {f"{one.camera.name} of episode {one.episode.index}": self.observed(one) for one in lit[:100]}
        return Judgement(tuple(findings), f"medians over {len(lit)} videos, in levels of 0 to 255", observed)

    def flaws(self, seen: Seen) -> Iterator[Finding]:
        raise NotImplementedError

    def observed(self, seen: Seen) -> float:
        raise NotImplementedError

    def flaw(
        self, seen: Seen, message: str, of: NDArray[np.float32], limit: float, unit: str, resolves: str, *, above: bool
    ) -> Iterator[Finding]:
        """One finding when the median over the episode is beyond the limit, with the span of frames that are."""
        value = _median(of)
        if not (value > limit if above else value < limit):
            return
        beyond = np.flatnonzero(of > limit if above else of < limit)
        yield Finding(
            self.check,
            seen.camera.name,
            f"{message} in {beyond.size} of {np.isfinite(of).sum()} frames",
            episode=seen.episode.index,
            start_s=seen.time(int(beyond[0])),
            end_s=seen.time(int(beyond[-1])),
            value=value,
            limit=limit,
            unit=unit,
            resolves=resolves,
        )


def _median(values: NDArray[np.float32]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")


@dataclass(frozen=True)
class ExpectExposure(_Photometry):
    """Exposure: the median over the episode of the mean luma is `dark` to `bright`, and of the clipped share at most
    `clipped`. A pixel is clipped at 5 levels or below, or at 250 or above, of 0 to 255.

    Unit: grey levels; the share without one. Default: 50, 205, and half of the picture. Source: lerobot-doctor and
    common practice (mean below 50 dark, above 205 bright). Resolves: 0.3 levels of the mean, a thousandth of the share.
    Known false alarms: night drives, thermal cameras, and simulated scenes on a white or black ground; give those other
    limits. Depth cameras are passed over. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_exposure"
    check: ClassVar[str] = "exposure"
    dark: float = 50.0
    bright: float = 205.0
    clipped: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.dark < self.bright <= 255 or not 0 < self.clipped <= 1:
            raise ValueError("dark must be below bright, both 0 to 255, and clipped above 0 and at most 1")

    def observed(self, seen: Seen) -> float:
        return _median(seen.measures.mean)

    def flaws(self, seen: Seen) -> Iterator[Finding]:
        found, fine = seen.measures, "0.3 levels"
        dark = list(self.flaw(seen, "too dark", found.mean, self.dark, "levels", fine, above=False))
        bright = list(self.flaw(seen, "too bright", found.mean, self.bright, "levels", fine, above=True))
        yield from (*dark, *bright)
        if not dark:  # what is dark is clipped too: said once
            yield from self.flaw(seen, "clipped to black", found.dark, self.clipped, "", "0.1 %", above=True)
        if not bright:
            yield from self.flaw(seen, "clipped to white", found.bright, self.clipped, "", "0.1 %", above=True)


@dataclass(frozen=True)
class ExpectContrast(_Photometry):
    """Contrast: the median over the episode of the standard deviation of the luma is at least `deviation`.

    Unit: grey levels of 0 to 255. Default: 20. Source: common practice (below 20 flat): fog, a covered or dirty lens,
    a wall that fills the picture. Resolves: 0.3 levels. Known false alarms: a camera that looks at one plain surface,
    as at the end of a reach; simulated scenes of few colours. Depth cameras are passed over. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_contrast"
    check: ClassVar[str] = "contrast"
    deviation: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.deviation < 128:
            raise ValueError("deviation must be between 0 and 128")

    def observed(self, seen: Seen) -> float:
        return _median(seen.measures.deviation)

    def flaws(self, seen: Seen) -> Iterator[Finding]:
        yield from self.flaw(seen, "flat", seen.measures.deviation, self.deviation, "levels", "0.3 levels", above=False)


@dataclass(frozen=True)
class ExpectSharpness(_Photometry):
    """Blur: the median over the episode of the sharpness is at least `variance`. The sharpness of a frame is the
    variance of the 4-neighbour Laplacian of the luma, in each of 12×16 cells, at the quantile 0.9 over the cells; every
    fourth frame is looked at.

    Over the whole picture, as it is often computed, the conventional limit of 100 calls both good G1 videos blurred
    (64 and 91): most of a picture is smooth ground. What is in focus anywhere has sharp cells, so only the sharpest
    tenth is judged. Unit: levels². Default: 100. Source: variance of the Laplacian (Pech-Pacheco 2000). Resolves:
    on the G1 (medians 275 and 312) a Gaussian blur of 1 pixel, which gives 37. Known false alarms: scenes without
    an edge; small pictures enlarged before they were recorded; strong compression. A picture that is flat is not
    judged here. Depth cameras are passed over. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_sharpness"
    check: ClassVar[str] = "blur"
    variance: float = 100.0

    def __post_init__(self) -> None:
        if not 0 < self.variance < 1e6:
            raise ValueError("variance must be between 0 and 1e6")

    def observed(self, seen: Seen) -> float:
        return _median(seen.measures.sharpness)

    def flaws(self, seen: Seen) -> Iterator[Finding]:
        if _median(seen.measures.deviation) < FLAT:
            return
        resolves = "a Gaussian blur of 1 pixel on the G1"
        yield from self.flaw(seen, "blurred", seen.measures.sharpness, self.variance, "levels²", resolves, above=False)
