"""A recall: one node of the lineage is not to be trusted, so nothing made from it is, by a path that proves each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from catalog.domain.base import Count, Digest, Entity, Name, Text, Utc
from catalog.domain.release import Withdrawal

Group = Literal["episode", "version", "folder", "run", "model", "evidence", "decision", "release", "device", "other"]


class Hop(Entity):
    """One edge of a path that proves why something is reached."""

    src: str
    dst: str
    kind: Name


class Reached(Entity):
    """One node that a recall reaches, what people call it, and the shortest path to it from where the recall begins.

    Of a long path the first and the last hops are there; `left_out` says how many are not in between.
    """

    urn: str
    group: Group
    label: Text
    path: tuple[Hop, ...]
    left_out: Count = 0
    denied: bool = False


class Reach(Entity):
    """A recall before anything is done: where it begins and all that it reaches.

    `counts` says how many of each group, an episode once in however many versions it lies. `plan` digests what is
    reached, so that what is confirmed is what was shown.
    """

    what: str
    start: tuple[str, ...]
    reached: tuple[Reached, ...]
    counts: dict[str, Count]
    as_of: Utc | None = None
    plan: Digest


class Recall(Entity):
    """A recall that was done."""

    schema_: Literal["recall@1"] = Field("recall@1", alias="schema")
    id: str
    what: str
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    start: tuple[str, ...]
    plan: Digest
    counts: dict[str, Count]
    denied: tuple[str, ...]
    by: Name
    at: Utc
    as_of: Utc | None = None


class RecallView(Entity):
    """A recall, and how far its withdrawal has come on the devices."""

    recall: Recall
    withdrawal: Withdrawal
