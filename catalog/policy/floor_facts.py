"""What the floor reads, as the catalog fills it: frozen, typed, and None where nobody established it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from catalog.domain.base import Commit, Count, Digest, Entity, Name, ObjectPath, Slug, Text, Utc
from catalog.domain.run import Assurance

Mode = Literal["single-operator", "separated"]


class InputState(Entity):
    """One input of the training run, and what it is now."""

    name: Name
    digest_: Digest = Field(alias="digest")
    kind: Literal["version", "folder", "file"]
    approved: bool
    why_not: Text = ""


class QuarantinedEpisode(Entity):
    """A quarantined episode that was found, how, and in which input."""

    dataset: Slug
    root: Slug
    index: Count
    found_by: Literal["fingerprint", "object", "ancestry"]
    found_in: Name
    reason: Text


class QuarantineSearch(Entity):
    """A search for quarantined episodes: over how many episodes, and what it found."""

    episodes: Count
    found: tuple[QuarantinedEpisode, ...]


class Ancestor(Entity):
    """A version that the inputs descend from, and what it is now."""

    name: Name
    digest_: Digest = Field(alias="digest")
    approved: bool
    why_not: Text = ""


class AncestrySearch(Entity):
    """A walk over the inputs' ancestry, the inputs among it; `complete` when every parent is known."""

    ancestors: tuple[Ancestor, ...]
    complete: bool


class DigestCheck(Entity):
    """Files whose digest was computed again, and those that were not what they were."""

    verified: Count
    wrong: tuple[ObjectPath, ...] = ()


class FileState(Entity):
    """One file of the model; `why_not` is the answer of `formats.unsafe`, empty where it is safe to load."""

    path: ObjectPath
    why_not: Text = ""


class RecalledNode(Entity):
    """Something that a recall reached: what it is called here, and which recall that was, of what and why."""

    urn: str
    name: Name
    recall: str
    what: Name
    reason: Text


class RecallSearch(Entity):
    """A search for what was recalled: over how many nodes of the lineage, and what it found."""

    nodes: Count
    found: tuple[RecalledNode, ...]


class Overlap(Entity):
    """Something that training and evaluation share."""

    kind: Literal["scene-seed", "fingerprint", "object"]
    value: Text
    training: Name


class OverlapSearch(Entity):
    """What was compared: (scene, seed) pairs, fingerprints and objects on each side."""

    training: Count
    evaluation: Count
    found: tuple[Overlap, ...]


class EvidenceState(Entity):
    """One evidence of the model, and whether it counts today."""

    digest_: Digest = Field(alias="digest")
    signer: Name
    enrolled: bool
    expires_at: Utc
    plan_policy: Digest
    why_not: Text = ""


class Clock(Entity):
    """The wall clock and the time of the last audit entry."""

    wall: Utc
    last_audit: Utc | None

    @property
    def now(self) -> datetime:
        """The time that counts: never before the last audit entry."""
        return max(self.wall, self.last_audit or self.wall)


class ModelFloor(Entity):
    """What the floor reads about a model. `run` is None where nobody recorded how it was fitted."""

    clock: Clock | None
    environment: Slug
    mode: Mode
    device_class: Slug
    policy: Digest | None
    policy_environments: tuple[Slug, ...] = ()
    run: str | None
    run_finished: bool | None = None
    assurance: Assurance | None = None
    assurance_why: Text = ""
    assurance_required: Assurance | None = None
    inputs: tuple[InputState, ...] | None = None
    quarantine: QuarantineSearch | None = None
    recalled: RecallSearch | None = None
    ancestry: AncestrySearch | None = None
    digests: DigestCheck | None = None
    overlap: OverlapSearch | None = None
    evidence: tuple[EvidenceState, ...] = ()
    files: tuple[FileState, ...] = ()


class MainState(Entity):
    """Law 1: the merge base of the candidate and main is main's head, and the catalog decided that head."""

    head: Commit
    merge_base: Commit | None
    head_decided: bool


class DatasetFloor(Entity):
    """What the floor reads about a candidate version of a dataset."""

    clock: Clock | None
    environment: Slug
    mode: Mode
    policy: Digest | None
    policy_environments: tuple[Slug, ...] = ()
    candidate: Commit
    checked: Commit | None = None
    bytes_: DigestCheck | None = Field(None, alias="bytes")
    listing_faults: tuple[Text, ...] | None = None
    main: MainState | None = None
    quarantine: QuarantineSearch | None = None
    recalled: RecallSearch | None = None
    sources: tuple[Name, ...] = ()
    terms: tuple[Name, ...] = ()
    parents_unknown: tuple[Name, ...] | None = None
