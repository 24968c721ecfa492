"""A release repository as a whole: verified down to the last byte, and copied so that the copy verifies too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from catalog.attest.commit import lay, prune
from catalog.attest.durable import BESIDE, alone, unwritable, write
from catalog.attest.keyset import CURRENT
from catalog.attest.published import (
    Published,
    Standing,
    blob_path,
    content,
    damaged,
    manifest_path,
    read_standing,
)
from catalog.attest.roles import Listed
from catalog.domain.base import file_sha256, sha256
from catalog.domain.model import ModelFile
from catalog.domain.release import DENIED, CurrentRelease, DenyList, ReleaseManifest
from catalog.errors import AssayError, Conflict


def verify(standing: Standing, at: datetime) -> None:
    """Everything that devices may read, against the first root; `Damaged` names the file, `Conflict` what expired."""
    seen: set[ModelFile] = set()
    for device_class in standing.keys.device_classes:
        for path, listed in standing.class_role(device_class).targets.items():
            for file in manifest_of(standing.folder, path, listed).files:
                if file not in seen:
                    _require_blob(blob_path(standing.folder, file.sha256), file)
                seen.add(file)
    for path, data in standing.documents().items():
        kind = DenyList if path == DENIED else CurrentRelease
        try:
            kind.parse(data)
        except AssayError as error:
            raise damaged(standing.folder / "targets" / path, error.what) from error
    _require_unexpired(standing, at)


def manifest_of(folder: Path, path: str, listed: Listed) -> ReleaseManifest:
    """The manifest of a listed release, as it was signed."""
    where = manifest_path(folder, path, listed)
    data = content(where)
    if len(data) != listed.length or sha256(data) != f"sha256:{listed.sha256}":
        raise damaged(where, "its size or digest is not the one that is signed")
    try:
        return ReleaseManifest.parse(data)
    except AssayError as error:
        raise damaged(where, error.what) from error


def _require_blob(path: Path, file: ModelFile) -> None:
    try:
        good = path.stat().st_size == file.size and file_sha256(path) == file.sha256
    except OSError as error:
        raise damaged(path, f"{file.path} cannot be read: {error.strerror or error}") from error
    if not good:
        raise damaged(path, f"it is not the {file.path} that is signed")


def _require_unexpired(standing: Standing, at: datetime) -> None:
    expiries = standing.expiries()
    role = min(expiries, key=lambda name: expiries[name])
    if expiries[role] <= at:
        online = role in {CURRENT, "snapshot", "timestamp"}
        do = "let the service publish" if online else "renew it: assay key rotate --renew"
        raise Conflict("release-outdated", f"{role} has expired, and devices refuse it", where=role, do=do)


def copy(standing: Standing, to: Path) -> Published:
    """Bring what is published to another folder: its first root, which names it, then new files, `timestamp.json` last.

    A copy that was interrupted, the first one too, is finished by the next.
    """
    first = content(standing.metadata / "1.root.json")
    try:
        to.mkdir(parents=True, exist_ok=True)
        there = (to / "metadata" / "1.root.json").exists()
        if not there and _holds_anything(to):
            raise Conflict("already-exists", "the folder is not empty", where=str(to), do="choose an empty one")
    except OSError as error:
        raise unwritable(to, error) from error
    if there and content(to / "metadata" / "1.root.json") != first:
        raise Conflict("already-exists", "another repository is there", where=str(to), do="choose an empty folder")
    with alone(to):
        _bring(standing.metadata / "1.root.json", standing.folder, to)
        for path in _targets(standing):
            _bring(path, standing.folder, to)
        for path in sorted(standing.files()):
            _bring(path, standing.folder, to)
        for number in range(2, standing.root.version + 1):
            _bring(standing.metadata / f"{number}.root.json", standing.folder, to)
        write(to / "metadata" / "timestamp.json", content(standing.metadata / "timestamp.json"))
        after = read_standing(to)
        prune(to, after.files())
    return after.published()


def _holds_anything(folder: Path) -> bool:
    """Whether a folder holds more than what a copy leaves that died before its first file."""
    left = (".lock", BESIDE)
    return any(path.is_symlink() or not path.is_dir() for path in folder.rglob("*") if not path.name.startswith(left))


def _targets(standing: Standing) -> Iterator[Path]:
    for device_class in standing.keys.device_classes:
        for path, listed in standing.class_role(device_class).targets.items():
            manifest = manifest_of(standing.folder, path, listed)
            yield from (blob_path(standing.folder, file.sha256) for file in manifest.files)
            yield manifest_path(standing.folder, path, listed)


def _bring(path: Path, source: Path, to: Path) -> None:
    goal = to / path.relative_to(source)
    if goal.is_file() and goal.stat().st_size == path.stat().st_size and path.parent.name == "blobs":
        return
    lay(goal, content(path))
