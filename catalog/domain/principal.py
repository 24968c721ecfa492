"""Who may do what: a principal has roles, a role has actions, a key has one role and never two owners."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from catalog.domain.base import Entity, Name, Slug, Utc
from catalog.errors import Refused

Role = Literal["viewer", "contributor", "trainer", "evaluator", "steward", "approver"]
KeyRole = Literal["steward", "evaluator", "approver"]

ACTIONS: dict[str, frozenset[Role]] = {
    "read": frozenset({"viewer", "contributor", "trainer", "evaluator", "steward", "approver"}),
    "dataset.register": frozenset({"contributor"}),
    "dataset.rebase": frozenset({"contributor", "steward"}),
    "dataset.check": frozenset({"contributor", "steward"}),
    "dataset.judge": frozenset({"contributor", "steward"}),
    "dataset.approve": frozenset({"steward"}),
    "dataset.quarantine": frozenset({"steward"}),
    "line.enrol": frozenset({"approver"}),
    "robot.register": frozenset({"steward"}),
    "run.record": frozenset({"trainer"}),
    "model.register": frozenset({"trainer"}),
    "plan.make": frozenset({"evaluator"}),
    "evidence.post": frozenset({"evaluator"}),
    "model.judge": frozenset({"viewer", "contributor", "trainer", "evaluator", "steward", "approver"}),
}


class Principal(Entity):
    """A person or job that the catalog knows. `local` principals have no identity provider behind them."""

    name: Slug
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    identity: Literal["local"] = "local"
    enrolled_by: Name
    enrolled_at: Utc

    def require(self, action: str) -> None:
        """Raise `Refused` unless one of the roles allows the action."""
        if not ACTIONS[action] & set(self.roles):
            raise Refused(
                "role-missing",
                f"{self.name} ({', '.join(self.roles)}) may not {action}",
                do=f"use a principal with role {' or '.join(sorted(ACTIONS[action]))} (--as NAME)",
            )


class Key(Entity):
    """An enrolled public key: raw Ed25519, 32 bytes in hex. One key, one role, one principal."""

    keyid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    public: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    role: KeyRole
    principal: Slug
    enrolled_by: Name
    enrolled_at: Utc
    expires_at: Utc
    revoked_at: Utc | None = None
