"""Kill an act on a release repository (-9) before each of its file operations: `python -m tests.support.killed_publication`.

For n = 1, 2, … a copy of the folder is made, a child of this process acts on it and dies before its n-th opening for
writing, rename, removal or making of a folder; the first child that lives to the end is the last. Prints their number.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from catalog.attest.repository import Keyset, ReleaseRepository
from tests.support.releases import APPROVERS, CLASS, LEASE, OTHER, ROOTS, Office

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def publish(office: Office) -> None:
    """A release, the choice of it, and a denial."""
    manifest = office.manifest(2)
    first = office.manifest(1)
    office.seq = 3
    office.publish(manifest, choices=[office.choice(manifest)], denied=[first])


def begin(office: Office) -> None:
    """The first set."""
    ReleaseRepository.begin(
        office.folder / "releases",
        root_keys=office.all(ROOTS),
        approver_keys=office.all(APPROVERS),
        online_key=office.key("release"),
        device_classes=(CLASS, OTHER),
        at=office.at,
        lease_hours=LEASE,
    )


def rotate(office: Office) -> None:
    """Another second approver and another online key."""
    rotated(office)


def rotated(office: Office) -> dict[str, int]:
    """Replace approver-2 by approver-3 and release by release-2, whose key files are there."""
    repository = office.repository
    payloads = repository.rotation(wanted(office), office.at)
    signatures = {
        role: office.signed(data, ROOTS[:2] if role == "root" else ("approver-1", "approver-3"))
        for role, data in payloads.items()
    }
    expires = office.at + timedelta(hours=LEASE)
    online = office.key("release-2")
    return repository.apply(payloads, signatures, online_key=online, at=office.at, expires=expires).versions


def wanted(office: Office) -> Keyset:
    """The key set after `rotate`."""
    return Keyset(
        root=tuple(office.public(name) for name in ROOTS),
        approvers=(office.public("approver-1"), office.public("approver-3")),
        online=office.public("release-2"),
        device_classes=(CLASS, OTHER),
    )


def copy(office: Office) -> None:
    """Bring a stick up to date."""
    office.repository.copy(office.folder / "stick")


ACTS: dict[str, Callable[[Office], None]] = {"publish": publish, "begin": begin, "rotate": rotate, "copy": copy}


def kill_before(number: int, folder: Path) -> None:
    """Die before the n-th change of a file below the folder."""
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        changing = event in {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"} or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        )
        if changing and str(folder) in os.fsdecode(arguments[0]):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(act: str, folder: str) -> int:
    """Folders `1`, `2`, … beside `before` are as each death left them."""
    number = 0
    while True:
        number += 1
        here = Path(folder) / str(number)
        shutil.copytree(Path(folder) / "before", here)
        child = os.fork()
        if child == 0:
            kill_before(number, here)
            ACTS[act](Office(here))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            if os.waitstatus_to_exitcode(status):
                sys.exit(f"{act} failed")
            return number


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
