"""Rows of all topics from one pass over each file, when first wanted; what could not be decoded is told afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from validators.files import Files
from validators.readers.bags.message import DECODE_ERRORS, Bag
from validators.readers.bags.rows import Layout, Rows
from validators.readers.bags.variants import SAMPLE, Names, named
from validators.readers.spool import Decoded, Spool
from validators.recording import Problem


@dataclass(frozen=True)
class Chosen:
    """The streams of one topic by the names in its messages, which the leaf `naming` holds."""

    naming: int | None
    streams: Mapping[Names, str]


@dataclass
class _Lost:
    """Messages of one topic that could not be decoded: how many, from when to when (ns of log time), and why first."""

    why: str
    first: int
    last: int
    number: int = 0


class Decoding(Decoded):
    """`chosen`: for each bag, which of its topics become rows of which stream; `origin` ns of the recording's clock."""

    def __init__(
        self, files: Files, bags: Sequence[Bag], chosen: Sequence[Mapping[int, Chosen]], layouts: Mapping[str, Layout]
    ) -> None:
        super().__init__(files)
        self._bags = bags
        self._chosen = chosen
        self._layouts = layouts

    def decode(self, spool: Spool) -> None:
        """One pass over each bag."""
        for position, (bag, chosen) in enumerate(zip(self._bags, self._chosen, strict=True)):
            self._read(spool, position, bag, chosen)

    def _read(self, spool: Spool, position: int, bag: Bag, chosen: Mapping[int, Chosen]) -> None:
        rows = {stream: Rows(self._layouts[stream]) for own in chosen.values() for stream in own.streams.values()}
        written: set[str] = set()
        lost: dict[int, _Lost] = {}
        seen = dict.fromkeys(chosen, 0)
        said: dict[tuple[str, str], None] = {}
        for raw in bag.read(chosen.keys(), lambda kind, message: said.setdefault((kind, message))):
            topic, own = bag.topics[raw.topic], chosen[raw.topic]
            seen[raw.topic] += 1
            try:
                if topic.decode is None:
                    raise ValueError(topic.why)
                values = topic.decode(raw.data)
                stream = own.streams.get(named(values, own.naming))
                if stream is None:
                    raise ValueError(f"it names other values than the first {SAMPLE} messages")
                rows[stream].add(raw, values)
            except DECODE_ERRORS as error:
                found = lost.setdefault(raw.topic, _Lost(f"{error}"[:200], raw.log_time, raw.log_time))
                found.last, found.number = raw.log_time, found.number + 1
                continue
            if rows[stream].full:
                spool.write(stream, position, rows[stream].take())
                written.add(stream)
        for stream, left in rows.items():
            if len(left):
                spool.write(stream, position, left.take())
                written.add(stream)
            if stream in written:
                spool.close(stream, position)
        self._tell(position, bag, said, lost, seen)

    def _tell(
        self,
        position: int,
        bag: Bag,
        said: Mapping[tuple[str, str], None],
        lost: Mapping[int, _Lost],
        seen: Mapping[int, int],
    ) -> None:
        found = list(said)
        start = bag.start or 0
        for key, loss in lost.items():
            span = f"from {(loss.first - start) / 1e9:.3f} to {(loss.last - start) / 1e9:.3f} s of log time"
            of = f"{loss.number} of {seen[key]} messages of {bag.topics[key].name}"
            found.append(("file-damaged", f"{of} cannot be decoded, {span}; the first: {loss.why}"))
        for key, number in seen.items():
            if number != bag.topics[key].messages:
                name, listed = bag.topics[key].name, bag.topics[key].messages
                found.append(("file-damaged", f"the index lists {listed} messages of {name}, {number} could be read"))
        self._problems += [Problem(kind, bag.path, message, position) for kind, message in found]
