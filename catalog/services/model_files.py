"""The files of a model folder by digest: each is opened once, below its own folder, and no link is ever followed.

A folder that is swapped for a link while it is read leads nowhere else: what the service may read and its caller may
not is never registered.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from catalog.domain.model import CONTRACT, ModelFile
from catalog.errors import Invalid
from catalog.storage.snapshot import safe_path

MAX_FILES = 10_000
CONTRACT_BYTES = 2**20
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def model_files(folder: Path) -> tuple[tuple[ModelFile, ...], bytes]:
    """Every file in the order of its path, and the bytes of the contract, empty where there is none."""
    files: list[ModelFile] = []
    contract = b""
    for relative, file in _opened(folder):
        with os.fdopen(file, "rb") as content:
            if len(files) == MAX_FILES:
                raise _no_plain_file(relative, folder)
            size = os.fstat(content.fileno()).st_size
            if relative == CONTRACT:
                contract = content.read(CONTRACT_BYTES + 1)
                content.seek(0)
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        files.append(ModelFile(path=relative, size=size, sha256=f"sha256:{digest}"))
    return tuple(sorted(files, key=lambda f: f.path)), contract


def _opened(folder: Path) -> Iterator[tuple[str, int]]:
    for here, folders, names, at in os.fwalk(folder, follow_symlinks=False, onerror=_unreadable):
        inside = Path(here).relative_to(folder)
        linked = [name for name in folders if _mode(name, at) != stat.S_IFDIR]
        for name in (*linked, *names):
            relative = (inside / name).as_posix()
            if _mode(name, at) != stat.S_IFREG or not safe_path(relative):
                raise _no_plain_file(relative, folder)
            try:
                file = os.open(name, FLAGS, dir_fd=at)
            except OSError as error:
                raise _unreadable_file(error) from error
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise _no_plain_file(relative, folder)
            yield relative, file


def _mode(name: str, at: int) -> int:
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    except OSError as error:
        raise _unreadable_file(error) from error


def _no_plain_file(relative: str, folder: Path) -> Invalid:
    return Invalid("model-invalid", f"{relative!r} is no plain file, or one too many", where=str(folder))


def _unreadable(error: OSError) -> None:
    raise _unreadable_file(error) from error


def _unreadable_file(error: OSError) -> Invalid:
    return Invalid("path-unreadable", str(error), do="make it readable to the service, and leave it as it is meanwhile")
