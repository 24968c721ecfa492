"""Show a rotation from the bytes that are signed, sign each role with the keys that must, and bring it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.cli import output
from catalog.errors import Refused

if TYPE_CHECKING:
    from catalog.client import Catalog
    from catalog.domain.rotation import RotationPlan, SignRotation

THRESHOLD = 2  # of the root's and of the approvers' keys
PARTS = ("root", "approvers", "online", "device_classes")


def show(plan: RotationPlan) -> None:
    """What goes, what comes, and which roles are signed anew."""
    say = output.console().print
    before, wanted = plan.before.document(), plan.wanted.document()
    for part in PARTS:
        old, new = ([d[part]] if isinstance(d[part], str) else d[part] for d in (before, wanted))
        named = {value: _named(plan, part, value) for value in (*old, *new)}
        lines = [f"- {named[v]}" for v in old if v not in new] + [f"+ {named[v]}" for v in new if v not in old]
        say(f"{part}: {', '.join(lines) or 'as before'}", markup=False)
    say(f"signed anew: {', '.join(plan.roles)}", style="dim", markup=False)


def _named(plan: RotationPlan, part: str, value: str) -> str:
    if part == "device_classes":
        return value
    from catalog.attest.keys import keyid

    return f"{plan.owners.get(keyid(value), 'nobody enrolled')} ({keyid(value)[:16]}…)"


def signed(plan: RotationPlan, root_keys: Sequence[Path], approver_keys: Sequence[Path], home: Path) -> SignRotation:
    """Every role under the keys that must sign it, after the bytes were compared with what was shown."""
    from catalog.attest.roles import sign_role
    from catalog.domain.rotation import SignRotation

    check(plan)
    by = {role: root_keys if role == "root" else approver_keys for role in plan.roles}
    if any(len(keys) < THRESHOLD for keys in by.values()):
        what = "two root keys and two approvers' keys sign a rotation"
        raise Refused("approvals-missing", what, do="name each with --root-key and --approver-key")
    return SignRotation(
        roles=plan.roles,
        signatures={
            role: tuple(sign_role(text.encode(), key, home) for key in by[role]) for role, text in plan.roles.items()
        },
    )


def check(plan: RotationPlan) -> None:
    """Refuse a plan whose bytes say something else than it shows."""
    from catalog.attest.keyset import Keyset
    from catalog.attest.rotation import require_states

    roles = {role: text.encode() for role, text in plan.roles.items()}
    require_states(roles, Keyset.of(plan.wanted.document()), plan.published)


def bring(catalog: Catalog, done: SignRotation, *, json_: bool) -> None:
    """Have it put in place."""
    result = catalog.rotate_keys(done)
    text = f"rotated: {', '.join(result['roles'])}; devices follow at their next update"
    output.said(result, json_, text)
