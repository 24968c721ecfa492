"""Sign here, where the browser's own process runs: the one module of the browser that touches a key (docs/adr/0008).

A key file is named by its path on this machine and read once. Its bytes are sent to nobody, not even to the service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catalog.attest import approval
from catalog.domain.release import Proposal, RoleSignature
from catalog.errors import AssayError, Unauthorised
from ui.session.acting import settings, unlocked


def default_key(principal: str) -> Path:
    """Where `assay init` put a principal's key."""
    return settings().keys_folder / f"{principal}.pem"


def changes(proposal: Proposal) -> list[tuple[str, str]]:
    """What the role's bytes change against the published role: (what, path)."""
    return [(change.what, change.path) for change in approval.changes(proposal)]


def fault(proposal: Proposal) -> AssayError | None:
    """Why nobody may sign this proposal, if so: it is not exactly one release of what was judged."""
    try:
        approval.checked(proposal)
    except AssayError as error:
        return error
    return None


def signed(proposal: Proposal, key: str) -> tuple[dict[str, Any], RoleSignature]:
    """Both signatures over what was shown, by the key in this file; only in a session that may act."""
    if not unlocked():
        raise Unauthorised("token-missing", "this page looks only", do="open the link that `assay up` printed")
    return approval.signed(proposal, Path(key).expanduser(), settings().home)
