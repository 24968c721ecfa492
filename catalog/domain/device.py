"""A device: its own key, its class and hardware, and what it reports, signed by itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from catalog.domain.audit import AuditHead
from catalog.domain.base import Count, Digest, Entity, Name, Slug, Text, Utc

Event = Literal[
    "provisioned",
    "current",
    "installed",
    "refused",
    "started",
    "stopped",
    "unhealthy",
    "returned",
    "blocked",
]


class Device(Entity):
    """An enrolled device."""

    schema_: Literal["device@1"] = Field("device@1", alias="schema")
    name: Slug
    device_class: Slug
    environment: Slug
    hardware: Name
    site: Name | None = None
    keyid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    enrolled_by: Name
    enrolled_at: Utc
    retired_at: Utc | None = None


class ChangeTimes(Entity):
    """When each state of a change was reached, by the device's clock; a state not reached is absent.

    `safe_state` is when the site's declared action said so; Assay commands no motion and no stop.
    """

    requested: Utc | None = None
    safe_state: Utc | None = None
    swapped: Utc | None = None
    healthy: Utc | None = None
    resumed: Utc | None = None


class DeviceReport(Entity):
    """What a device says of itself, in order. `seen` is the newest audit head it was shown; it keeps that head."""

    schema_: Literal["device-report@1"] = Field("device-report@1", alias="schema")
    device: Slug
    seq: Count
    at: Utc
    time_floor: Utc
    event: Event
    release: str | None = None
    model: Digest | None = None
    running: bool = False
    kind: Annotated[str, Field(max_length=64)] = ""
    what: Text = ""
    lease_until: Utc | None = None
    seen: AuditHead | None = None
    denied: Annotated[tuple[str, ...], Field(max_length=100_000)] = ()
    times: ChangeTimes = Field(default_factory=ChangeTimes)


class ReceivedReport(Entity):
    """A report as received: the envelope, what it says, when it came."""

    report: DeviceReport
    envelope: dict[str, Any]
    received_at: Utc


class DeviceView(Entity):
    """A device, the newest thing it said, when it was last heard, and the states of its last change."""

    device: Device
    newest: DeviceReport | None
    changed: ChangeTimes = Field(default_factory=ChangeTimes)
    last_seen: Utc | None
    chosen: str | None
    acknowledged: bool
    pending: tuple[str, ...]
    exposure_until: Utc | None
