"""A release's files on disk: fetched into a folder of their own, verified one by one, then named in one step.

`copy` is how anything leaves that folder again: each file is read once, and what was read is what is digested, copied
and handed on. A file more, a file less, a link or a byte changed refuses the whole.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from infra.edge.disk import CHUNK, publish, remove
from infra.edge.errors import EdgeError, Refused, disk
from infra.edge.fetch import Source
from infra.edge.formats import require_safe
from infra.edge.release import File, Manifest
from infra.edge.trust import refusals

PULL = "run `assay-edge pull`"
FETCH = "copy the repository again, or fetch from the catalog"


def install(manifest: Manifest, source: Source, incoming: Path, folder: Path) -> None:
    """Fetch and verify every file, then give the folder its name; an unsafe format refuses before it is there."""
    remove(incoming)
    try:
        _fetch(manifest, source, incoming)
        remove(folder)
        publish(incoming, folder)
    except BaseException:
        with suppress(EdgeError):
            remove(incoming)
        raise


def _fetch(manifest: Manifest, source: Source, incoming: Path) -> None:
    with disk():
        incoming.mkdir(mode=0o700)
    for one in manifest.files:
        out = incoming / one.path
        with disk():
            out.parent.mkdir(parents=True, exist_ok=True)
        with refusals():
            chunks = source.fetch(f"{source.base}/targets/blobs/{one.sha256.removeprefix('sha256:')}")
            _store(one, chunks, out, sync=True, do=FETCH)
        with out.open("rb") as written:
            require_safe(one.path, written)


def copy(manifest: Manifest, folder: Path, out: Path) -> None:
    """Copy the installed files into a new private folder while verifying them; afterwards both are read-only there."""
    require_only(manifest, folder)
    with disk():
        out.mkdir(mode=0o700)
    for one in manifest.files:
        target = out / one.path
        with disk():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _store(one, _read(folder, one), target, sync=False, do=PULL)
        with target.open("rb") as written:
            require_safe(one.path, written)
        with disk():
            target.chmod(0o400)
    with disk():
        for path, _, _ in os.walk(out, topdown=False):
            Path(path).chmod(0o500)


def verify(manifest: Manifest, folder: Path) -> None:
    """Refuse an installed folder that is not exactly what was signed."""
    require_only(manifest, folder)
    for one in manifest.files:
        hashed, size = hashlib.sha256(), 0
        for chunk in _limited(one, _read(folder, one), PULL):
            hashed.update(chunk)
            size += len(chunk)
        _require(one, size, hashed.hexdigest(), PULL)


def in_memory(manifest: Manifest, folder: Path) -> dict[str, bytes]:
    """The installed files as verified bytes by path."""
    require_only(manifest, folder)
    found: dict[str, bytes] = {}
    for one in manifest.files:
        data = b"".join(_limited(one, _read(folder, one), PULL))
        _require(one, len(data), hashlib.sha256(data).hexdigest(), PULL)
        require_safe(one.path, io.BytesIO(data))
        found[one.path] = data
    return found


def require_only(manifest: Manifest, folder: Path) -> None:
    """Refuse a folder that holds anything but the manifest's files."""
    wanted = {one.path for one in manifest.files}
    found: set[str] = set()
    if folder.is_symlink() or not folder.is_dir():
        raise Refused("file-missing", f"release {manifest.number} is not on this disk", PULL)
    for path, folders, files in os.walk(folder):
        inner = Path(path).relative_to(folder)
        found.update((inner / name).as_posix() for name in files)
        found.update((inner / name).as_posix() for name in folders if (Path(path) / name).is_symlink())
        if not folders and not files:
            found.add(inner.as_posix() + "/")
    if extra := sorted(found - wanted):
        what = f"release {manifest.number} has a file that nobody released: {extra[0]!r}"
        raise Refused("file-extra", what, "find out who put it there, remove it, pull again")
    if missing := sorted(wanted - found):
        raise Refused("file-missing", f"release {manifest.number} lacks {missing[0]!r}", PULL)


def _read(folder: Path, one: File) -> Iterator[bytes]:
    try:
        handle = os.open(folder / one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused("file-changed", f"{one.path} is a link", PULL) from error
        raise Refused("file-missing", f"{one.path} cannot be read: {error.strerror}", PULL) from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused("file-changed", f"{one.path} is no plain file", PULL)
        while True:
            with disk():
                chunk = file.read(CHUNK)
            if not chunk:
                return
            yield chunk


def _store(one: File, chunks: Iterable[bytes], out: Path, *, sync: bool, do: str) -> None:
    """Write the bytes, refuse other ones than the manifest's."""
    hashed, size = hashlib.sha256(), 0
    with disk():
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        for chunk in _limited(one, chunks, do):
            hashed.update(chunk)
            size += len(chunk)
            _write(file.fileno(), chunk)
        if sync:
            with disk():
                os.fsync(file.fileno())
    _require(one, size, hashed.hexdigest(), do)


def _write(handle: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    with disk():
        while rest:
            rest = rest[os.write(handle, rest) :]


def _limited(one: File, chunks: Iterable[bytes], do: str) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > one.size:
            raise _changed(one, f"longer than {one.size} bytes", do)
        yield chunk


def _require(one: File, size: int, digest: str, do: str) -> None:
    if size != one.size:
        raise _changed(one, f"{size} of {one.size} bytes", do)
    if f"sha256:{digest}" != one.sha256:
        raise _changed(one, f"sha256:{digest} instead of {one.sha256}", do)


def _changed(one: File, how: str, do: str) -> Refused:
    return Refused("file-changed", f"{one.path} is not what was signed: {how}", do)
