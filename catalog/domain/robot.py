"""A robot and rig record: limits, kinematics and suite come from here, not from the commit under test."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from catalog.domain.base import Digest, Entity, Name, Slug, Utc


class Robot(Entity):
    """What a steward recorded about a robot: `record` as `validators.robot` reads it, its kinematic model inside."""

    schema_: Literal["robot-record@1"] = Field("robot-record@1", alias="schema")
    name: Slug
    suite: Name
    record: dict[str, Any]
    model_digest: Digest
    registered_by: Slug
    registered_at: Utc
