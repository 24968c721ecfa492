"""A release: one judged model for one device class, allowed by its approvers, chosen and denied by one online key.

Devices read three documents, all below the release repository's signatures: the release's manifest (under the
approvers' keys), `current/<class>.json` and `denied.json` (under the online key, which can only choose and deny).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Name, Slug, Text, Utc
from catalog.domain.decision import Decision
from catalog.domain.model import ModelFile, ModelManifest

THRESHOLD = 2  # distinct approvers, with distinct keys, that a release needs
DENIED = "denied.json"
State = Literal["proposed", "allowed", "published", "denied"]


class ReleaseManifest(Entity):
    """What a device installs: these files and no other, for this class and environment, by this decision."""

    schema_: Literal["release@1"] = Field("release@1", alias="schema")
    id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    number: Annotated[int, Field(ge=1)]
    device_class: Slug
    environment: Slug
    hardware: Name
    model: Digest
    model_name: Slug
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    decision: Digest
    policy: Digest
    epoch: Count
    audit_head: AuditHead
    issued_at: Utc
    lease_hours: Annotated[int, Field(ge=1, le=24 * 90)]

    @property
    def path(self) -> str:
        """Its target path in the release repository."""
        return f"{self.device_class}/{self.id}.json"

    def custom(self) -> dict[str, Any]:
        """What the signed target itself says, so that it is read without opening the manifest."""
        return {
            "class": self.device_class,
            "environment": self.environment,
            "decision": self.decision,
            "model": self.model,
            "model_name": self.model_name,
            "release": self.id,
        }


class Release(Entity):
    """A release as the catalog keeps it. `role` is the signed part of the class's next role file, exactly as signed."""

    manifest: ReleaseManifest
    role: str
    role_version: Annotated[int, Field(ge=1)]
    proposed_by: Slug
    proposed_at: Utc
    allowed_at: Utc | None = None
    allowed_by: Slug | None = None
    published_at: Utc | None = None


class RoleSignature(Entity):
    """One approver's signature over the role's bytes."""

    keyid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    sig: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class ReleaseSignature(Entity):
    """One approver's act: the decision's envelope and, in the same act, the role that lists the release."""

    release: str
    keyid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    principal: Slug
    envelope: dict[str, Any]
    role: RoleSignature
    at: Utc


class Denial(Entity):
    """A release that nobody may install or start any more, whatever else is signed.

    `published_at` is when devices could first read it; until then it is absent.
    """

    id: str
    release: str
    model: Digest
    reason: Text
    recall: str | None = None
    by: Name
    at: Utc
    audit_seq: Count
    published_at: Utc | None = None


class Choice(Entity):
    """What a class should run, among what is allowed; no release means that none is allowed now."""

    device_class: Slug
    release: str | None
    reason: Text
    by: Name
    requested_at: Utc


class CurrentRelease(Entity):
    """The signed choice with its lease. `fallbacks` are other allowed releases, newest first, under the same lease."""

    schema_: Literal["current@1"] = Field("current@1", alias="schema")
    device_class: Slug
    environment: Slug
    release: str | None
    fallbacks: tuple[str, ...] = ()
    reason: Text
    requested_at: Utc
    issued_at: Utc
    lease_until: Utc
    epoch: Count
    audit_head: AuditHead


class DeniedRelease(Entity):
    """One line of the deny list."""

    release: str
    model: Digest
    reason: Text
    at: Utc


class DenyList(Entity):
    """Everything denied, signed by the online key."""

    schema_: Literal["denied@1"] = Field("denied@1", alias="schema")
    environment: Slug
    releases: tuple[DeniedRelease, ...]
    issued_at: Utc
    epoch: Count
    audit_head: AuditHead


class ReleaseView(Entity):
    """A release with who signed it, whether it is the class's choice, and why it is denied if it is."""

    release: Release
    state: State
    chosen: bool
    signatures: tuple[ReleaseSignature, ...]
    denials: tuple[Denial, ...]
    devices: tuple[Slug, ...]


class Proposal(Entity):
    """What an approver is shown and signs: the decision, its model, the release, and the role's bytes that list it."""

    release: Release
    decision: Decision
    model: ModelManifest
    published_role: dict[str, Any]
    signed_by: tuple[Slug, ...]


class DeviceState(Entity):
    """What one device last said about itself, and what it still has to hear."""

    device: Slug
    release: str | None
    last_seen: Utc | None
    acknowledged: bool
    exposure_until: Utc | None


class Withdrawal(Entity):
    """A withdrawal as published, device by device: acknowledged, or pending with the end of its exposure."""

    denials: tuple[Denial, ...]
    published_at: Utc | None
    devices: tuple[DeviceState, ...]
