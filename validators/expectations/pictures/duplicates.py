"""Duplicates: the same pictures in two episodes, or from two cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from validators.expectations.expectation import Subject
from validators.expectations.pictures.expectation import OfPictures, Seen
from validators.findings import Finding, Judgement


@dataclass(frozen=True)
class ExpectPicturesToOccurOnce(OfPictures):
    """Duplicate pictures: of the distinct pictures of an episode at most `share` are also, byte by byte, in one earlier
    episode or in another camera.

    Pictures are compared by a digest of 64 bits over all planes; those of at least `least` are judged. Unit: none, a
    share. Default: half, 10 pictures. Source: episodes copied into a dataset twice, one camera recorded under two
    names. Resolves: `least` identical pictures that are half of the shorter episode. Videos that were encoded anew are
    not claimed. Known false alarms: simulated episodes that begin alike share their first pictures, which is below
    half; one that never moves is not judged. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_pictures_to_occur_once"
    check: ClassVar[str] = "duplicate_pictures"
    share: float = 0.5
    least: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 1 <= self.least <= 1_000_000:
            raise ValueError("share must be between 0 and 1, least 1 to a million")

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        distinct = [np.unique(one.measures.digest) for one in seen]
        judged = [i for i, digests in enumerate(distinct) if digests.size >= self.least]
        findings = tuple(self._shared(seen, [distinct[i] for i in judged], judged)) if judged else ()
        return Judgement(findings, f"{len(judged)} of {len(seen)} videos have {self.least} distinct pictures or more")

    def _shared(self, seen: Sequence[Seen], distinct: Sequence[np.ndarray], judged: Sequence[int]) -> Iterator[Finding]:
        """Each digest counts for the first video that has it; so a copy is told of its original."""
        digests = np.concatenate(distinct)
        owner = np.repeat(np.arange(len(distinct)), [d.size for d in distinct])
        _, first, which = np.unique(digests, return_index=True, return_inverse=True)
        original = owner[first][which]
        later = original != owner
        pairs, counts = np.unique(np.stack([original[later], owner[later]], axis=1), axis=0, return_counts=True)
        for (a, b), number in zip(pairs.tolist(), counts.tolist(), strict=True):
            shorter = min(distinct[a].size, distinct[b].size)
            if number >= self.least and number > self.share * shorter:
                yield self._finding(seen[judged[a]], seen[judged[b]], number, number / shorter)

    def _finding(self, one: Seen, other: Seen, number: int, share: float) -> Finding:
        again = np.flatnonzero(np.isin(other.measures.digest, one.measures.digest))
        where = f"{one.camera.name} of episode {one.episode.index}"
        return Finding(
            self.check,
            other.camera.name,
            f"{number} distinct pictures are those of {where}, byte by byte",
            episode=other.episode.index,
            start_s=other.time(int(again[0])),
            end_s=other.time(int(again[-1])),
            value=share,
            limit=self.share,
            resolves=f"{self.least} pictures",
        )
