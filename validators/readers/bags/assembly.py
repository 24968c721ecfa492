"""Bags become one recording: which topic is which stream, whose clock it is judged on, what is declared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from validators.files import Files
from validators.readers.bags.cameras import MessageCamera, shows
from validators.readers.bags.decoding import Decoding
from validators.readers.bags.message import DECODE_ERRORS, Bag, Topic
from validators.readers.bags.rows import LOG_TIME, PUBLISH_TIME, Layout
from validators.readers.bags.sensors import robot, sensors, synchronised
from validators.recording import Camera, Episode, Facts, Problem, Recording
from validators.stream import Clock, Stream

STAMPS = ("header.stamp", "stamp", "timestamp")  # whose time a message itself carries
_DAY = 86_400 * 1_000_000_000


def assembled(files: Files, bags: list[Bag], problems: list[Problem]) -> Recording:
    """A stream of each topic, an episode of each bag, on one clock."""
    held = synchronised(bags)
    published = all(bag.has_publish_time for bag in bags)
    layouts: dict[str, Layout] = {}
    types: dict[str, Topic] = {}
    stamps: dict[str, tuple[str, int]] = {}  # stream → whose stamp it is judged on, and the first
    chosen: list[dict[int, str]] = []
    for position, bag in enumerate(bags):
        mine: dict[int, str] = {}
        for key, topic in bag.topics.items():
            if not topic.messages:
                continue
            found = _layout(topic, published)
            if isinstance(found, str):
                problems.append(
                    Problem("format-unknown", bag.path, f"topic {topic.name} ({topic.type}): {found}", position)
                )
                continue
            layout, stamp = found
            names = (topic.name, f"{topic.name} ({topic.type})", f"{topic.name} ({topic.type}, {bag.path})")
            name = next(n for n in names if n == names[-1] or _fits(types.get(n), layouts.get(n), topic, layout))
            layouts.setdefault(name, layout)
            types.setdefault(name, topic)
            stamps.setdefault(name, stamp)
            mine[key] = name
        chosen.append(mine)
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
        _cameras(bags, chosen, streams, types),
        problems=tuple(problems),
        late=decoding.problems,
    )


def _fits(other: Topic | None, before: Layout | None, topic: Topic, layout: Layout) -> bool:
    """Whether rows of a topic go to the stream that has that name, which may be new."""
    return before is None or other is None or (other.type == topic.type and before.same(layout))


def _layout(topic: Topic, published: bool) -> tuple[Layout, tuple[str, int]] | str:
    """The columns and (whose stamp, the first of it in ns); or why there are none."""
    if topic.decode is None or topic.first is None:
        return topic.why or "its first message cannot be read"
    try:
        values = topic.decode(topic.first.data)
        layout = Layout(topic.decode.leaves, values, published=published)
    except DECODE_ERRORS as error:
        return f"its first message cannot be decoded: {error}"
    for leaf, value in zip(topic.decode.leaves, values, strict=True):
        if leaf.name in STAMPS and leaf.dtype == "time" and value:
            return layout, (leaf.name, value)
    if published and topic.first.publish_time not in (0, topic.first.log_time):
        return layout, (PUBLISH_TIME, topic.first.publish_time)
    return layout, (LOG_TIME, topic.first.log_time)


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
    bags: list[Bag], chosen: list[dict[int, str]], streams: Mapping[str, Stream], types: Mapping[str, Topic]
) -> dict[str, Camera]:
    found: dict[str, Camera] = {}
    for name, stream in streams.items():
        topic = types[name]
        if not shows(topic.type) or stream.clock is None or topic.decode is None or topic.first is None:
            continue
        keys = {i: [k for k, n in mine.items() if n == name] for i, mine in enumerate(chosen)}
        declared: Mapping[str, Any] = topic.decode.whole(topic.first.data)
        width, height = (v if isinstance(v, int) and v else None for v in map(declared.get, ("width", "height")))
        codec = declared.get("format") or declared.get("encoding")
        found[name] = MessageCamera(
            name,
            bags,
            {i: own for i, own in keys.items() if own},
            stream.clock,
            width,
            height,
            codec if isinstance(codec, str) else None,
        )
    return found
