"""Video against its declaration: size, codec, rate, and a picture for every row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from validators.expectations.expectation import Subject
from validators.expectations.pictures.expectation import OfPictures, Seen
from validators.findings import Finding, Judgement, NotEvaluable
from validators.pictures import Probe
from validators.pictures.measured import probed
from validators.pictures.video import codec_name
from validators.recording import MAIN, Camera, Episode
from validators.values import Values


@dataclass(frozen=True)
class ExpectCamerasAsDeclared(OfPictures):
    """Cameras as declared: codec, width, height and rate of every video are those of the metadata; nothing is decoded.

    An encoder's name counts as its codec (libsvtav1 is av1). Unit: pixels, Hz. Default: exact; the rate within
    `tolerance`. Source: LeRobot's info.json, `video.codec`, `video.height`, `video.width`, `video.fps`. Resolves: one
    pixel, the tolerance of the rate. Not evaluable where nothing is declared. Known false alarms: none; a container of
    variable rate should declare none. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_cameras_as_declared"
    check: ClassVar[str] = "camera_declaration"
    decodes: ClassVar[bool] = False
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError("tolerance must be between 0 and 1")

    def judge(self, subject: Subject, values: Values) -> Judgement:
        findings: list[Finding] = []
        found: dict[str, Probe | None] = {}
        judged = 0
        for episode in subject.recording.episodes:
            for camera in subject.recording.cameras.values():
                if episode.index not in camera.episodes or not _declares(camera):
                    continue
                where = camera.where(episode.index)
                if where not in found:
                    found[where] = probed(camera, episode.index)
                if probe := found[where]:
                    judged += 1
                    findings += self._unlike(camera, episode, probe)
        if not judged:
            raise NotEvaluable("no codec, size or rate is declared for a camera whose pictures say theirs")
        return Judgement(tuple(findings), f"{judged} videos compared with what is declared")

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        raise NotImplementedError  # nothing is decoded here

    def _unlike(self, camera: Camera, episode: Episode, probe: Probe) -> Iterator[Finding]:
        if camera.codec is not None and codec_name(camera.codec) != probe.codec:
            yield self._finding(camera, episode, f"codec {probe.codec}, {camera.codec} is declared")
        for name, declared, real in (
            ("wide", camera.width, probe.width),
            ("high", camera.height, probe.height),
        ):
            if declared is not None and declared != real:
                message = f"{real} pixels {name}, {declared} are declared"
                yield self._finding(camera, episode, message, real, declared, "pixels", "one pixel")
        if camera.fps and probe.fps and abs(probe.fps / camera.fps - 1) > self.tolerance:
            message = f"{probe.fps:.6g} frames a second, {camera.fps:.6g} are declared"
            yield self._finding(camera, episode, message, probe.fps, camera.fps, "Hz", f"{self.tolerance:.0%}")

    def _finding(
        self,
        camera: Camera,
        episode: Episode,
        message: str,
        value: float | None = None,
        limit: float | None = None,
        unit: str = "",
        resolves: str = "exact",
    ) -> Finding:
        return Finding(
            self.check, camera.name, message, episode.index, value=value, limit=limit, unit=unit, resolves=resolves
        )


def _declares(camera: Camera) -> bool:
    return any(v is not None for v in (camera.codec, camera.width, camera.height, camera.fps))


@dataclass(frozen=True)
class ExpectAPictureForEveryRow(OfPictures):
    """A picture for every row: as many pictures can be decoded of an episode as it has rows, all of one size.

    Unit: frames. Default: exact. Source: LeRobot pairs picture i with row i, so one that is missing shifts all that
    follow. Resolves: one frame. Not evaluable where the camera is no feature of the rows, because each has its own
    clock (bags, logs). Known false alarms: none. Needs the extra `video`.
    """

    type: ClassVar[str] = "expect_a_picture_for_every_row"
    check: ClassVar[str] = "frame_count"

    def judged(self, subject: Subject, seen: Sequence[Seen]) -> Judgement:
        main = subject.recording.streams.get(MAIN)
        paired = [one for one in seen if main and one.camera.name in main.features]
        if main is None or not paired:
            raise NotEvaluable("pictures and rows have clocks of their own; nothing says that they belong in pairs")
        findings: list[Finding] = []
        for one in paired:
            rows, pictures = main.length(one.position), len(one.measures)
            if rows != pictures:
                message = f"{pictures} pictures for {rows} rows"
                findings.append(self._finding(one, message, pictures, rows, "frames"))
            if len(one.measures.sizes) > 1:
                sizes = ", ".join(f"{w}×{h}" for w, h in one.measures.sizes[:4])
                message = f"{len(one.measures.sizes)} sizes of pictures: {sizes}"
                findings.append(self._finding(one, message, len(one.measures.sizes), 1, "sizes"))
        return Judgement(tuple(findings), f"{len(paired)} videos counted")

    def _finding(self, seen: Seen, message: str, value: float, limit: float, unit: str) -> Finding:
        return Finding(
            self.check,
            seen.camera.name,
            message,
            episode=seen.episode.index,
            value=float(value),
            limit=float(limit),
            unit=unit,
            resolves="one frame",
        )
