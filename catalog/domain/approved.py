"""What a training job asks for, and what it is given: one approved version, pinned and verified."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from catalog.domain.base import Commit, Digest, Entity, Name, Slug
from catalog.domain.dataset import ObjectEntry, Terms


class Wanted(Entity):
    """What a job asks for: a dataset, and optionally a tag pattern, a kind and a licence."""

    dataset: Slug
    version: Name = "*"
    kind: str | None = None
    licence: str | None = None


class Approved(Entity):
    """The answer: which version, where its verified read-only bytes are, and under which terms."""

    dataset: Slug
    tag: str
    manifest_digest: Digest
    commit: Commit
    folder: str
    roots: tuple[str, ...]
    terms: tuple[Terms, ...]
    objects: Annotated[tuple[ObjectEntry, ...], Field(repr=False)]
