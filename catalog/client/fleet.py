"""What people look at before they act: who they are, what waits for a signature, what each class runs."""

from __future__ import annotations

from urllib.parse import quote

from catalog.client.connection import Connection
from catalog.domain.fleet import ClassView, Waiting
from catalog.domain.principal import Principal
from catalog.domain.release import Proposal


class Fleet:
    """What a release engineer and an approver look at."""

    http: Connection

    def me(self) -> Principal:
        """The principal of this connection, with its roles."""
        return self.http.get("/me", Principal)

    def waiting(self) -> list[Waiting]:
        """Models that the gate allows and that lack signatures or the promotion."""
        return self.http.pages("/waiting", Waiting)

    def classes(self) -> list[ClassView]:
        """Every device class: its choice, what devices are told, what going back would bring."""
        return self.http.pages("/classes", ClassView)

    def proposal(self, release: str) -> Proposal:
        """What approvers of a release are shown and sign."""
        return self.http.get(f"/releases/{quote(release)}/proposal", Proposal)
