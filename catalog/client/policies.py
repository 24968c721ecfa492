"""Policies as their authors and approvers see them."""

from __future__ import annotations

from typing import Any

from catalog.client.connection import Connection, document
from catalog.domain.policy import ActivePolicy, PolicyDiff, PolicyText, PolicyTrial, PolicyView, TryPolicy
from catalog.domain.requests import Signed


class Policies:
    """Look, try, compare, propose, sign."""

    http: Connection

    def policies(self) -> list[ActivePolicy]:
        """Every policy that ever was in force; of each name the highest version is."""
        return self.http.pages("/policies", ActivePolicy)

    def try_policy(self, text: str, evidence: tuple[str, ...] = ()) -> PolicyTrial:
        """Prove a policy and try it on recorded evidence."""
        return self.http.post("/policies/trials", PolicyTrial, document(TryPolicy, text=text, evidence=evidence))

    def policy_diff(self, text: str) -> PolicyDiff:
        """A policy against the one in force, and what it would block."""
        return self.http.post("/policies/differences", PolicyDiff, document(PolicyText, text=text))

    def propose_policy(self, text: str) -> PolicyView:
        """Propose a policy; what two approvers must sign."""
        return self.http.post("/policies/proposals", PolicyView, document(PolicyText, text=text))

    def activate_policy(self, envelope: dict[str, Any]) -> PolicyView:
        """Bring one signature on a proposed policy."""
        return self.http.post("/policies/activations", PolicyView, document(Signed, envelope=envelope))
