"""Sign here, where the browser's own process runs: the one module of the browser that touches a key (docs/adr/0008).

A key file is named by its path on this machine and read once. Its bytes are sent to nobody, not even to the service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catalog.attest import approval
from catalog.domain.release import Proposal, RoleSignature
from catalog.errors import Unauthorised
from ui.session.acting import settings, unlocked


def default_key(principal: str) -> Path:
    """Where `assay init` put a principal's key."""
    return settings().keys_folder / f"{principal}.pem"


def changes(proposal: Proposal, get: approval.Get) -> list[tuple[str, str]]:
    """What the role's bytes change against the role that is really published, as (what, path).

    `get` reads published metadata by name. Raises why nobody may sign this proposal, if so: it is not exactly one
    release of what was judged.
    """
    checked = approval.checked(proposal, get, _root())
    return [(change.what, change.path) for change in approval.changes(checked)]


def signed(proposal: Proposal, get: approval.Get, key: str) -> tuple[dict[str, Any], RoleSignature]:
    """Both signatures over what was shown, by the key in this file; only in a session that may act."""
    if not unlocked():
        raise Unauthorised("token-missing", "this page looks only", do="open the link that `assay up` printed")
    return approval.signed(proposal, get, _root(), Path(key).expanduser(), settings().home)


def _root() -> Path:
    return approval.first_root(settings().keys_folder)
