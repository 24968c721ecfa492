"""Bags become one recording: which topic is which stream, whose clock it is judged on, what is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from validators.files import Files
from validators.pictures.camera import MessageCamera
from validators.readers.bags.cameras import messages, shows
from validators.readers.bags.decoding import Chosen, Decoding
from validators.readers.bags.message import DECODE_ERRORS, Bag, Leaf, Raw, Topic
from validators.readers.bags.rows import LOG_TIME, PUBLISH_TIME, Layout
from validators.readers.bags.sensors import robot, sensors, synchronised
from validators.readers.bags.variants import Names, variants
from validators.recording import Camera, Episode, Facts, Problem, Recording
from validators.stream import Clock, Stream

STAMPS = ("header.stamp", "stamp", "timestamp")  # whose time a message itself carries
_DAY = 86_400 * 1_000_000_000


def assembled(files: Files, bags: list[Bag], problems: list[Problem]) -> Recording:
    """A stream of each topic, an episode of each bag, on one clock."""
    held = synchronised(bags)
    published = all(bag.has_publish_time for bag in bags)
    known = _Streams(published)
    chosen: list[dict[int, Chosen]] = []
    for position, bag in enumerate(bags):
        mine: dict[int, Chosen] = {}
        for key, topic in bag.topics.items():
            if not topic.messages:
                continue
            try:
                mine[key] = known.chosen(bag, key, topic)
            except DECODE_ERRORS as error:
                why = f"topic {topic.name} ({topic.type}): {error}"
                problems.append(Problem("format-unknown", bag.path, why, position))
        chosen.append(mine)
    layouts, stamps = known.layouts, known.stamps
    origin = _origin(bags, stamps)
    decoding = Decoding(files, bags, chosen, layouts)
    streams = {
        name: Stream(
            name,
            layouts[name].features,
            partial(decoding.tables, name),
            Clock(stamps[name][0], "ns", stamps[name][0], held, origin),
        )
        for name in sorted(layouts)
    }
    tools = {key: value for bag in reversed(bags) for key, value in bag.tools.items()}
    return Recording(
        "+".join(sorted({bag.format for bag in bags})),
        files,
        Facts(robot(bags), sensors=sensors(bags), tools=tools),
        tuple(_episode(i, bag, origin) for i, bag in enumerate(bags)),
        streams,
        _cameras(bags, chosen, streams, known.topics),
        problems=tuple(problems),
        late=decoding.problems,
    )


class _Streams:
    """The streams so far: layout, a topic and whose stamp of each, by name."""

    def __init__(self, published: bool) -> None:
        self.layouts: dict[str, Layout] = {}
        self.topics: dict[str, Topic] = {}
        self.stamps: dict[str, tuple[str, int]] = {}  # whose, and the first in ns
        self._published = published
        self._bases: dict[tuple[str, Names], str] = {}

    def chosen(self, bag: Bag, key: int, topic: Topic) -> Chosen:
        """Where the messages of a topic go. One of `DECODE_ERRORS` says why they are not read."""
        if topic.decode is None or topic.first is None:
            raise ValueError(topic.why or "its first message cannot be read")
        try:
            first = topic.decode(topic.first.data)
        except DECODE_ERRORS as error:
            raise ValueError(f"its first message cannot be decoded: {error}") from error
        naming, found = variants(bag, key, topic.decode, first)
        streams = {}
        for names, variant in found.items():
            layout = Layout(topic.decode.leaves, variant, published=self._published, names=names)
            streams[names] = name = self._name(topic, layout, names, bag.path)
            self.layouts.setdefault(name, layout)
            self.topics.setdefault(name, topic)
            self.stamps.setdefault(name, self._stamp(topic.decode.leaves, first, topic.first))
        return Chosen(naming, streams)

    def _name(self, topic: Topic, layout: Layout, names: Names, path: str) -> str:
        """The topic's name; with what its values are called, its type or its file where that is taken."""
        taken = any(name == topic.name and other != names for name, other in self._bases)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        own = f"{topic.name} [{names[0] if names else 'unnamed'}{more}]" if taken else topic.name
        if (topic.name, names) not in self._bases and own in self._bases.values():
            own = f"{own} #{len(self._bases)}"
        base = self._bases.setdefault((topic.name, names), own)
        choices = (base, f"{base} ({topic.type})", f"{base} ({topic.type}, {path})")
        return next(n for n in choices if n == choices[-1] or self._fits(n, topic, layout))

    def _fits(self, name: str, topic: Topic, layout: Layout) -> bool:
        if name not in self.layouts:
            return True
        return self.topics[name].type == topic.type and self.layouts[name].same(layout)

    def _stamp(self, leaves: Sequence[Leaf], first: Sequence[Any], raw: Raw) -> tuple[str, int]:
        for leaf, value in zip(leaves, first, strict=True):
            if leaf.name in STAMPS and leaf.dtype == "time" and value:
                return leaf.name, value
        if self._published and raw.publish_time not in (0, raw.log_time):
            return PUBLISH_TIME, raw.publish_time
        return LOG_TIME, raw.log_time


def _origin(bags: list[Bag], stamps: Mapping[str, tuple[str, int]]) -> int:
    """ns: when the first file starts; the least stamp where the stamps are of another epoch (a simulator's clock)."""
    start = min((b.start for b in bags if b.start is not None), default=0)
    own = [time for source, time in stamps.values() if source not in (LOG_TIME, PUBLISH_TIME)]
    far = [time for time in own if abs(time - start) > _DAY]
    return min(far) if 2 * len(far) > len(own) else start


def _episode(index: int, bag: Bag, origin: int) -> Episode:
    start, end = ((t - origin) / 1e9 if t is not None else None for t in (bag.start, bag.end))
    return Episode(index, (bag.path, *bag.storage), bag.messages, start, end)


def _cameras(
    bags: list[Bag], chosen: list[dict[int, Chosen]], streams: Mapping[str, Stream], types: Mapping[str, Topic]
) -> dict[str, Camera]:
    found: dict[str, Camera] = {}
    for name, stream in streams.items():
        topic = types[name]
        if not shows(topic.type) or stream.clock is None or topic.decode is None or topic.first is None:
            continue
        keys = {i: [k for k, own in mine.items() if name in own.streams.values()] for i, mine in enumerate(chosen)}
        declared: Mapping[str, Any] = topic.decode.whole(topic.first.data)
        width, height = (v if isinstance(v, int) and v else None for v in map(declared.get, ("width", "height")))
        codec = declared.get("format") or declared.get("encoding")
        found[name] = MessageCamera(
            name,
            partial(messages, bags, keys, stream.clock),
            {i: bags[i].path for i, own in keys.items() if own},
            width=width,
            height=height,
            codec=codec if isinstance(codec, str) else None,
        )
    return found
