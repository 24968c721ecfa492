"""The device's side of a release: nothing runs here that the approvers did not sign for this device, now.

The client decides for itself and needs no service to say no. It imports `tuf`, `securesystemslib`, `cryptography` and
the standard library, so that it installs alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.edge.start import Verified


def load(home: Path) -> Verified:
    """What may run now, every file verified, as bytes in memory by path; raises `EdgeError` where nothing may."""
    from infra.edge.device import Device
    from infra.edge.start import load as verified

    return verified(Device(home))
