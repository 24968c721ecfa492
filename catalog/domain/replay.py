"""A replay: the catalog runs trials again itself, in an order that nobody knew when their table was signed.

The 32 bytes are drawn in the transaction that receives the evidence and never again, so that a replay which is repeated
meets the same trials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from catalog.domain.base import Count, Digest, Entity, Name, Text, Utc, canonical, sha256
from catalog.domain.evidence import Harness

State = Literal["drawn", "done", "failed"]


class Difference(Entity):
    """One trial whose outcome the catalog did not find again."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    said: Literal["success", "failure"]
    found: Literal["success", "failure"]


class Replay(Entity):
    """One replay of one evidence. `returned` are the seeds it could replay, `replayed` those that it did."""

    schema_: Literal["replay@1"] = Field("replay@1", alias="schema")
    evidence: Digest
    protocol: Name
    operation: str
    state: State
    draw: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    drawn_at: Utc
    returned: Count
    replayed: Count = 0
    seeds: Digest | None = None
    differing: Count = 0
    first: Difference | None = None
    harness: Harness | None = None
    host: Text = ""
    why: Text = ""
    at: Utc | None = None

    def order(self, seeds: Iterable[int]) -> list[int]:
        """The seeds in the drawn order: a replay of n of them takes the first n."""
        key = bytes.fromhex(self.draw)
        return sorted(set(seeds), key=lambda seed: hashlib.sha256(key + seed.to_bytes(8, "big")).digest())

    def by_same(self, said: Harness) -> bool:
        """Whether the harness that the evidence names is the one installed here."""
        return self.harness == said

    def against(self, said: Harness) -> str:
        """Why evidence of this harness does not count after this replay, or nothing."""
        if self.state != "done" or self.harness is None:
            return ""
        if not self.by_same(said):
            ours, theirs = (f"{h.name} {h.version} ({h.origin})" for h in (self.harness, said))
            return f"made by harness {theirs}, and protocol {self.protocol} is run here by {ours}"
        if self.first is not None:
            first = f"the first, seed {self.first.seed}, said {self.first.said} and is a {self.first.found}"
            return f"{self.differing} of {self.replayed} replayed trials differ; {first}"
        return ""


def digest_of_seeds(seeds: list[int]) -> Digest:
    """The digest of seeds in the order in which they were replayed."""
    return sha256(canonical(seeds))
