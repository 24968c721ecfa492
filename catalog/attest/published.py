"""What is published: the chain of roots, and the one set of files that `timestamp.json` names.

Read from the newest root down, as a device does: signatures, thresholds, versions, sizes and digests. What does not
fit is `Damaged("repository-damaged")` with the file's name. Expiry is not damage and is judged apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from catalog.attest.keys import keyid
from catalog.attest.keyset import CURRENT, Keyset, keyset_of, threshold
from catalog.attest.roles import ClassRole, Listed, enough, read
from catalog.domain.base import strict_json
from catalog.domain.release import RoleSignature
from catalog.errors import AssayError, Damaged

T = TypeVar("T", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True)
class Published:
    """The versions that devices now find, by role."""

    versions: dict[str, int]


@dataclass(frozen=True)
class Standing:
    """The published set; `metas` are the roles that the snapshot names."""

    folder: Path
    root: Root
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    current: Targets
    keys: Keyset

    @property
    def metadata(self) -> Path:
        """Where the roles are."""
        return self.folder / "metadata"

    @property
    def metas(self) -> Mapping[str, MetaFile]:
        """Role name → version, length and digest."""
        return {name.removesuffix(".json"): meta for name, meta in self.snapshot.meta.items()}

    def version(self, role: str) -> int:
        """The published version of a role that the snapshot names; 0 where it names none."""
        meta = self.metas.get(role)
        return meta.version if meta else 0

    def published(self) -> Published:
        """All versions."""
        top = {"root": self.root.version, "timestamp": self.timestamp.version, "snapshot": self.snapshot.version}
        return Published(top | {name: meta.version for name, meta in self.metas.items()})

    def class_role(self, device_class: str) -> ClassRole:
        """A class's role, of the bytes that the snapshot names and under the approvers' signatures.

        Both are asked for: the online key signs the snapshot, and it alone may allow nothing.
        """
        version = self.version(device_class)
        path = self.metadata / f"{version}.{device_class}.json"
        data = named(self.metadata, device_class, self.metas[device_class])
        try:
            role, payload, signatures = signed_role(device_class, data)
            enough(payload, signatures, self.keys.may_sign(device_class), threshold(device_class), device_class)
        except AssayError as error:
            raise damaged(path, error.what) from error
        except ValueError as error:
            raise damaged(path, str(error)) from error
        if role.version != version:
            raise damaged(path, f"it says version {role.version}")
        return role

    def target_path(self, target: TargetFile) -> Path:
        """Where a target of the role `current` lies."""
        return self.folder / "targets" / target.get_prefixed_paths()[0]

    def target(self, path: str) -> bytes | None:
        """The bytes of a published target of the role `current`, checked; None where it lists none."""
        target = self.current.targets.get(path)
        if target is None:
            return None
        where = self.target_path(target)
        data = content(where)
        try:
            target.verify_length_and_hashes(data)
        except RepositoryError as error:
            raise damaged(where, str(error)) from error
        return data

    def expiries(self) -> dict[str, datetime]:
        """When devices begin to refuse each role."""
        top = {"root": self.root, "timestamp": self.timestamp, "snapshot": self.snapshot, "targets": self.targets}
        found = {name: role.expires for name, role in (top | {CURRENT: self.current}).items()}
        return found | {name: self.class_role(name).expires for name in self.keys.device_classes}

    def documents(self) -> dict[str, bytes]:
        """The choices and the deny list, by target path."""
        return {path: self.target(path) or b"" for path in self.current.targets}

    def files(self) -> frozenset[Path]:
        """The files below `folder` that change with each publication and that this set names."""
        roles = {self.metadata / f"{meta.version}.{name}.json" for name, meta in self.metas.items()}
        snapshot = self.metadata / f"{self.snapshot.version}.snapshot.json"
        return frozenset(roles | {snapshot} | {self.target_path(target) for target in self.current.targets.values()})


def read_standing(folder: Path) -> Standing:
    """The published set, verified as a device would, but for the bodies of class roles and targets."""
    metadata = folder / "metadata"
    root = _newest_root(metadata)
    timestamp = _verified(root, metadata / "timestamp.json", Timestamp)
    named_snapshot = timestamp.snapshot_meta
    data = named(metadata, "snapshot", named_snapshot)
    snapshot = _verified(root, metadata / f"{named_snapshot.version}.snapshot.json", Snapshot, data)
    metas = {name.removesuffix(".json"): meta for name, meta in snapshot.meta.items()}
    if "targets" not in metas or CURRENT not in metas or snapshot.version != named_snapshot.version:
        raise damaged(metadata / f"{named_snapshot.version}.snapshot.json", "it does not name targets and current")
    targets = _role(root, metadata, "targets", metas["targets"])
    keys = keyset_of(root, targets)
    if set(metas) != {"targets", CURRENT, *keys.device_classes}:
        raise damaged(metadata / f"{snapshot.version}.snapshot.json", "it does not name exactly the delegated roles")
    current = _role(targets, metadata, CURRENT, metas[CURRENT])
    return Standing(folder, root, timestamp, snapshot, targets, current, keys)


def damaged(where: Path, what: str) -> Damaged:
    """A file of the repository that is not what it was."""
    do = "restore the repository from its backup; devices refuse it as it is"
    return Damaged("repository-damaged", f"{where.name}: {what}", where=str(where), do=do)


def content(path: Path) -> bytes:
    """The bytes of a file that must be there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror or error}") from error


