"""Occlusion: a part of the picture that stays unlike a reference, whatever happens in the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from validators.declarations.declaration import NAME
from validators.errors import UnreadableDataset
from validators.expectations.expectation import Subject
from validators.expectations.pictures.expectation import OfPictures, Seen
from validators.findings import Finding, Judgement, NotEvaluable
from validators.pictures import image
from validators.pictures.measures import measure
from validators.recording import Recording

UNLIKE = 40.0  # grey levels between a cell and the reference's
STAYS = 0.9  # of the episode


@dataclass(frozen=True)
class ExpectNoOcclusion(OfPictures):
    """Occlusion: no connected region of at least `share` of the picture stays unlike the camera's reference image.

    Both are thumbnails of 12×16 cells. A cell is unlike when it differs by more than 40 grey levels from the
    reference's, the median difference of all cells taken off first (so that exposure does not count); it stays so
    in 90 % of the episode's pictures (at most 256, evenly spaced). The reference is an image in the dataset, named
    in assay.yaml under cameras.NAME.reference; without one it is not evaluable. Unit: share of the picture.
    Default: 5 %. Source: a cable, a glove or dirt before the lens stays where it is, while the scene moves.
    Resolves: a region of `share` that differs by 40 levels. Known false alarms: a camera that was moved since the
    reference was taken, a robot that is in the reference, and a large object that is not. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_no_occlusion"
    check: ClassVar[str] = "occlusion"
    share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError("share must be between 0 and 1")

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        names = references(subject.recording)
        judged = [one for one in seen if one.camera.name in names]
        known = {name: _thumbnail(subject.recording, names[name]) for name in {one.camera.name for one in judged}}
        if not judged:
            raise NotEvaluable(f"no reference image is declared ({NAME}: cameras.NAME.reference)")
        findings = [f for one in judged for f in self._occluded(one, known[one.camera.name])]
        return Judgement(tuple(findings), f"{len(judged)} of {len(seen)} videos have a reference image")

    def _occluded(self, seen: Seen, reference: NDArray[np.float32]) -> Sequence[Finding]:
        pictures = seen.measures.thumbnails
        if pictures.shape[1:] != reference.shape:
            raise NotEvaluable(f"{seen.camera.name}: the pictures or the reference are smaller than the 12×16 cells")
        difference = pictures - reference
        difference -= np.median(difference, axis=(1, 2), keepdims=True)
        stays = (np.abs(difference) > UNLIKE).mean(axis=0) >= STAYS
        region = largest_region(stays)
        value = float(region.mean())
        if value < self.share:
            return ()
        rows, columns = np.nonzero(region)
        height, width = region.shape
        box = f"rows {rows.min() / height:.0%} to {(rows.max() + 1) / height:.0%} from the top"
        box += f", columns {columns.min() / width:.0%} to {(columns.max() + 1) / width:.0%} from the left"
        finding = Finding(
            self.check,
            seen.camera.name,
            f"a region stays unlike the reference: {box}",
            episode=seen.episode.index,
            start_s=seen.time(0),
            end_s=seen.time(len(seen.measures) - 1),
            value=value,
            limit=self.share,
            unit="of the picture",
            resolves=f"{self.share:.0%} of the picture that differs by {UNLIKE:g} levels",
        )
        return (finding,)


def references(recording: Recording) -> dict[str, str]:
    """Camera → path of its reference image, as declared; empty without a declaration."""
    declared = recording.declaration.cameras if recording.declaration else {}
    return {name: camera.reference for name, camera in declared.items() if camera.reference}


def _thumbnail(recording: Recording, path: str) -> NDArray[np.float32]:
    try:
        thumbnail: NDArray[np.float32] = measure([image.read(recording.files, path)]).thumbnails[0]
    except UnreadableDataset as error:
        raise NotEvaluable(f"the reference image cannot be used: {error}") from error
    return thumbnail


def largest_region(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest set of true cells that touch by an edge; none is an empty set."""
    from scipy import ndimage

    labels, number = ndimage.label(cells)
    if not number:
        return np.zeros_like(cells)
    sizes = np.bincount(labels.ravel())[1:]
    region: NDArray[np.bool_] = labels == 1 + int(sizes.argmax())
    return region
