"""Releases as their users see them: what waits, propose, sign, promote, go back, withdraw."""

from __future__ import annotations

from typing import Any

from catalog.client.connection import Connection, document, part
from catalog.client.operations import Progress, follow
from catalog.domain import requests
from catalog.domain.fleet import Waiting
from catalog.domain.release import Proposal, ReleaseView, RoleSignature, Withdrawal


class Releases:
    """What a release engineer, an approver and whoever is in a hurry ask of the catalog."""

    http: Connection

    def propose(self, model: str, device_class: str) -> Proposal:
        """The proposal that approvers sign, made when there is none."""
        body = document(requests.JudgeModel, device_class=device_class)
        return self.http.post(f"/models/{part(model)}/proposal", Proposal, body)

    def proposal(self, release: str) -> Proposal:
        """What approvers of a release are shown and sign."""
        return self.http.get(f"/releases/{part(release)}/proposal", Proposal)

    def waiting(self) -> list[Waiting]:
        """Models that the gate allows and that lack signatures or the promotion."""
        return self.http.pages("/waiting", Waiting)

    def sign_release(self, release: str, envelope: dict[str, Any], role: RoleSignature) -> Proposal:
        """Bring one approver's signatures."""
        body = document(requests.SignRelease, envelope=envelope, role=role)
        return self.http.post(f"/releases/{part(release)}/signatures", Proposal, body)

    def promote(self, model: str, device_class: str, progress: Progress | None = None) -> dict[str, Any]:
        """Promote a model for a class."""
        body = document(requests.JudgeModel, device_class=device_class)
        return follow(self.http, f"/models/{part(model)}/promotion", body, progress)

    def rollback(self, device_class: str, to: str | None = None, reason: str = "") -> dict[str, Any]:
        """Bring a class back to a release, or to the last good one that today's floor allows."""
        body = document(requests.Rollback, to=to, reason=reason)
        return follow(self.http, f"/classes/{part(device_class)}/rollback", body, None)

    def withdraw(self, release: str, reason: str) -> dict[str, Any]:
        """Deny a release for good."""
        body = document(requests.Withdraw, reason=reason)
        return follow(self.http, f"/releases/{part(release)}/withdrawal", body, None)

    def releases(self) -> list[ReleaseView]:
        """All releases and proposals, oldest first."""
        return self.http.pages("/releases", ReleaseView)

    def release(self, release: str) -> ReleaseView:
        """One release."""
        return self.http.get(f"/releases/{part(release)}", ReleaseView)

    def release_metadata(self, name: str) -> bytes:
        """One file of the release repository's signed metadata."""
        return self.http.get_bytes(f"/releases/metadata/{part(name)}")

    def withdrawal(self) -> Withdrawal:
        """Everything withdrawn, and which devices have heard."""
        return self.http.get("/withdrawal", Withdrawal)
