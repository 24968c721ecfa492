"""The one truth of a device: what it runs, what it ran before, what it was told, and how late it knows it to be.

`state.json` is replaced as a whole. It never allows anything: what may run follows from the signed documents that it
names by digest. It only remembers what must not be forgotten: time floor, denials, audit head, number of reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from infra.edge.document import (
    Unreadable,
    canonical,
    closed,
    count,
    digest,
    flag,
    mapping,
    moment,
    release_id,
    strict_json,
    text,
    utc_text,
)
from infra.edge.errors import Damaged
from infra.edge.release import Head, head

TIMES = ("requested", "safe_state", "swapped", "healthy", "resumed")
KIND_LIMIT = 64


@dataclass(frozen=True)
class Denials:
    """Everything ever denied, with the reason; nothing is ever taken out."""

    releases: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def why(self, release: str, model: str) -> str | None:
        """The reason this release or this model is denied, or None."""
        return self.releases.get(release, self.models.get(model))


@dataclass(frozen=True)
class State:
    """`current` may be on trial: swapped in, not yet found healthy. `permit` names the signed files by digest."""

    floor: datetime
    current: str | None = None
    previous: str | None = None
    trial: bool = False
    denials: Denials = Denials()
    head: Head | None = None
    epoch: int = 0
    seq: int = 0
    blocked: str = ""
    permit: Mapping[str, str] = field(default_factory=dict)
    unhealthy: Mapping[str, datetime] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)

    def judged(self, clock: datetime) -> datetime:
        """The time that counts: never before what was already seen."""
        return max(clock, self.floor)

    def at_least(self, *times: datetime) -> State:
        """The state with a floor no lower than these times."""
        floor = max(self.floor, *times)
        return self if floor == self.floor else replace(self, floor=floor)

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "schema": "edge-state@1",
            "floor": utc_text(self.floor),
            "current": self.current,
            "previous": self.previous,
            "trial": self.trial,
            "denials": {"releases": dict(self.denials.releases), "models": dict(self.denials.models)},
            "head": self.head.document() if self.head else None,
            "epoch": self.epoch,
            "seq": self.seq,
            "blocked": self.blocked,
            "permit": dict(self.permit),
            "unhealthy": _texts(self.unhealthy),
            "times": _texts(self.times),
        }

    def canonical(self) -> bytes:
        """The bytes on disk."""
        return canonical(self.document())

    @classmethod
    def parse(cls, data: bytes) -> State:
        """From the bytes on disk; raises `Damaged("state-damaged")`, never guesses."""
        try:
            return _state(strict_json(data))
        except Unreadable as error:
            do = "provision this device again into a new home, and find out who wrote to this one"
            raise Damaged("state-damaged", f"state.json: {error}; nothing starts", do) from error


def _texts(times: Mapping[str, datetime]) -> dict[str, str]:
    return {name: utc_text(at) for name, at in times.items()}


def _state(data: Any) -> State:
    d = closed(data, *(one.name for one in fields(State)), schema="edge-state@1")
    denials = closed(d["denials"], "releases", "models")
    if unknown := set(mapping(d["times"], "times")) - set(TIMES):
        raise Unreadable(f"times has {sorted(unknown)[0][:60]!r}")
    return State(
        floor=moment(d["floor"], "floor"),
        current=_release(d["current"], "current"),
        previous=_release(d["previous"], "previous"),
        trial=flag(d["trial"], "trial"),
        denials=Denials(
            {
                text(k, "denials.releases", 200): text(v, k[:60])
                for k, v in mapping(denials["releases"], "denials").items()
            },
            {digest(k, "denials.models"): text(v, k) for k, v in mapping(denials["models"], "denials").items()},
        ),
        head=None if d["head"] is None else head(d["head"]),
        epoch=count(d["epoch"], "epoch"),
        seq=count(d["seq"], "seq"),
        blocked=text(d["blocked"], "blocked", KIND_LIMIT),
        permit={text(k, "permit", 200): digest(v, "permit") for k, v in mapping(d["permit"], "permit").items()},
        unhealthy={
            release_id(k, "unhealthy"): moment(v, "unhealthy") for k, v in mapping(d["unhealthy"], "unhealthy").items()
        },
        times={k: moment(v, f"times.{k}") for k, v in d["times"].items()},
    )


def _release(value: Any, what: str) -> str | None:
    return None if value is None else release_id(value, what)
