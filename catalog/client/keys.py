"""Keys as their owners see them: propose a newcomer, sign, look."""

from __future__ import annotations

from typing import Any

from catalog.client.connection import Connection, document
from catalog.client.operations import follow
from catalog.domain.enrolment import EnrolmentView, KeyRequest, KeyView, Revocation, Revoked, RevokeKey
from catalog.domain.requests import Signed
from catalog.domain.rotation import PlanRotation, RotationPlan, SignRotation


class Keys:
    """What newcomers, approvers and keepers ask of the catalog."""

    http: Connection

    def keys(self) -> list[KeyView]:
        """Every key that was ever enrolled."""
        return self.http.pages("/keys", KeyView)

    def propose_key(self, request: KeyRequest) -> EnrolmentView:
        """Propose a newcomer's key; what must be signed."""
        return self.http.post("/keys/requests", EnrolmentView, request)

    def enrol_key(self, envelope: dict[str, Any]) -> EnrolmentView:
        """Bring one signature on a proposed enrolment."""
        return self.http.post("/keys/enrolments", EnrolmentView, document(Signed, envelope=envelope))

    def revoke_key(self, revocation: Revocation, envelope: dict[str, Any] | None) -> Revoked:
        """Revoke a key, signed; one's own also unsigned."""
        return self.http.post("/keys/revocations", Revoked, RevokeKey(revocation=revocation, envelope=envelope))

    def plan_rotation(self, *, renew: bool = False) -> RotationPlan:
        """What must be signed so that devices trust the keys that are enrolled today."""
        return self.http.post("/keys/rotation", RotationPlan, PlanRotation(renew=renew))

    def rotate_keys(self, signed: SignRotation) -> dict[str, Any]:
        """Put a signed rotation in place."""
        return follow(self.http, "/keys/rotations", signed, None)
