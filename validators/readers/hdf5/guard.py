"""HDF5's library follows what a damaged file says, in circles too: a process of its own looks first, and may be ended.

It does what the reader does at open, and walks the index of every chunked dataset; rows are not read.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from validators.errors import UnreadableDataset
from validators.files import Files
from validators.readers.hdf5 import tree
from validators.readers.hdf5.contents import Contents, gather

PATIENCE_S = 30.0  # for one file
_DONE = b"\n"


def unsound(paths: Sequence[Path], patience_s: float = PATIENCE_S) -> dict[Path, str]:
    """Why a file must not be opened here, for those of which that is so."""
    found: dict[Path, str] = {}
    rest = list(paths)
    while rest:
        done, why = _looked(rest, patience_s)
        if done < len(rest):
            found[rest[done]] = why
        rest = rest[done + 1 :]
    return found


def _looked(paths: Sequence[Path], patience_s: float) -> tuple[int, str]:
    """How many files a process got through, and what became of it then."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", f"from {__name__} import look; look()"]
    done = 0
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\0".join(map(str, paths)).encode())
        process.stdin.close()
        while select.select([process.stdout], [], [], patience_s)[0]:
            if not (said := os.read(process.stdout.fileno(), 1 << 16)):
                return done, f"the HDF5 library ends with it (status {process.wait()}); copy it again"
            done += said.count(_DONE)
            if done >= len(paths):
                return done, ""
        process.kill()
    return done, f"looking at it does not end within {patience_s:g} s, it is damaged or holds too much; copy it again"


def _look(path: Path) -> None:
    """The same steps as the reader's."""
    files = Files(_local(), str(path.parent), only=path.name)
    try:
        with tree.opened(files, path.name) as file:
            found = Contents()
            gather(found, path.name, file, several=False)
            for demo in found.demos:
                for leaf in (*demo.columns.values(), *demo.pictures.values()):
                    dataset = file[demo.path(leaf)]
                    if dataset.chunks:
                        dataset.id.get_num_chunks()
    except UnreadableDataset:
        return  # the reader will say it


def _local() -> object:
    import fsspec

    return fsspec.filesystem("file")


def look() -> None:
    """The process's own part: the names of files come in, separated by NUL; a byte goes out for each that is done."""
    for name in sys.stdin.buffer.read().decode().split("\0"):
        _look(Path(name))
        os.write(1, _DONE)
