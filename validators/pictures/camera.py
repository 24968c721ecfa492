"""Cameras whose pictures lie in video files: one file an episode, or a time range of a shared one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from validators.files import Files
from validators.pictures import Picture
from validators.recording import Camera


@dataclass(frozen=True)
class Clip:
    """Where an episode's pictures lie: a file, and its range in s of the file's own time (whole without an end)."""

    path: str
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class VideoCamera(Camera):
    """A camera recorded as video. `clips`: index of the episode → where; declared values as the metadata has them."""

    name: str
    files: Files = field(repr=False)
    clips: Mapping[int, Clip]
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    fps: float | None = None

    @property
    def episodes(self) -> Collection[int]:
        """Indices of the episodes whose file is here."""
        return self.clips.keys()

    def pictures(self, episode: int) -> Iterator[Picture]:
        """The pictures of one episode, in order of presentation."""
        raise NotImplementedError
