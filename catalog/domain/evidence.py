"""Plans and evidence: the plan is recorded before the first trial, the seeds are drawn after it.

Evidence carries every trial; whatever is counted is counted again by the catalog.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.base import Count, Digest, Entity, Name, Slug, Text, Utc
from catalog.domain.statement import InTotoStatement

EvidenceOrigin = Literal["simulated", "stand-in"]


class Protocol(Entity):
    """How a model is tried; a part of the policy, so a plan cannot choose an easier one."""

    name: Name
    version: Name
    n: Annotated[int, Field(ge=1, le=100_000)]
    sampled: tuple[Name, ...]
    fixed: tuple[Name, ...]
    slices: tuple[Name, ...] = ()
    latency_blocks: Annotated[int, Field(ge=1, le=1000)]
    latency_block_steps: Annotated[int, Field(ge=1, le=10_000)]


class Line(Entity):
    """A model line: attempts on it share one error budget, so an approver enrols its name."""

    name: Slug
    device_class: Slug
    enrolled_by: Slug
    enrolled_at: Utc


class Plan(Entity):
    """What will be tried, said before it is tried; `k` is the attempt of its line, `alpha` what it may use."""

    schema_: Literal["plan@1"] = Field("plan@1", alias="schema")
    id: str
    model: Digest
    model_name: Slug
    device_class: Slug
    environment: Slug
    policy: Digest
    thresholds: dict[str, float]
    protocol: Protocol
    line: Slug
    k: Annotated[int, Field(ge=1)]
    alpha: Annotated[float, Field(gt=0, lt=1)]
    by: Slug
    at: Utc


class PlanWithSeed(Entity):
    """A plan and the 32 random bytes that the catalog drew and recorded after it."""

    plan: Plan
    plan_digest: Digest
    seed: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    def seeds(self) -> list[int]:
        """The n trial seeds, in order: the first 8 bytes of sha256(seed ‖ i), as 63-bit integers."""
        root = bytes.fromhex(self.seed)
        return [
            int.from_bytes(hashlib.sha256(root + i.to_bytes(8, "big")).digest()[:8], "big") >> 1
            for i in range(self.plan.protocol.n)
        ]


class Trial(Entity):
    """One trial of one unit."""

    unit: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    outcome: Literal["success", "failure"]
    distance_m: Annotated[float, Field(ge=0)]
    duration_s: Annotated[float, Field(ge=0)]
    assisted: bool = False
    judge: Name


class LatencyBlock(Entity):
    """One separated block of sensor-to-action times, in milliseconds, in order."""

    load: Literal["idle", "loaded"]
    started_at: Utc
    milliseconds: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1, max_length=10_000)]


class Host(Entity):
    """Where it ran, as captured by the harness."""

    name: Name
    machine: Name
    processor: Text
    cores: Count
    memory_bytes: Count
    system: Text
    python: Name
    load_idle: float
    load_loaded: float
    pacing: Text = ""


class Harness(Entity):
    """What ran the trials; it knows what it is, so origin is not typed."""

    name: Name
    version: Name
    origin: EvidenceOrigin


class Trials(Entity):
    """The predicate of an evidence statement."""

    plan: Digest
    evaluator: Slug
    harness: Harness
    host: Host
    started_at: Utc
    finished_at: Utc
    trials: Annotated[tuple[Trial, ...], Field(max_length=100_000)]
    latency: Annotated[tuple[LatencyBlock, ...], Field(max_length=2000)] = ()
    claimed: dict[str, float] = Field(default_factory=dict)


class Statement(InTotoStatement):
    """An in-toto v1 statement about one model manifest."""

    predicate_type: Literal["urn:assay:predicate:trials@1"] = Field(
        "urn:assay:predicate:trials@1", alias="predicateType"
    )
    predicate: Trials


class Evidence(Entity):
    """Evidence as received: the envelope, what it says, who signed, when it came."""

    id: str
    digest_: Digest = Field(alias="digest")
    model: Digest
    plan: Digest
    keyid: str
    signer: Slug
    envelope: dict[str, Any]
    statement: Statement
    received_at: Utc
    expires_at: Utc
    replayed: int | None = None
