"""What the first messages of a topic have in common, so that life is not taken for damage.

Several publishers may share a topic, as an arm and its gripper share /joint_states: messages that name their values
otherwise are rows of another stream. A sequence whose length changes is kept as a list, and declared of no width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from validators.readers.bags.message import DECODE_ERRORS, MAX_WIDTH, Bag, Decoder, Leaf, silent

SAMPLE = 24  # first messages of a topic that are looked at
MAX_VARIANTS = 16  # beyond, the names are data like any other
_NAMES = ("name", "names", "joint_names")

Names = tuple[str, ...]


@dataclass
class Variant:
    """Messages that name their values alike: the first one's values, and the leaves whose length changes."""

    first: Sequence[Any]
    unsteady: set[int] = field(default_factory=set)


def naming(leaves: Sequence[Leaf]) -> int | None:
    """The leaf with the names of the values beside it, as JointState has; None where there is none."""
    for i, leaf in enumerate(leaves):
        prefix, _, own = leaf.name.rpartition(".")
        if own in _NAMES and leaf.dtype == "string" and leaf.holds == "sequence":
            beside = (o for o in leaves if o.holds == "sequence" and o.dtype != "string")
            return i if any(o.name.rpartition(".")[0] == prefix for o in beside) else None
    return None


def variants(bag: Bag, key: int, decode: Decoder, first: Sequence[Any]) -> tuple[int | None, Mapping[Names, Variant]]:
    """The naming leaf, and the variants by the names, the first message's first; without one all under ()."""
    sequences = [i for i, leaf in enumerate(decode.leaves) if _counts(leaf) and _length(first[i]) <= MAX_WIDTH]
    at = naming(decode.leaves)
    if not sequences:
        return None, {(): Variant(first)}
    values = [first, *_sampled(bag, key, decode)]
    found = _grouped(values, sequences, at)
    if len(found) > MAX_VARIANTS:
        at, found = None, _grouped(values, sequences, None)
    return at, found


def _counts(leaf: Leaf) -> bool:
    return leaf.holds == "sequence" and leaf.dtype not in ("string", "uint8", "int8")


def _sampled(bag: Bag, key: int, decode: Decoder) -> list[Sequence[Any]]:
    found = []
    for raw in islice(bag.read({key}, silent), SAMPLE):
        try:
            found.append(decode(memoryview(bytes(raw.data))))
        except DECODE_ERRORS:
            continue  # counted when the rows are read
    return found


def _grouped(values: Sequence[Sequence[Any]], sequences: Sequence[int], at: int | None) -> dict[Names, Variant]:
    found: dict[Names, Variant] = {}
    for one in values:
        variant = found.setdefault(named(one, at), Variant(one))
        variant.unsteady |= {i for i in sequences if _length(one[i]) != _length(variant.first[i])}
    return found


def named(values: Sequence[Any], at: int | None) -> Names:
    """The names in a message."""
    return tuple(values[at] or ()) if at is not None else ()


def _length(value: Any) -> int:
    return 0 if value is None else len(value)
