"""Releases and devices as their users see them: propose, sign, promote, go back, withdraw, look."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from catalog.client.connection import Connection, document
from catalog.client.operations import Progress, follow
from catalog.domain import requests
from catalog.domain.device import DeviceView
from catalog.domain.release import Proposal, ReleaseView, RoleSignature, Withdrawal


class Releases:
    """What a release engineer, an approver and whoever is in a hurry ask of the catalog."""

    http: Connection

    def propose(self, model: str, device_class: str) -> Proposal:
        """The proposal that approvers sign, made when there is none."""
        body = document(requests.JudgeModel, device_class=device_class)
        return self.http.post(f"/models/{_part(model)}/proposal", Proposal, body)

    def sign_release(self, release: str, envelope: dict[str, Any], role: RoleSignature) -> Proposal:
        """Bring one approver's signatures."""
        body = document(requests.SignRelease, envelope=envelope, role=role)
        return self.http.post(f"/releases/{_part(release)}/signatures", Proposal, body)

    def promote(self, model: str, device_class: str, progress: Progress | None = None) -> dict[str, Any]:
        """Promote a model for a class."""
        body = document(requests.JudgeModel, device_class=device_class)
        return follow(self.http, f"/models/{_part(model)}/promotion", body, progress)

    def rollback(self, device_class: str, to: str | None = None, reason: str = "") -> dict[str, Any]:
        """Bring a class back to a release, or to the last good one that today's floor allows."""
        body = document(requests.Rollback, to=to, reason=reason)
        return follow(self.http, f"/classes/{_part(device_class)}/rollback", body, None)

    def withdraw(self, release: str, reason: str) -> dict[str, Any]:
        """Deny a release for good."""
        body = document(requests.Withdraw, reason=reason)
        return follow(self.http, f"/releases/{_part(release)}/withdrawal", body, None)

    def releases(self) -> list[ReleaseView]:
        """All releases and proposals, oldest first."""
        return self.http.pages("/releases", ReleaseView)

    def release(self, release: str) -> ReleaseView:
        """One release."""
        return self.http.get(f"/releases/{_part(release)}", ReleaseView)

    def release_metadata(self, name: str) -> bytes:
        """One file of the release repository's signed metadata."""
        return self.http.get_bytes(f"/releases/metadata/{_part(name)}")

    def withdrawal(self) -> Withdrawal:
        """Everything withdrawn, and which devices have heard."""
        return self.http.get("/withdrawal", Withdrawal)

    def devices(self) -> list[DeviceView]:
        """Every device and what it last said."""
        return self.http.pages("/devices", DeviceView)

    def device(self, name: str) -> DeviceView:
        """One device."""
        return self.http.get(f"/devices/{_part(name)}", DeviceView)


def _part(name: str) -> str:
    return quote(name, safe=":")
