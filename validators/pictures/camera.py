"""Cameras: where the pictures of each episode lie, in video files or ranges of them, in image files or in messages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.pictures import MAX_FRAMES, Picture, Probe, image, message, video
from validators.pictures.message import Message
from validators.recording import Camera


@dataclass(frozen=True)
class Clip:
    """Where an episode's pictures lie: a file, and its range [start_s, end_s) of the file's own time.

    Without an end it is the whole file. `origin_s` is the time of its first picture since the recording's origin.
    """

    path: str
    start_s: float = 0.0
    end_s: float | None = None
    origin_s: float = 0.0


@dataclass(frozen=True)
class VideoCamera(Camera):
    """A camera recorded as video. `clips`: index of the episode → where; declared values as the metadata has them."""

    files: Files = field(repr=False)
    clips: Mapping[int, Clip] = field(repr=False)

    @property
    def episodes(self) -> Collection[int]:
        return self.clips.keys()

    def where(self, episode: int) -> str:
        return self.clips[episode].path

    def pictures(self, episode: int) -> Iterator[Picture]:
        return self.decode(episode, 0)

    def decode(self, episode: int, threads: int) -> Iterator[Picture]:
        clip = self.clips[episode]
        path = self.files.local(clip.path)
        if clip.end_s is None:
            yield from video.pictures(path, threads, clip.origin_s)
        else:
            fps = self.fps or self._rate(episode)
            yield from video.between(path, clip.start_s, clip.end_s, fps, threads, clip.origin_s)

    def probe(self, episode: int) -> Probe:
        clip = self.clips[episode]
        found = video.probe(self.files.local(clip.path))
        return found if clip.end_s is None else replace(found, frames=None)

    def _rate(self, episode: int) -> float:
        if not (fps := self.probe(episode).fps):
            detail = "neither the metadata nor the video says its rate, so no episode can be cut out of it"
            raise UnreadableDataset("metadata-invalid", detail, path=self.files.where(self.where(episode)))
        return fps


@dataclass(frozen=True)
class ImageCamera(Camera):
    """A camera recorded as one file a picture. `images`: index of the episode → paths in order.

    `times_s` beside them, since the recording's origin, for the episodes whose times are known.
    """

    files: Files = field(repr=False)
    images: Mapping[int, Sequence[str]] = field(repr=False)
    times_s: Mapping[int, Sequence[float]] = field(default_factory=dict, repr=False)

    @property
    def episodes(self) -> Collection[int]:
        return self.images.keys()

    def where(self, episode: int) -> str:
        names = self.images[episode]
        return names[0] if len(names) == 1 else names[0].rpartition("/")[0] or names[0]

    def pictures(self, episode: int) -> Iterator[Picture]:
        names = self.images[episode]
        if len(names) > MAX_FRAMES:
            raise UnreadableDataset("too-large", f"more than {MAX_FRAMES} images", path=self.files.where(names[0]))
        times: Iterable[float | None] = self.times_s.get(episode) or (None for _ in names)
        for name, time_s in zip(names, times, strict=True):
            yield image.read(self.files, name, time_s)

    def probe(self, episode: int) -> Probe:
        names = self.images[episode]
        return replace(image.probe(self.files, names[0]), frames=len(names))


@dataclass(frozen=True)
class MessageCamera(Camera):
    """A camera whose pictures are messages of a log; `source` gives those of an episode, from any thread.

    `paths`: index of the episode → the file that holds them.
    """

    source: Callable[[int], Iterable[Message]] = field(repr=False)
    paths: Mapping[int, str] = field(repr=False)

    @property
    def episodes(self) -> Collection[int]:
        return self.paths.keys()

    def pictures(self, episode: int) -> Iterator[Picture]:
        try:
            yield from message.pictures(self.source(episode))
        except UnreadableDataset as error:
            if error.path is not None:
                raise
            raise UnreadableDataset(error.kind, f"{self.name}: {error.detail}", path=self.paths[episode]) from error
