"""Cameras whose pictures are messages: sensor_msgs Image and CompressedImage, and Foxglove's images and video."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from validators.errors import UnreadableDataset
from validators.readers.bags.message import DECODE_ERRORS, Bag, silent
from validators.recording import Camera
from validators.stream import Clock

if TYPE_CHECKING:
    from validators.pictures import Picture
    from validators.pictures.message import Message

TYPES = {"Image", "CompressedImage", "RawImage", "CompressedVideo"}


def shows(kind: str) -> bool:
    """Whether messages of that type are pictures."""
    return kind.replace(".", "/").rpartition("/")[2] in TYPES


@dataclass(frozen=True)
class MessageCamera(Camera):
    """One topic of pictures. `keys`: index of the episode → the topic's keys in its bag; declared values as found."""

    name: str
    bags: Sequence[Bag] = field(repr=False)
    keys: Mapping[int, Collection[int]]
    clock: Clock
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    fps: float | None = None

    @property
    def episodes(self) -> Collection[int]:
        """Indices of the episodes of which messages are here."""
        return self.keys.keys()

    def pictures(self, episode: int) -> Iterator[Picture]:
        """The pictures of one episode as they lie in its file, which is read again."""
        from validators.pictures.message import pictures

        try:
            yield from pictures(self.messages(episode))
        except UnreadableDataset as error:
            if error.path is not None:
                raise
            raise UnreadableDataset(error.kind, f"{self.name}: {error.detail}", path=self.bags[episode].path) from error

    def messages(self, episode: int) -> Iterator[Message]:
        """The bytes of the pictures and their times; what cannot be decoded is told by the stream and left out here."""
        bag = self.bags[episode]
        for raw in bag.read(self.keys[episode], silent):
            decode = bag.topics[raw.topic].decode
            try:
                if decode is not None:
                    yield self._message(decode.whole(raw.data), raw.log_time)
            except (binascii.Error, *DECODE_ERRORS):
                continue

    def _message(self, values: Mapping[str, Any], log_time: int) -> Message:
        from validators.pictures.message import Message

        time = values.get(self.clock.column, log_time)
        data = values["data"]
        return Message(
            time_s=(time - int(self.clock.origin)) / 1e9 if isinstance(time, int) else None,
            data=base64.b64decode(data, validate=True) if isinstance(data, str) else bytes(data),
            format=str(values.get("encoding") or values.get("format") or ""),
            width=int(values.get("width") or 0),
            height=int(values.get("height") or 0),
            step=int(values.get("step") or 0),
        )
