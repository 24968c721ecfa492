"""Enrolment: a newcomer's public key, and who may let it in. The newcomer makes the key; nobody else ever holds it.

Devices are enrolled by one approver. Who can let something live, or vouch for what is let live, takes two people: else
one approver could hold the key of an evaluator and approve their own evidence. So does whoever was known before.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Name, Slug, Text, Utc
from catalog.domain.principal import Key, KeyRole, Role

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
KEY_DAYS = 365  # of a person's or a service's key
DEVICE_DAYS = 5 * 365  # of a device's key: nobody drives to the field once a year; revoking it is the control
OPEN_HOURS = 72  # how long a proposal waits for its second signature
WEIGHTY: frozenset[KeyRole] = frozenset({"approver", "root", "release", "report"})  # root keys may enrol these, too
BY_ONE: frozenset[KeyRole] = frozenset({"device"})
ROLES: dict[KeyRole, tuple[Role, ...]] = {
    "steward": ("steward",),
    "evaluator": ("evaluator",),
    "approver": ("approver",),
    "root": ("keeper",),
    "release": ("keeper",),
    "report": ("keeper",),
    "device": ("device",),
}


class DeviceFacts(Entity):
    """What a device is."""

    device_class: Slug
    environment: Slug
    hardware: Name
    site: Name | None = None


class DeviceRequest(Entity):
    """The file that a device writes when it is provisioned."""

    schema_: Literal["enrolment-request@1"] = Field("enrolment-request@1", alias="schema")
    name: Slug
    device_class: Slug
    environment: Slug
    hardware: Name
    site: Name | None = None
    public: Hex
    token_digest: Digest

    def key_request(self) -> KeyRequest:
        """The same, as every newcomer asks."""
        facts = DeviceFacts(
            device_class=self.device_class, environment=self.environment, hardware=self.hardware, site=self.site
        )
        return KeyRequest(
            name=self.name, key_role="device", public=self.public, token_digest=self.token_digest, device=facts
        )


class KeyRequest(Entity):
    """What a newcomer asks for: a name, a key of one role, and the digest of a token that only the newcomer holds."""

    schema_: Literal["key-request@1"] = Field("key-request@1", alias="schema")
    name: Slug
    key_role: KeyRole
    public: Hex
    token_digest: Digest
    device: DeviceFacts | None = None

    @model_validator(mode="after")
    def _device_or_not(self) -> KeyRequest:
        if (self.device is not None) != (self.key_role == "device"):
            raise ValueError("a device's key, and no other, says what the device is")
        return self


class Enrolment(Entity):
    """What an approver signs, whole. Its id and audit head are this catalog's, so that it enrols once and here only."""

    schema_: Literal["enrolment@1"] = Field("enrolment@1", alias="schema")
    id: str
    name: Slug
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    key_role: KeyRole
    public: Hex
    keyid: Hex
    token_digest: Digest
    device: DeviceFacts | None
    known_before: bool
    signatures: Annotated[int, Field(ge=1, le=2)]
    expires_at: Utc
    issued_at: Utc
    open_until: Utc
    epoch: Count
    audit_head: AuditHead


class ProposedEnrolment(Entity):
    """An enrolment as recorded: what was asked for, the document to sign, and when it was done."""

    enrolment: Enrolment
    request: Digest
    proposed_by: Slug
    done_at: Utc | None = None


class EnrolmentView(Entity):
    """An enrolment and who signed it so far."""

    enrolment: Enrolment
    digest_: Digest = Field(alias="digest")
    signed_by: tuple[Slug, ...]
    done_at: Utc | None


class KeyView(Entity):
    """A key, and why it does not count today, if it does not."""

    key: Key
    why_not: Text


class Revocation(Entity):
    """What is signed to revoke a key. A lost key signs nothing more; a compromised one never signed anything."""

    schema_: Literal["revocation@1"] = Field("revocation@1", alias="schema")
    keyid: Hex
    principal: Slug
    compromised: bool
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    by: Slug


class RevokeKey(Entity):
    """Revoke a key; without an envelope only one's own, which may be lost."""

    revocation: Revocation
    envelope: dict[str, object] | None = None


class Revoked(Entity):
    """A revoked key, the releases that were denied with it, and what cannot be done from now on."""

    key: Key
    denied: tuple[str, ...]
    lacking: tuple[Text, ...]
