"""A verified, read-only copy of a commit: every object re-read from the store and digested on the way.

The copy appears under its manifest digest complete or not at all; what fails verification never appears.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catalog.domain.dataset import ObjectEntry
from catalog.errors import Unavailable
from catalog.storage.port import VersionStore

THREADS = 8


@dataclass(frozen=True)
class Reread:
    """What re-reading found: how much was read, and one sentence for each object with wrong bytes or wrongly listed."""

    folder: Path | None
    objects: int
    bytes: int
    wrong_bytes: tuple[str, ...] = ()
    wrong_listing: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """All that did not agree."""
        return self.wrong_listing + self.wrong_bytes


def reread(
    store: VersionStore,
    repository: str,
    commit: str,
    table: Iterable[ObjectEntry],
    metadata_paths: frozenset[str],
    target: Path,
    progress: Callable[[float], None],
) -> Reread:
    """Compare listing and table both ways, re-read and digest each object, keep the copy only if all agree.

    `metadata_paths` are the catalog's own files of the commit, which the table does not list.
    """
    expected = {entry.path: entry for entry in table}
    listed = set(store.listing(repository, commit)["path"])
    listing = [f"{p}: in the commit, in no table" for p in sorted(listed - expected.keys() - metadata_paths)]
    listing += [f"{p}: in the table, not in the commit" for p in sorted(expected.keys() - listed)]
    listing += [f"{p}: unsafe path" for p in sorted(expected) if not safe_path(p)]
    building = target.with_name(target.name + ".building")
    discard(building)
    wrong: list[str] = []
    present = [e for p, e in sorted(expected.items()) if p in listed and safe_path(p)]

    def one(entry: ObjectEntry) -> str | None:
        found = _copy(store, repository, commit, entry, building / entry.path)
        if found != (entry.size, entry.sha256):
            return f"{entry.path}: bytes are {found[1]} ({found[0]} B), the table says {entry.sha256} ({entry.size} B)"
        return None

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for done, fault in enumerate(pool.map(one, present), start=1):
                progress(done / len(present))
                if fault:
                    wrong.append(fault)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        raise Unavailable(
            "disk-full", f"the snapshot cannot be written: {error}", where=str(target), do="free space and try again"
        ) from error
    read = sum(e.size for e in present)
    if listing or wrong:
        shutil.rmtree(building, ignore_errors=True)
        return Reread(None, len(present), read, tuple(wrong), tuple(listing))
    _publish(building, target)
    return Reread(target, len(present), read)


def safe_path(path: str) -> bool:
    """Whether an object's key may become a file below a folder, and be shown: no control or direction characters."""
    parts = PurePosixPath(path).parts
    return bool(parts) and "\\" not in path and path.isprintable() and path == "/".join(parts) and ".." not in parts


def _copy(store: VersionStore, repository: str, commit: str, entry: ObjectEntry, target: Path) -> tuple[int, str]:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, total = hashlib.sha256(), 0
    with target.open("wb") as out:
        for chunk in store.read(repository, commit, entry.path):
            digest.update(chunk)
            total += len(chunk)
            out.write(chunk)
    return total, "sha256:" + digest.hexdigest()


def _publish(building: Path, target: Path) -> None:
    building.mkdir(parents=True, exist_ok=True)
    for folder, _, files in os.walk(building, topdown=False):
        for name in files:
            Path(folder, name).chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    # aside first: a crash while removing must not leave half of a copy under its name
    old = target.with_name(target.name + ".old")
    discard(old)
    if target.exists():
        target.rename(old)
    building.rename(target)
    discard(old)
    for folder, _, _ in os.walk(target, topdown=False):
        Path(folder).chmod(0o555)


def discard(folder: Path) -> None:
    """Remove a read-only copy."""
    for inner, _, _ in os.walk(folder):
        Path(inner).chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
