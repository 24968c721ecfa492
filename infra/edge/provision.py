"""Make a device's home: its own key and token, the root it trusts by digest, and a request to be enrolled.

The home is there whole or not at all. The private key never leaves it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.edge.device import Clock, Device, Enrolment, identity_of, wall_clock
from infra.edge.disk import publish, read_plain, remove, write
from infra.edge.document import LIMIT, Unreadable, canonical, digest, sha256
from infra.edge.errors import Conflict, Invalid, disk
from infra.edge.report import tell
from infra.edge.state import State
from infra.edge.trust import root_of

FOLDERS = ("kept", "releases", "outbox", "incoming", "run")


def provision(
    home: Path,
    *,
    name: str,
    device_class: str,
    environment: str,
    hardware: str,
    root: Path,
    root_digest: str,
    site: str | None = None,
    source: str | None = None,
    safe_state: tuple[str, ...] = (),
    health: tuple[str, ...] = (),
    clock: Clock = wall_clock,
) -> dict[str, Any]:
    """Make the home and return its enrolment request, which also lies in it as `enrol.json`."""
    given = {"name": name, "device_class": device_class, "environment": environment, "hardware": hardware, "site": site}
    try:
        enrolment = Enrolment(identity_of(given), digest(root_digest, "root digest"), source, safe_state, health)
    except Unreadable as error:
        raise Invalid("input-invalid", str(error), "see `assay-edge provision --help`") from error
    trusted = read_plain(root, LIMIT)
    if trusted is None:
        raise Invalid("input-invalid", f"{root} cannot be read as a file", "name the root's file")
    root_of(trusted, enrolment.root_digest)
    if home.exists():
        what = f"{home} exists; a device's key is never overwritten"
        raise Conflict("already-provisioned", what, "choose another home, or remove that one yourself")
    making = home.with_name(f".{home.name}.making-{os.getpid()}")
    try:
        request = _make(making, enrolment, trusted, given, clock)
        publish(making, home)
    except BaseException:
        remove(making)
        raise
    device = Device(home, clock)
    with device.locked():
        tell(device, device.state(), "provisioned")
    return request


def _make(making: Path, enrolment: Enrolment, root: bytes, given: dict[str, Any], clock: Clock) -> dict[str, Any]:
    with disk():
        making.mkdir(mode=0o700, parents=True)
        for folder in FOLDERS:
            (making / folder).mkdir(mode=0o700)
    key, token = Ed25519PrivateKey.generate(), secrets.token_urlsafe(32)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    request = {
        "schema": "enrolment-request@1",
        **given,
        "public": key.public_key().public_bytes_raw().hex(),
        "token_digest": sha256(token.encode()),
    }
    write(making / "device.pem", pem)
    write(making / "token", token.encode())
    write(making / "root.json", root)
    write(making / "device.json", canonical(enrolment.document()))
    write(making / "state.json", State(floor=clock()).canonical())
    write(making / "enrol.json", canonical(request), 0o644)
    return request
