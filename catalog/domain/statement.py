"""What every in-toto v1 statement here is: about exactly one model manifest, named by its sha256."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from catalog.domain.base import Digest, Entity, Name


class SubjectDigest(Entity):
    """in-toto's digest set, sha256 only."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def digest_text(self) -> Digest:
        """As digests are written here, `sha256:…`."""
        return f"sha256:{self.sha256}"


class Subject(Entity):
    """in-toto's resource descriptor: one model manifest."""

    name: Name
    digest_: SubjectDigest = Field(alias="digest")

    @classmethod
    def of_model(cls, name: str, digest: Digest) -> Self:
        """The subject that names this manifest."""
        return cls(name=name, digest_=SubjectDigest(sha256=digest.removeprefix("sha256:")))


class InTotoStatement(Entity):
    """The part that all statements share; each adds its predicate and the predicate's type."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field("https://in-toto.io/Statement/v1", alias="_type")
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=1)]

    @property
    def model(self) -> Digest:
        """The manifest that it is about."""
        return self.subject[0].digest_.digest_text
