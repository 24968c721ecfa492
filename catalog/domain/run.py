"""A training run: what went in, what was really opened, which code, which environment, what came out.

Assurance rises `declared < observed < reproduced < attested`; this package records up to observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.base import Count, Digest, Entity, Slug, Text, Utc

Assurance = Literal["declared", "observed", "reproduced", "attested"]
NUMERIC = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "NVPL_BLAS_", "NPY_", "POLARS_MAX_THREADS")
"""Beginnings of variables that choose kernels and threads of numeric libraries, and so the last digits of a result."""
ASSURANCES: tuple[Assurance, ...] = ("declared", "observed", "reproduced", "attested")


def numeric(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment on which the last digits of a result depend."""
    return {name: environment[name] for name in sorted(environment) if name.startswith(NUMERIC)}


class Code(Entity):
    """The code that ran: the commit, the difference of the work tree from it, and the command.

    `directory` is where the command ran, below the top of the work tree; None where it ran elsewhere.
    """

    commit: str
    dirty: bool
    difference_digest: Digest | None = None
    difference: Annotated[str, Field(max_length=1_000_000)] = ""
    entry: Text = ""
    command: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    directory: Text | None = None


class OpenedFile(Entity):
    """One file that the training process opened, by digest."""

    path: Text
    size: Count
    sha256: Digest
    input: Digest | None = None


class VersionInput(Entity):
    """An approved version handed out to the run."""

    kind: Literal["version"] = "version"
    dataset: Slug
    manifest_digest: Digest
    tag: str
    commit: str


class FolderInput(Entity):
    """A local folder that the run used; the catalog knows its episodes by their fingerprints."""

    kind: Literal["folder"] = "folder"
    path: Text
    digest_: Digest = Field(alias="digest")
    fingerprints: tuple[Digest, ...]
    objects: tuple[Digest, ...] = ()


Input = Annotated[VersionInput | FolderInput, Field(discriminator="kind")]


class RunStart(Entity):
    """What a job says when it begins."""

    name: Slug
    code: Code
    parameters: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)


class RunEnd(Entity):
    """What the client observed until the run ended."""

    status: Literal["finished", "failed"]
    opened: tuple[OpenedFile, ...] = ()
    observed: bool = False
    metrics: dict[str, float] = Field(default_factory=dict)
    error: Text = ""


class Run(Entity):
    """The record of one training run."""

    id: str
    start: RunStart
    by: Slug
    started_at: Utc
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Digest, ...] = ()
    end: RunEnd | None = None
    ended_at: Utc | None = None

    @property
    def assurance(self) -> Assurance:
        """Observed when the client watched the process to its end, declared otherwise."""
        return "observed" if self.end is not None and self.end.observed else "declared"
