"""Messages as rows: the leaves of a message's definition are columns, and a decoder gives the values of all leaves."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

MAX_LEAVES = 4096  # columns of one topic
MAX_DEPTH = 32  # of messages within messages
MAX_WIDTH = 128  # channels of a list; what is wider (scans, maps, clouds) is a payload
MAX_TOPICS = 4096
MAX_TIME = 1 << 63  # ns

# What a decoder raises when bytes are not what the definition says; the libraries' own errors derive from these
DECODE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error)

Holds: TypeAlias = Literal["scalar", "array", "sequence"]


@dataclass(frozen=True)
class Leaf:
    """One column of a message. `dtype`: a numpy name, `string`, `time` (int64 ns) or `items` (how many there are).

    An `array` has `width` values in each message; a `sequence` as many as each message says.
    """

    name: str
    dtype: str
    holds: Holds = "scalar"
    width: int = 1


class Decoder(Protocol):
    """The bytes of one message → the values of its leaves, in order. Raises one of `DECODE_ERRORS`.

    Values: int, float, bool, text; for arrays and sequences a tuple, list or numpy array, text joined by commas.
    """

    leaves: tuple[Leaf, ...]

    def __call__(self, data: memoryview) -> Sequence[Any]:
        """The values of the leaves."""

    def whole(self, data: memoryview) -> Mapping[str, Any]:
        """The values by name, where a sequence of messages is a list of such mappings."""


class Raw(NamedTuple):
    """One message as it lies in the file: `topic` is a key of `Bag.topics`; times in ns."""

    topic: int
    log_time: int
    publish_time: int
    data: memoryview


@dataclass
class Topic:
    """One topic of one file. Without a decoder, `why` says what cannot be read. `first` is its first message."""

    name: str
    type: str
    encoding: str
    decode: Decoder | None = None
    why: str = ""
    messages: int = 0
    first: Raw | None = None


Say: TypeAlias = Callable[[str, str], None]  # kind of an `UnreadableDataset`, what is wrong


def silent(kind: str, message: str) -> None:
    """For a first look: what is wrong is said when the rows are read."""


@dataclass
class Bag:
    """What `open` finds out about one file: its topics, its span of log time (ns), and what cannot be read of it."""

    path: str
    format: str
    topics: dict[int, Topic] = field(default_factory=dict)
    start: int | None = None
    end: int | None = None
    tools: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # free metadata of the recorder
    problems: list[tuple[str, str]] = field(default_factory=list)
    has_publish_time: bool = False
    storage: tuple[str, ...] = ()  # the files that hold the messages, where `path` does not

    @property
    def messages(self) -> int:
        """Messages of all topics."""
        return sum(topic.messages for topic in self.topics.values())

    def read(self, wanted: Collection[int], say: Say) -> Iterator[Raw]:
        """The messages of those topics as they lie in the file; damage is said and what follows it is read on."""
        raise NotImplementedError
