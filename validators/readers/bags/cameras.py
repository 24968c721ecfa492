"""Pictures in messages: sensor_msgs Image and CompressedImage, and Foxglove's images and video."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from validators.pictures.message import Message
from validators.readers.bags.message import DECODE_ERRORS, Bag, silent
from validators.stream import Clock

TYPES = {"Image", "CompressedImage", "RawImage", "CompressedVideo"}


def shows(kind: str) -> bool:
    """Whether messages of that type are pictures."""
    return kind.replace(".", "/").rpartition("/")[2] in TYPES


def messages(bags: Sequence[Bag], keys: Mapping[int, Collection[int]], clock: Clock, episode: int) -> Iterator[Message]:
    """The pictures of one episode as they lie in its bag, which is read again, under the topic's keys there.

    What cannot be decoded is told by the stream and left out here.
    """
    bag = bags[episode]
    for raw in bag.read(keys[episode], silent):
        decode = bag.topics[raw.topic].decode
        try:
            if decode is not None:
                yield _message(decode.whole(raw.data), raw.log_time, clock)
        except (binascii.Error, *DECODE_ERRORS):
            continue


def _message(values: Mapping[str, Any], log_time: int, clock: Clock) -> Message:
    time = values.get(clock.column, log_time)
    data = values["data"]
    return Message(
        time_s=(time - int(clock.origin)) / 1e9 if isinstance(time, int) else None,
        data=base64.b64decode(data, validate=True) if isinstance(data, str) else bytes(data),
        format=str(values.get("encoding") or values.get("format") or ""),
        width=int(values.get("width") or 0),
        height=int(values.get("height") or 0),
        step=int(values.get("step") or 0),
    )
