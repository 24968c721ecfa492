"""One publication: every new file first, synced, under names that nobody reads yet; `timestamp.json` last.

A new root is read by devices as soon as it is there, so it and the timestamp that fits it are put into `pending/` in
one rename, which is the moment of truth; whoever comes next brings them to their places, as often as it takes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from catalog.attest.durable import BESIDE, sync, unwritable, write
from catalog.attest.keyset import CURRENT
from catalog.attest.online import Online, current_role, meta, snapshot_role, timestamp_role
from catalog.attest.published import Published, Standing, content, read_standing

PENDING = "pending"


@dataclass(frozen=True)
class Change:
    """What a publication brings: role files by name and version, and the documents of `current` if they change.

    `resign` keeps the documents of `current` and signs them with another online key.
    """

    roles: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    documents: Mapping[str, bytes] | None = None
    root: tuple[int, bytes] | None = None
    resign: bool = False


def commit(folder: Path, before: Standing | None, change: Change, online: Online, expires: datetime) -> Published:
    """Put a change in its place; what no device can still be reading goes away afterwards."""
    metadata = folder / "metadata"
    metas = dict(before.metas) if before else {}
    roles = dict(change.roles)
    documents = change.documents
    if documents is None and change.resign and before is not None:
        documents = before.documents()
    if documents is not None:
        version = before.current.version + 1 if before else 1
        role = current_role(version, expires, documents)
        for path, target in role.targets.items():
            lay(folder / "targets" / target.get_prefixed_paths()[0], documents[path])
        roles[CURRENT] = (version, online.file(role))
    for name, (version, data) in roles.items():
        write(metadata / f"{version}.{name}.json", data)
        metas[name] = meta(version, data)
    version = before.snapshot.version + 1 if before else 1
    snapshot = online.file(snapshot_role(version, expires, metas))
    write(metadata / f"{version}.snapshot.json", snapshot)
    stamp = timestamp_role(before.timestamp.version + 1 if before else 1, expires, meta(version, snapshot))
    _switch(folder, change.root, online.file(stamp))
    after = read_standing(folder)
    if before is not None:
        prune(folder, before.files() | after.files())
    return after.published()


def lay(path: Path, data: bytes) -> None:
    """Write a file that is named by its digest, unless it is there."""
    if not path.is_file() or path.stat().st_size != len(data):
        write(path, data)


def _switch(folder: Path, root: tuple[int, bytes] | None, timestamp: bytes) -> None:
    if root is None:
        write(folder / "metadata" / "timestamp.json", timestamp)
        return
    beside, pending = folder / f"{BESIDE}{PENDING}", folder / PENDING
    try:
        write(beside / f"{root[0]}.root.json", root[1])
        write(beside / "timestamp.json", timestamp)
        beside.rename(pending)
        sync(folder)
    except OSError as error:
        raise unwritable(pending, error) from error
    finish(folder)


def finish(folder: Path) -> None:
    """Bring a pending root and its timestamp to their places, once: what stayed pending would turn time back."""
    pending, done = folder / PENDING, folder / f"{BESIDE}{PENDING}"
    try:
        if done.exists():
            shutil.rmtree(done)
        if pending.is_dir():
            for path in (*pending.glob("*.root.json"), pending / "timestamp.json"):
                write(folder / "metadata" / path.name, content(path))
            pending.rename(done)
            sync(folder)
            shutil.rmtree(done)
    except OSError as error:
        raise unwritable(pending, error) from error


def prune(folder: Path, named: frozenset[Path]) -> None:
    """Remove role files and documents that neither this publication nor the one before names, and half-written ones."""
    metadata, targets = folder / "metadata", folder / "targets"
    candidates = [path for path in metadata.glob("*.*.json") if not path.name.endswith(".root.json")]
    candidates += [*metadata.glob(f"{BESIDE}*"), *targets.glob("*.json"), *targets.glob(f"{BESIDE}*")]
    candidates += (targets / CURRENT).glob("*")
    for path in candidates:
        if path not in named and path.is_file():
            path.unlink(missing_ok=True)
