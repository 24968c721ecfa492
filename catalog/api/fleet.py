"""The fleet: what each device class runs, what each device last said, and what devices bring."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from catalog.api.http import Caller, Route, The, answer, described, items, may, takes
from catalog.domain.principal import Principal
from catalog.domain.requests import Signed
from catalog.services import device_records
from catalog.services.fleet import classes
from catalog.services.receive_report import receive_report

router = APIRouter(route_class=Route, tags=["fleet"])


@router.get("/classes")
def get_classes(here: The, who: Caller) -> Response:
    """Every device class: its choice, what devices are told, what going back would bring."""
    who.require("read")
    return items(classes(here.context), None)


@router.get("/devices")
def list_devices(here: The, who: Caller) -> Response:
    """Every device, what it last said, and what it still has to hear."""
    who.require("read")
    return items(device_records.devices(here.context), None)


@router.get("/devices/{name}")
def get_device(name: str, here: The, who: Caller) -> Response:
    """One device."""
    who.require("read")
    return answer(device_records.view(here.context, device_records.device(here.context, name)))


@router.post("/devices/reports", openapi_extra=described(Signed))
def post_report(
    here: The,
    body: Annotated[Signed, Depends(takes(Signed))],
    who: Annotated[Principal, Depends(may("device.report"))],
) -> Response:
    """Take a device's report."""
    return answer(receive_report(here.context, who.name, body.envelope))
