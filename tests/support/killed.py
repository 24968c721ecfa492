"""A service in a process of its own that kills itself (-9) between two steps: `python -m tests.support.killed HOME …`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from catalog.services import recall, rollback, withdraw
from catalog.services.receive_evidence import receive_evidence
from catalog.settings import Settings
from tests.support.house import Desk, House


def main(home: str, kind: str, boundary: str, dataset: str, ingest: str, folder: str) -> None:
    """Begin one act and die at the boundary; reaching the end is an error."""

    def kill(here: str, now: str) -> None:
        if (here, now) == (kind.removesuffix("-by-reference"), boundary):
            os.kill(os.getpid(), signal.SIGKILL)

    with House(Settings(home=Path(home), poll_seconds=3600.0)).open(kill) as desk:
        desk.wait(_begin(desk, kind, dataset, ingest, Path(folder)))
    sys.exit("it was not killed")


def _begin(desk: Desk, kind: str, dataset: str, ingest: str, folder: Path) -> str:
    if kind == "register":
        return desk.begin_register(dataset, ingest, folder)
    if kind == "register-by-reference":
        return desk.begin_register(dataset, ingest, folder, by_reference=True)
    if kind == "rebase":
        return desk.begin_rebase(dataset, ingest)
    if kind == "approve":
        return desk.begin_approve(desk.sign(desk.judge(dataset, ingest)))
    if dataset == "promote" or kind == "promote":
        return desk.begin_promote(ingest)
    if dataset == "rollback" or kind == "rollback":
        return rollback.start(desk.service.operations, "releaser", ingest, None, "killed")
    if dataset == "withdraw" or kind == "withdraw":
        return withdraw.start(desk.service.operations, "releaser", ingest, "killed")
    if kind == "replay":
        receive_evidence(desk.context, "evaluator", json.loads(folder.read_bytes()))
        (begun,) = desk.service.operations.running()
        desk.service.operations.recover()
        return begun.id
    if "recall" in (kind, dataset):
        shown = recall.show(desk.context, ingest)
        return recall.start(desk.service.operations, "steward", ingest, "killed", shown.plan)
    if kind == "quarantine":
        return desk.begin_quarantine(dataset, ingest, [0])
    return desk.begin_model(dataset, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
