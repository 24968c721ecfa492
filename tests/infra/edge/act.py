"""A device's act in a process of its own that ends, or finds its disk full, at the n-th change of the disk.

`python -m tests.infra.edge.act HOME SOURCE N kill|full|grow`: the interpreter's own audit events count the changes, so
that nothing in the client knows of it. `grow` bounds every file at N bytes instead, as a full disk does to a write.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from pathlib import Path

from infra.edge.device import Device
from infra.edge.errors import EdgeError
from infra.edge.fetch import source
from infra.edge.pull import pull

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
ENDED = 99  # the act ended before the n-th change


def main(home: str, named: str, number: str, how: str) -> int:
    """Pull, and die or be refused at the n-th change."""
    device = Device(Path(home))
    left = int(number)

    def change(event: str, given: tuple[object, ...]) -> None:
        nonlocal left
        if event == "open":
            if not (
                isinstance(given[2], int) and given[2] & (os.O_CREAT | os.O_TRUNC) and str(given[0]).startswith(home)
            ):
                return
        elif event not in CHANGES:
            return
        left -= 1
        if left == 0 and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if left <= 0 and how == "full" and event in {"open", "os.mkdir", "os.rename"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(given[0]))

    if how == "grow":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (left, resource.RLIM_INFINITY))
    else:
        sys.addaudithook(change)
    try:
        pull(device, source(named, "token"))
    except EdgeError as error:
        print(error.kind)
        return error.exit_code
    return ENDED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
