"""What a device would say of itself now, without changing anything."""

from __future__ import annotations

from typing import Any

from infra.edge.decide import permitted
from infra.edge.device import Device
from infra.edge.document import utc_text
from infra.edge.errors import EdgeError
from infra.edge.install import verify
from infra.edge.permit import permit
from infra.edge.report import outbox


def status(device: Device) -> dict[str, Any]:
    """Who it is, what is installed, and whether that may start now; `kind` and `why` where it may not."""
    state, who, clock = device.state(), device.identity, device.clock()
    told: dict[str, Any] = {
        "name": who.name,
        "device_class": who.device_class,
        "environment": who.environment,
        "hardware": who.hardware,
        "clock": utc_text(clock),
        "floor": utc_text(state.floor),
        "current": state.current,
        "previous": state.previous,
        "may_start": False,
        "kind": "",
        "why": "",
        "lease_until": None,
        "running": device.running(),
        "denied": sorted(state.denials.releases),
        "head": str(state.head) if state.head else None,
        "reports": state.seq,
        "undelivered": len(outbox(device)),
    }
    try:
        shown = permit(device, state)
        told["lease_until"] = utc_text(shown.current.lease_until)
        manifest = permitted(who, state, shown, state.current, clock)
        verify(manifest, device.release(manifest.id))
        told.update(may_start=True, number=manifest.number, model=manifest.model, model_name=manifest.model_name)
    except EdgeError as error:
        told.update(kind=error.kind, why=str(error))
    return told
