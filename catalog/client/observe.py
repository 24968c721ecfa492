"""Which files a training process really opened, seen by Python's own audit events.

What native code opens by itself (a Parquet reader in Rust) is not seen here: `ApprovedData` hands such files out and
says so. Files of the interpreter, of installed packages and of the system are left out; the environment names them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from pathlib import Path

from catalog.domain.base import Digest, file_sha256
from catalog.domain.run import OpenedFile

MAX_FILES = 100_000
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/var", "/run")
_hooked: list[Observer] = []


class Observer:
    """Collects files opened for reading between `start` and `stop`."""

    def __init__(self, exclude: tuple[Path, ...] = ()) -> None:
        prefixes = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *SYSTEM, *map(str, exclude)}
        self._excluded = tuple(str(Path(p).resolve()) + os.sep for p in prefixes)
        self._seen: dict[str, OpenedFile | None] = {}
        self._known: list[str] = []
        self._lock = threading.Lock()
        self._active = False
        self.whole = False

    def start(self) -> None:
        """Begin to observe this process."""
        if not _hooked:
            sys.addaudithook(_hook)
        _hooked.append(self)
        self._active = self.whole = True

    def stop(self) -> None:
        """Stop observing."""
        self._active = False
        if self in _hooked:
            _hooked.remove(self)

    def known(self, folder: Path) -> None:
        """Files below this folder are said by who hands them out."""
        self._known.append(str(folder) + os.sep)

    def opened(self, path: Path, size: int, digest: Digest, input_: Digest) -> None:
        """A file that was handed out, already verified."""
        with self._lock:
            self._seen[str(path)] = OpenedFile(path=str(path)[-4000:], size=size, sha256=digest, input=input_)

    def see(self, path: str) -> None:
        """A file that Python opened for reading."""
        if not self._active or path in self._seen:
            return
        absolute = os.path.abspath(path)  # noqa: PTH100 - no file is touched inside an audit hook
        if absolute.startswith(self._excluded) or absolute.endswith((".py", ".pyc")):
            return
        with self._lock:
            if len(self._seen) >= MAX_FILES:
                self.whole = False
            else:
                self._seen.setdefault(absolute, None)

    def files(self) -> list[OpenedFile]:
        """Every file seen, by digest; one that is gone since makes the observation incomplete."""
        found = []
        for path, entry in sorted(self._seen.items()):
            if entry is not None:
                found.append(entry)
                continue
            file = Path(path)
            try:
                if file.is_file():
                    found.append(OpenedFile(path=path[-4000:], size=file.stat().st_size, sha256=file_sha256(file)))
            except OSError:
                self.whole = False
        return found


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _hooked:
        return
    path, mode = arguments[0], arguments[1]
    if isinstance(path, str | bytes | os.PathLike) and (mode is None or "r" in str(mode)):
        for observer in tuple(_hooked):
            observer.see(os.fsdecode(path))
