"""Recalls as their users see them: look, confirm what was shown, see which devices have heard."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catalog.client.connection import Connection, document, part
from catalog.client.operations import Progress, follow
from catalog.domain import requests
from catalog.domain.recall import Reach, Recall, RecallView


class Recalls:
    """What somebody asks who learned that something was wrong."""

    http: Connection

    def reach(self, what: str, as_of: datetime | None = None) -> Reach:
        """What a recall would reach, each with the path that proves it. Nothing is done."""
        return self.http.post("/recalls/reach", Reach, document(requests.ReachOf, what=what, as_of=as_of))

    def recall(self, shown: Reach, reason: str, progress: Progress | None = None) -> dict[str, Any]:
        """Recall exactly what was shown."""
        fields = {"what": shown.what, "as_of": shown.as_of, "plan": shown.plan, "reason": reason}
        return follow(self.http, "/recalls", document(requests.DoRecall, **fields), progress)

    def recalls(self) -> list[Recall]:
        """All recalls, oldest first."""
        return self.http.pages("/recalls", Recall)

    def find_recall(self, identity: str) -> RecallView:
        """One recall, and per device whether it has heard."""
        return self.http.get(f"/recalls/{part(identity)}", RecallView)
