"""Who may do what: a principal has roles, a role has actions, a key has one role and never two owners."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from catalog.domain.base import Entity, Name, Slug, Utc, utc_text
from catalog.errors import Refused

Role = Literal["viewer", "contributor", "trainer", "evaluator", "steward", "approver", "releaser", "keeper", "device"]
KeyRole = Literal["steward", "evaluator", "approver", "root", "release", "report", "device"]
EVERYBODY: frozenset[Role] = frozenset(
    {"viewer", "contributor", "trainer", "evaluator", "steward", "approver", "releaser", "keeper"}
)
SAFE: frozenset[Role] = frozenset({"steward", "approver", "releaser"})  # going safe takes one

ACTIONS: dict[str, frozenset[Role]] = {
    "read": EVERYBODY,
    "dataset.register": frozenset({"contributor"}),
    "dataset.rebase": frozenset({"contributor", "steward"}),
    "dataset.check": frozenset({"contributor", "steward"}),
    "dataset.judge": frozenset({"contributor", "steward"}),
    "dataset.approve": frozenset({"steward"}),
    "dataset.quarantine": frozenset({"steward"}),
    "store.copy": frozenset({"steward"}),
    "line.enrol": frozenset({"approver"}),
    "robot.register": frozenset({"steward"}),
    "run.record": frozenset({"trainer"}),
    "model.register": frozenset({"trainer"}),
    "plan.make": frozenset({"evaluator"}),
    "evidence.post": frozenset({"evaluator"}),
    "model.judge": EVERYBODY,
    "run.reproduce": frozenset({"evaluator"}),
    "release.propose": frozenset({"approver", "releaser"}),
    "release.approve": frozenset({"approver"}),
    "release.promote": frozenset({"approver", "releaser"}),
    "release.rollback": SAFE,
    "release.withdraw": SAFE,
    "recall": SAFE,
    "report": EVERYBODY,
    "releases.read": EVERYBODY | {"device"},
    "device.report": frozenset({"device"}),
    "key.enrol": frozenset({"approver", "keeper"}),
    "key.revoke": frozenset({"approver", "steward", "evaluator", "keeper"}),  # the last two only their own
    "keys.rotate": frozenset({"approver", "keeper"}),
    "policy.activate": frozenset({"approver"}),
    "lineage.ingest": frozenset({"contributor", "trainer"}),
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
    compromised: bool = False

    def counts(self, role: KeyRole, signed_at: datetime) -> str:
        """Why a signature that came at this time does not count, or nothing.

        A lost key's earlier signatures stand; a compromised key's never did.
        """
        if self.role != role:
            return f"is enrolled for role {self.role}, not {role}"
        if self.revoked_at is not None and (self.compromised or self.revoked_at <= signed_at):
            return f"was revoked at {utc_text(self.revoked_at)}"
        if self.expires_at <= signed_at:
            return f"expired at {utc_text(self.expires_at)}"
        if self.enrolled_at > signed_at:
            return f"is enrolled from {utc_text(self.enrolled_at)} only"
        return ""
