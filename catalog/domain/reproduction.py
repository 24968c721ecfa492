"""A reproduction: the pinned code of a run was run again on the same inputs, and this is what it made.

An evaluator who is not the run's author signs what came out; the catalog compares it with the registered model itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.approved import Approved
from catalog.domain.base import Digest, Entity, Name, ObjectPath, Slug, Text, Utc
from catalog.domain.model import ModelFile
from catalog.domain.run import Run
from catalog.domain.statement import InTotoStatement

HOST_CLASS = ("machine", "processor", "python", "numeric", "packages_digest")  # of a run's environment


class Probe(Entity):
    """The largest difference between both models' actions on the observations that a seed draws."""

    harness: Name
    version: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    actions: Annotated[int, Field(ge=1, le=10**7)]
    largest: Annotated[float, Field(ge=0)]
    tolerance: Annotated[float, Field(ge=0)]


class Reproduced(Entity):
    """The predicate: which run, with which code, where, and the files that came out."""

    run: str
    evaluator: Slug
    commit: str
    difference_digest: Digest | None
    command: tuple[str, ...]
    environment: dict[str, str]
    started_at: Utc
    finished_at: Utc
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    probe: Probe | None = None


class ReproductionStatement(InTotoStatement):
    """An in-toto v1 statement about one model manifest, of a run that produced it."""

    predicate_type: Literal["urn:assay:predicate:reproduction@1"] = Field(
        "urn:assay:predicate:reproduction@1", alias="predicateType"
    )
    predicate: Reproduced


class Reproduction(Entity):
    """A reproduction as received, and what the catalog found when it compared."""

    schema_: Literal["reproduction@1"] = Field("reproduction@1", alias="schema")
    id: str
    run: str
    model: Digest
    outcome: Literal["matched", "matched-actions", "differs"]
    why: Text
    differing: tuple[ObjectPath, ...] = ()
    keyid: str
    signer: Slug
    envelope: dict[str, Any]
    statement: ReproductionStatement
    received_at: Utc


def same_host_class(run: Run, environment: dict[str, str]) -> bool:
    """Whether digests must agree: the same processor, interpreter, packages and numeric settings."""
    mine = run.start.environment
    return all(name in mine and mine[name] == environment.get(name) for name in HOST_CLASS)


def compared(registered: tuple[ModelFile, ...], reproduced: tuple[ModelFile, ...]) -> tuple[ObjectPath, ...]:
    """The paths of the files that are not byte for byte the same in both, on either side."""
    one, other = ({f.path: f.sha256 for f in files} for files in (registered, reproduced))
    return tuple(sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path)))


class Answers(Entity):
    """What a run that is reproduced is answered instead of by the service; the child's only link to the catalog."""

    schema_: Literal["answers@1"] = Field("answers@1", alias="schema")
    run: Run
    approved: tuple[Approved, ...]
    out: Annotated[str, Field(min_length=1, max_length=4096)]
