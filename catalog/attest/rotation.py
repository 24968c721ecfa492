"""Whether the bytes of a rotation say what they should: read by who signs them, and again by who puts them in place.

Root and targets are rebuilt from the wanted key set and compared; a class's role lists what is published, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from catalog.attest.keyset import Keyset, root_payload, targets_payload
from catalog.attest.roles import TIME, ClassRole, read
from catalog.domain.base import strict_json
from catalog.errors import Invalid

BUILT: dict[str, Callable[[Keyset, int, datetime], bytes]] = {"root": root_payload, "targets": targets_payload}


def require_states(rotation: Mapping[str, bytes], wanted: Keyset, published: Mapping[str, dict[str, Any]]) -> None:
    """Refuse bytes that state other keys or classes than wanted, or list another release than is published."""
    for role, payload in rotation.items():
        if role in BUILT:
            same = _rebuilt(role, payload, wanted) == payload
        else:
            known = ClassRole.of(published[role]).targets if role in published else {}
            same = role in wanted.device_classes and read(role, payload).targets == known
        if not same:
            what = f"the rotation's {role} does not say what was shown"
            raise Invalid("trust-invalid", what, where=role, do="do not sign; plan the rotation again")


def _rebuilt(role: str, payload: bytes, wanted: Keyset) -> bytes:
    said = strict_json(payload, f"the rotation's {role}")
    try:
        expires = datetime.strptime(said["expires"], TIME).replace(tzinfo=UTC)
        return BUILT[role](wanted, int(said["version"]), expires)
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(
            "trust-invalid", f"not a {role} role: {error}", where=role, do="plan the rotation again"
        ) from error
