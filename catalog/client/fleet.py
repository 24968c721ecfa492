"""The fleet: what each device class runs, and what each device last said."""

from __future__ import annotations

from catalog.client.connection import Connection, part
from catalog.domain.device import DeviceView
from catalog.domain.fleet import ClassView


class Fleet:
    """What whoever answers for devices asks of the catalog."""

    http: Connection

    def classes(self) -> list[ClassView]:
        """Every device class: its choice, what devices are told, what going back would bring."""
        return self.http.pages("/classes", ClassView)

    def devices(self) -> list[DeviceView]:
        """Every device and what it last said."""
        return self.http.pages("/devices", DeviceView)

    def device(self, name: str) -> DeviceView:
        """One device."""
        return self.http.get(f"/devices/{part(name)}", DeviceView)
