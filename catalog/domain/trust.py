"""What an auditor keeps: whose keys count in a home, and how far its log was at a moment.

Neither proves itself. A trust root is worth what the way is worth on which it was handed over; a head is worth that
somebody outside kept it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Slug, Utc
from catalog.domain.merkle import Consistency
from catalog.domain.principal import Key
from catalog.domain.release import THRESHOLD, DeniedRelease


class TrustRoot(Entity):
    """The keys of one home with their roles and times, and how many approvers a release needs.

    `first_root` is the digest of the first root file of the release repository, which devices are provisioned with.
    """

    schema_: Literal["trust@1"] = Field("trust@1", alias="schema")
    home: Annotated[str, Field(min_length=1, max_length=64)]
    environment: Slug
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=100_000)]
    threshold: Annotated[int, Field(ge=THRESHOLD, le=16)] = THRESHOLD
    first_root: Digest | None
    audit_head: AuditHead
    issued_at: Utc


class LogHead(Entity):
    """The audit head of a home at a time, with everything that is denied, and optionally that it continues another."""

    schema_: Literal["head@1"] = Field("head@1", alias="schema")
    home: Annotated[str, Field(min_length=1, max_length=64)]
    environment: Slug
    head: AuditHead
    at: Utc
    epoch: Count
    denials: tuple[DeniedRelease, ...] = ()
    consistency: Consistency | None = None


class SignedDocument(Entity):
    """A DSSE envelope as a service gives it: a report, a trust root or a head."""

    envelope: dict[str, Any]
