"""The loop of a device that is left alone: pull, ask for its health, report, wait. One failure does not end it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from infra.edge.device import Device
from infra.edge.errors import EdgeError
from infra.edge.fetch import HttpSource, Source
from infra.edge.pull import check_health, offline, pull
from infra.edge.report import deliver


def poll(device: Device, source: Source) -> dict[str, Any]:
    """One round, as data: what was done, or the error; and what was delivered."""
    told: dict[str, Any] = {}
    try:
        done = pull(device, source)
        told.update(event=done.event, release=done.release, number=done.number)
        if done.event == "current" and device.enrolment.health:
            check_health(device)
    except EdgeError as error:
        told.update(event="refused", kind=error.kind, what=error.what, do=error.do)
        if error.kind.startswith("source-") and (why := offline(device)) is not None:
            told.update(blocked=why.kind)
    if isinstance(source, HttpSource):
        try:
            with device.locked():
                told["delivered"], told["refused_reports"] = deliver(device, source)
        except EdgeError as error:
            told["undelivered"] = error.kind
    return told


def run(
    device: Device, source: Source, every: float, ended: threading.Event,
    show: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Poll until `ended` is set."""
    while not ended.is_set():
        try:
            show(poll(device, source))
        except EdgeError as error:
            show({"event": "refused", "kind": error.kind, "what": error.what, "do": error.do})
        ended.wait(every)
