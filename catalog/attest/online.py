"""What the online key signs: the role `current`, the snapshot and the timestamp. It can choose and deny, not allow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets, Timestamp

from catalog.attest.keyset import Keyset, signed_bytes, signed_file
from catalog.attest.roles import SPECIFICATION, signer
from catalog.errors import Refused


@dataclass(frozen=True)
class Online:
    """The online key, as the repository delegates to it."""

    signer: Signer

    @classmethod
    def load(cls, path: Path, keys: Keyset) -> Online:
        """The key file; refused where the repository names another online key."""
        found = signer(path)
        if found.public_key.keyid not in keys.may_sign("timestamp"):
            what = "this is not the online key that the repository names"
            raise Refused("signer-not-enrolled", what, where=str(path), do="use the release key, or rotate it")
        return cls(found)

    def file(self, signed: Targets | Snapshot | Timestamp) -> bytes:
        """A metadata file with this key's signature."""
        payload = signed_bytes(signed)
        signature = self.signer.sign(payload)
        return signed_file(payload, {signature.keyid: signature.signature})


def current_role(version: int, expires: datetime, documents: Mapping[str, bytes]) -> Targets:
    """The role that lists the choices and the deny list; documents are target path → bytes."""
    targets = {path: TargetFile.from_data(path, data) for path, data in documents.items()}
    return Targets(version, SPECIFICATION, expires, targets)


def snapshot_role(version: int, expires: datetime, metas: Mapping[str, MetaFile]) -> Snapshot:
    """The snapshot that names these roles."""
    return Snapshot(version, SPECIFICATION, expires, {f"{name}.json": meta for name, meta in metas.items()})


def timestamp_role(version: int, expires: datetime, snapshot: MetaFile) -> Timestamp:
    """The timestamp that names this snapshot."""
    return Timestamp(version, SPECIFICATION, expires, snapshot)


def meta(version: int, data: bytes) -> MetaFile:
    """How a role's file is named by its parent: version, length and digest."""
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})
