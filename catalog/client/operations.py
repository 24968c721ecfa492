"""Long operations: begun once under one key, followed to their end, cancelled when the user interrupts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from catalog.client.connection import Connection
from catalog.domain import requests
from catalog.domain.base import Entity
from catalog.domain.clock import uuid7
from catalog.domain.intent import Intent, OperationView
from catalog.errors import Conflict, from_kind

Progress = Callable[[float, str], None]
POLL = (0.02, 0.3)  # seconds between two looks: the first, the longest


def follow(http: Connection, path: str, body: Entity | None, progress: Progress | None) -> dict[str, Any]:
    """Begin an operation and follow it; an interrupt cancels it and waits until nothing is left half-done."""
    key = uuid7()
    try:
        operation = http.post(path, requests.Started, body, key).operation
        intent = _follow(http, operation, progress)
    except KeyboardInterrupt:
        # asked again under its key, the service says what it began, even if its first answer was not read
        operation = http.post(path, requests.Started, body, key).operation
        http.post(f"/operations/{operation}/cancel", OperationView)
        _follow(http, operation, None)
        raise
    if intent.problem is not None:
        p = intent.problem
        do = "it stays open and is tried again; see `assay status`" if intent.state == "running" else p.do
        raise from_kind(p.kind, p.title, where=p.where, do=do)
    if intent.result is None:
        raise Conflict("operation-running", f"{intent.kind} is {intent.state}", do="look at `assay status`")
    return intent.result


def _follow(http: Connection, operation: str, progress: Progress | None) -> Intent:
    pause = POLL[0]
    while True:
        view = http.get(f"/operations/{operation}", OperationView)
        if view.intent.state != "running" or view.intent.problem is not None:
            return view.intent
        if progress is not None:
            progress(view.fraction, view.label)
        time.sleep(pause)
        pause = min(pause * 1.5, POLL[1])