def named(metadata: Path, role: str, meta: MetaFile) -> bytes:
    """The file of a role, of the size and digest that its parent names."""
    path = metadata / f"{meta.version}.{role}.json"
    data = content(path)
    if meta.length != len(data) or meta.hashes != {"sha256": hashlib.sha256(data).hexdigest()}:
        raise damaged(path, "its size or digest is not the one that is signed")
    return data


def manifest_path(folder: Path, path: str, listed: Listed) -> Path:
    """Where the manifest of a listed release lies."""
    parent, _, name = path.rpartition("/")
    return folder / "targets" / parent / f"{listed.sha256}.{name}"


def blob_path(folder: Path, digest: str) -> Path:
    """Where a model's file lies."""
    return folder / "targets" / "blobs" / digest.removeprefix("sha256:")


def signed_role(device_class: str, data: bytes) -> tuple[ClassRole, bytes, tuple[RoleSignature, ...]]:
    """A class's role, its signed bytes and its signatures, from its file; nothing is verified yet."""
    payload, signatures = split(data)
    return read(device_class, payload), payload, signatures


def split(data: bytes) -> tuple[bytes, tuple[RoleSignature, ...]]:
    """The signed bytes and the signatures of a metadata file that we wrote."""
    head, found, body = data.partition(b',"signed":')
    if not found or not body.endswith(b"}"):
        raise ValueError("not a metadata file of ours")
    signatures = strict_json(head + b"}", "signatures")["signatures"]
    return body[:-1], tuple(RoleSignature.of(signature) for signature in signatures)


def _newest_root(metadata: Path) -> Root:
    """Follow the chain from the first root: each is signed by its own keys and by those of the one before."""
    root = _parsed(metadata / "1.root.json", Root)
    _honest(metadata / "1.root.json", root.signed.keys)
    newest, version = root.signed, 1
    _chained(metadata / "1.root.json", None, root)
    while (path := metadata / f"{version + 1}.root.json").exists():
        following = _parsed(path, Root)
        _honest(path, following.signed.keys)
        _chained(path, newest, following)
        newest, version = following.signed, version + 1
    return newest


def _chained(path: Path, previous: Root | None, root: Metadata[Root]) -> None:
    try:
        result = root.signed.get_root_verification_result(previous, root.signed_bytes, root.signatures)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if not result:
        raise damaged(path, "too few root keys signed it")


def _honest(path: Path, keys: Mapping[str, Key]) -> None:
    """Each key under its own id, so that one key never counts as two."""
    for identity, key in keys.items():
        try:
            same = keyid(str(key.keyval["public"])) == identity
        except (KeyError, ValueError):
            same = False
        if not same:
            raise damaged(path, f"key {identity[:16]}… is listed under an id that is not its own")


def _parsed(path: Path, kind: type[T], data: bytes | None = None) -> Metadata[T]:
    read = content(path) if data is None else data
    try:
        found = Metadata[T].from_bytes(read)
    except DeserializationError as error:
        raise damaged(path, f"not a metadata file: {error}") from error
    if not isinstance(found.signed, kind):
        raise damaged(path, f"it is no {kind.type}")
    return found


def _verified(root: Root, path: Path, kind: type[T], data: bytes | None = None) -> T:
    found = _parsed(path, kind, data)
    try:
        root.verify_delegate(kind.type, found.signed_bytes, found.signatures)
    except (RepositoryError, ValueError) as error:
        raise damaged(path, str(error)) from error
    return found.signed


def _role(parent: Root | Targets, metadata: Path, name: str, meta: MetaFile) -> Targets:
    path = metadata / f"{meta.version}.{name}.json"
    found = _parsed(path, Targets, named(metadata, name, meta))
    keys: dict[str, Any] = dict(parent.keys if isinstance(parent, Root) else (parent.delegations or _none(path)).keys)
    _honest(path, keys)
    try:
        parent.verify_delegate(name, found.signed_bytes, found.signatures)
    except (RepositoryError, ValueError) as error:
        raise damaged(path, str(error)) from error
    if found.signed.version != meta.version:
        raise damaged(path, f"it says version {found.signed.version}")
    return found.signed


def _none(path: Path) -> Any:
    raise damaged(path, "it delegates nothing")
