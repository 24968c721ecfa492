"""An intent: an act that crosses stores, committed before it begins, so that recovery can finish or abandon it.

The same row is the operation that a client watches.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from catalog.domain.base import Entity, Name, Slug, Text, Utc

State = Literal["running", "done", "failed", "cancelled", "undecided"]


class Problem(Entity):
    """RFC 9457, with where and what to do."""

    type: str
    title: Text
    status: int
    kind: Name
    where: str = ""
    do: str = ""
    extra: dict[str, Any] = Field(default_factory=dict)


class Intent(Entity):
    """One intent or operation: its step is the last one that is known to have completed."""

    id: str
    kind: Name
    by: Slug
    started_at: Utc
    state: State
    step: int
    arguments: dict[str, Any]
    memory: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    problem: Problem | None = None
    ended_at: Utc | None = None


class OperationView(Entity):
    """An intent as a client watches it: how far its present step is, and what that is called."""

    intent: Intent
    fraction: float
    label: str
