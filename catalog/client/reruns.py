"""What is run again: the catalog's replay of evidence, an evaluator's reproduction of a training run."""

from __future__ import annotations

import time
from typing import Any

from catalog.client.connection import Connection, document, part
from catalog.client.operations import POLL, Progress
from catalog.domain import requests
from catalog.domain.intent import OperationView
from catalog.domain.replay import Replay
from catalog.domain.reproduction import Reproduction


class Reruns:
    """What an evaluator asks of the catalog beside evidence."""

    http: Connection

    def replay(self, evidence: str, progress: Progress | None = None) -> Replay:
        """The replay of an evidence when it has ended."""
        pause = POLL[0]
        while True:
            found = self.http.get(f"/evidence/{part(evidence)}/replay", Replay)
            if found.state != "drawn":
                return found
            view = self.http.get(f"/operations/{found.operation}", OperationView)
            if view.intent.problem is not None and view.intent.state == "running":
                return found
            if progress is not None:
                progress(view.fraction, f"the catalog replays: {view.label}")
            time.sleep(pause)
            pause = min(pause * 1.5, POLL[1])

    def replay_again(self, evidence: str) -> Replay:
        """Try a failed replay again, on the same draw."""
        return self.http.post(f"/evidence/{part(evidence)}/replay", Replay)

    def reproduction(self, run: str, envelope: dict[str, Any]) -> Reproduction:
        """Bring a signed reproduction of a run."""
        body = document(requests.Signed, envelope=envelope)
        return self.http.post(f"/runs/{part(run)}/reproductions", Reproduction, body)

    def reproductions(self, run: str) -> list[Reproduction]:
        """The reproductions of a run that count."""
        return self.http.pages(f"/runs/{part(run)}/reproductions", Reproduction)
