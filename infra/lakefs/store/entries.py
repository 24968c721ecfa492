"""An object at a path. Its identity is size, digests, content type and metadata, never its time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.lakefs.errors import InvalidError

MAX_PATH = 1024
MAX_METADATA = 1 << 16  # bytes of it as JSON
DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` is UTF-8 (1 to 1024 bytes), `mtime` seconds since 1970, `metadata` canonical JSON of strings, `digest`
    the sha256 over all fields but the time."""

    path: bytes
    sha256: bytes
    md5: bytes
    size: int
    mtime: int
    content_type: str
    metadata: str
    digest: bytes

    @property
    def user_metadata(self) -> dict[str, str]:
        values: dict[str, str] = json.loads(self.metadata)
        return values


def make_entry(
    path: bytes, sha256: bytes, md5: bytes, size: int, mtime: int, content_type: str, metadata: Mapping[str, str]
) -> Entry:
    text = canonical(metadata)
    if len(text.encode()) > MAX_METADATA:
        raise InvalidError(f"metadata has {len(text.encode())} bytes as JSON, allowed are {MAX_METADATA}")
    (digest,) = row_digests([(path, sha256, md5, size)], content_type, text)
    return Entry(path, sha256, md5, size, mtime, content_type, text, digest)


def row_digests(rows: Iterable[tuple[bytes, bytes, bytes, int]], content_type: str, metadata: str) -> list[bytes]:
    """The digests of entries (path, sha256, md5, size) that have content type and metadata in common."""
    last = _field(content_type.encode()) + _field(metadata.encode())
    return [
        hashlib.sha256(
            b"".join((b"lakefs-row-1\0", _field(path), _field(sha256), _field(md5), _field(b"%d" % size), last))
        ).digest()
        for path, sha256, md5, size in rows
    ]


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def canonical(value: object) -> str:
    """JSON with sorted keys and no space, for everything that is digested."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key(path: str) -> bytes:
    """A path as the store sorts it; InvalidError outside of 1 to 1024 bytes."""
    encoded = path.encode()
    if not 1 <= len(encoded) <= MAX_PATH:
        raise InvalidError(f"path has {len(encoded)} bytes, allowed are 1 to {MAX_PATH}")
    return encoded
