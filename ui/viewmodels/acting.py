"""Who may press a button; one that is off says why."""

from __future__ import annotations

from catalog.domain.principal import ACTIONS, Principal
from ui.viewmodels.text import plain

LOCKED = (
    "This page looks only. To act, open the link that assay up printed in its terminal, or enter its code on the left."
)


def why_off(me: Principal, action: str, *, unlocked: bool) -> str:
    """Why this person may not do it here, or nothing."""
    if not unlocked:
        return LOCKED
    if ACTIONS[action] & set(me.roles):
        return ""
    roles = " or ".join(sorted(ACTIONS[action]))
    return f"{plain(me.name)} is {', '.join(me.roles)}; this takes {roles}. Choose who acts on the left."
