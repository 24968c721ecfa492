"""A change of the keys that devices trust: what holds, what is to hold, and the bytes that its holders sign."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from catalog.domain.base import Entity, Slug
from catalog.domain.enrolment import Hex
from catalog.domain.release import RoleSignature

Bytes = Annotated[str, Field(min_length=1, max_length=16 * 2**20)]


class Parts(Entity):
    """The raw public keys of each part of the release repository, and its device classes."""

    root: tuple[Hex, ...]
    approvers: tuple[Hex, ...]
    online: Hex
    device_classes: tuple[Slug, ...]


class RotationPlan(Entity):
    """What would change: `wanted` is who is enrolled today; `owners` are by key id; `published` are class roles."""

    before: Parts
    wanted: Parts
    owners: dict[str, Slug]
    roles: dict[str, Bytes]
    published: dict[str, dict[str, Any]]


class PlanRotation(Entity):
    """Ask what a rotation would sign; `renew` moves every expiry on."""

    renew: bool = False


class SignRotation(Entity):
    """The planned bytes and the signatures of their holders, by role."""

    roles: Annotated[dict[str, Bytes], Field(min_length=1)]
    signatures: dict[str, tuple[RoleSignature, ...]]
