"""A dataset, its versions and their recordings: identity is the manifest's digest, never a place or a name.

The manifest travels with the data below `.assay/`; its two tables (episodes, objects) are digested in it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from catalog.domain.base import Commit, Count, Digest, Entity, Name, ObjectPath, Slug, Text, Utc

Kind = Literal["sensor", "field", "synthetic"]
Maker = Literal["simulated", "generated", "reconstructed", "stand-in"]


def repository_of(dataset: str) -> str:
    """The lakeFS repository of a dataset; the prefix keeps it apart from the models' and long enough for lakeFS."""
    return f"data-{dataset}"


class Engine(Entity):
    """The simulator that made synthetic data."""

    name: Name
    version: Name
    scene_digest: Digest
    seed: int
    randomisation: dict[str, Any] = Field(default_factory=dict)


class Terms(Entity):
    """Under which terms the data may be used."""

    licence: Name
    consent: Name
    retention_until: Utc | None = None
    note: Text = ""


class Source(Entity):
    """Where one recording comes from. `origin` is derived by the catalog, never typed by a contributor."""

    kind: Kind
    maker: Maker | None = None
    robot: Name
    rigs: tuple[Name, ...] = ()
    sites: tuple[Name, ...] = ()
    operators: tuple[Name, ...] = ()
    engine: Engine | None = None
    clock: Text = ""
    description: Text = ""

    @model_validator(mode="after")
    def _synthetic_has_a_maker(self) -> Source:
        if (self.kind == "synthetic") != (self.maker is not None):
            raise ValueError("synthetic data names its maker, and no other data has one")
        if self.maker in ("simulated", "stand-in") and self.engine is None:
            raise ValueError(f"{self.maker} data names its engine")
        return self

    @property
    def origin(self) -> str:
        """What this may be called: recordings without an enrolled device are never promoted to real."""
        return self.maker if self.maker else "recorded, origin unverified"


class Provenance(Entity):
    """What a contributor states about one recording when registering it."""

    schema_: Literal["provenance@1"] = Field("provenance@1", alias="schema")
    source: Source
    terms: Terms


class SelectedFrom(Entity):
    """The recording an episode selection was made from, and which of its episodes were kept."""

    manifest: Digest
    root: Slug
    kept: tuple[Count, ...]


class Root(Entity):
    """One complete recording below `<slug>/`, as it was."""

    slug: Slug
    format: Name
    provenance: Provenance
    episodes: Count
    frames: Count
    objects: Count
    bytes: Count
    selected_from: SelectedFrom | None = None


class Manifest(Entity):
    """What a version is: the union of its roots, by digest. Its own digest is the version's identity."""

    schema_: Literal["manifest@1"] = Field("manifest@1", alias="schema")
    dataset: Slug
    roots: Annotated[tuple[Root, ...], Field(min_length=1)]
    parents: tuple[Digest, ...] = ()
    episodes_table: Digest
    objects_table: Digest


class Episode(Entity):
    """One episode of a version: the unit of quarantine, contamination and recall."""

    root: Slug
    index: Count
    fingerprint: Digest
    length: Count
    start_s: float
    end_s: float
    objects: tuple[ObjectPath, ...]
    robot: str = ""
    rig: str = ""
    site: str = ""
    operator: str = ""
    seed: str = ""


class ObjectEntry(Entity):
    """One object of a version; `rows` marks objects that hold episode rows or frames."""

    path: ObjectPath
    size: Count
    sha256: Digest
    store_checksum: str
    digest_origin: Literal["computed-by-service"] = "computed-by-service"
    rows: bool = False


class Location(Entity):
    """Where the bytes of a version are; a copy elsewhere adds one of these and changes nothing else."""

    store: Name
    repository: Name
    branch: Name
    commit: Commit
    metarange: str


class Version(Entity):
    """A version as the catalog records it; approval, quarantine and checks are other records about it."""

    id: str
    dataset: Slug
    ingest: Slug
    manifest_digest: Digest
    manifest: Manifest
    registered_by: Slug
    registered_at: Utc
    rebased_from: Digest | None = None


class Quarantine(Entity):
    """Episodes that may be used for nothing; `episodes` empty means all of the version."""

    id: str
    dataset: Slug
    manifest_digest: Digest
    root: Slug | None
    episodes: tuple[Count, ...]
    fingerprints: tuple[Digest, ...]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    by: Slug
    at: Utc


class Approval(Entity):
    """The record that means "approved"; `main` and the tag are its projections."""

    id: str
    dataset: Slug
    manifest_digest: Digest
    tag: str
    decision: Digest
    candidate: Commit
    head: Commit
    merge_commit: Commit
    by: Slug
    at: Utc
