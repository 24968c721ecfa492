"""What a device says of itself: signed by its own key, counted, kept until it was delivered, delivered in order.

A number is never used twice: the next one follows both the state and the outbox, whichever a crash left ahead.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from infra.edge.decide import permitted
from infra.edge.device import Device
from infra.edge.disk import read_plain, remove, write
from infra.edge.document import LIMIT, Unreadable, canonical, strict_json, utc_text
from infra.edge.errors import Damaged, EdgeError, Unavailable
from infra.edge.fetch import HttpSource
from infra.edge.permit import permit
from infra.edge.state import KIND_LIMIT, State

PAYLOAD = "application/vnd.assay.device-report+json"
OUTBOX_LIMIT = 10_000
_NEVER = frozenset({400, 409, 413, 422})  # the same report will not be taken later either


def tell(
    device: Device, state: State, event: str, said: EdgeError | None = None, *, what: str = "",
    times: Mapping[str, datetime] | None = None,
) -> State:  # fmt: skip
    """Put one report into the outbox and save the state with its number; the same again, undelivered, adds nothing."""
    kind, what = (said.kind, said.what) if said else ("", what)
    report = _report(device, state, event, kind[:KIND_LIMIT], what[:4000], times or {})
    waiting = outbox(device)
    if waiting and _same(_payload(waiting[-1]), report):
        return state
    if len(waiting) >= OUTBOX_LIMIT:
        remove(waiting[0])
    number = max([state.seq, *(int(path.stem) for path in waiting[-1:])]) + 1
    envelope = _signed(canonical({**report, "seq": number}), device.key())
    write(device.home / "outbox" / f"{number:012d}.json", canonical(envelope))
    return device.save(replace(state, seq=number))


def outbox(device: Device) -> list[Path]:
    """Reports not yet delivered, oldest first."""
    return sorted(path for path in (device.home / "outbox").glob("*.json") if path.stem.isdecimal())


def deliver(device: Device, source: HttpSource) -> tuple[int, int]:
    """Deliver in order; returns how many were taken and how many the service will never take (set aside)."""
    state, waiting = device.state(), outbox(device)
    if waiting and int(waiting[-1].stem) > state.seq:
        device.save(replace(state, seq=int(waiting[-1].stem)))
    taken = aside = 0
    for path in waiting:
        number = int(path.stem)
        envelope = _envelope(path)
        key = "report-" + hashlib.sha256(canonical(envelope)).hexdigest()
        status = source.post("/api/v1/devices/reports", {"envelope": envelope}, key)
        if status >= 300 and status not in _NEVER:
            what = f"the service answers {status} to report {number}; it stays in the outbox"
            raise Unavailable("report-refused", what, "try again later")
        if status < 300:
            taken += 1
            remove(path)
        else:
            aside += 1
            path.rename(path.with_name(f"refused-{status}-{path.name}"))
    return taken, aside


def effective(device: Device, state: State) -> tuple[str | None, str | None, datetime | None]:
    """The release and model that may run now, and until when; nothing where nothing may."""
    try:
        shown = permit(device, state)
        manifest = permitted(device.identity, state, shown, state.current, device.clock())
    except EdgeError:
        return None, None, None
    return manifest.id, manifest.model, shown.current.lease_until


def _report(
    device: Device, state: State, event: str, kind: str, what: str, times: Mapping[str, datetime]
) -> dict[str, Any]:
    release, model, lease_until = effective(device, state)
    return {
        "schema": "device-report@1",
        "device": device.identity.name,
        "seq": 0,
        "at": utc_text(device.clock()),
        "time_floor": utc_text(state.floor),
        "event": event,
        "release": release,
        "model": model,
        "running": device.running(),
        "kind": kind,
        "what": what,
        "lease_until": utc_text(lease_until) if lease_until else None,
        "seen": state.head.document() if state.head else None,
        "denied": sorted(state.denials.releases),
        "times": {name: utc_text(at) for name, at in times.items()},
    }


def _same(before: Any, report: dict[str, Any]) -> bool:
    """Whether a report says nothing new but the time."""
    names = ("event", "release", "running", "kind", "denied", "times")
    return isinstance(before, dict) and all(before.get(name) == report[name] for name in names)


def _signed(payload: bytes, pem: bytes) -> dict[str, Any]:
    private = load_pem_private_key(pem, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise Damaged("home-damaged", "device.pem is no Ed25519 key", "provision this device again")
    public = private.public_key().public_bytes_raw().hex()
    identity = hashlib.sha256(bytes.fromhex(public)).hexdigest()
    envelope = Envelope(payload, PAYLOAD, {})
    envelope.sign(CryptoSigner(private, SSlibKey(identity, "ed25519", "ed25519", {"public": public})))
    signed: dict[str, Any] = envelope.to_dict()
    return signed


def _envelope(path: Path) -> dict[str, Any]:
    try:
        found = strict_json(read_plain(path, LIMIT) or b"")
    except Unreadable as error:
        raise Damaged("home-damaged", f"report {path.name}: {error}", "remove that file yourself") from error
    if not isinstance(found, dict):
        raise Damaged("home-damaged", f"report {path.name} is no envelope", "remove that file yourself")
    return found


def _payload(path: Path) -> Any:
    try:
        return strict_json(base64.b64decode(_envelope(path)["payload"]))
    except (EdgeError, Unreadable, KeyError, ValueError, TypeError):
        return None
