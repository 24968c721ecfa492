"""Bytes from the service become a file only when they are what their digest says."""

from pathlib import Path

from catalog.domain.base import sha256
from catalog.errors import Damaged


def verified_write(path: Path, content: bytes, digest: str) -> None:
    """Write bytes only if they are what their digest says."""
    if sha256(content) != digest:
        raise Damaged("digest-mismatch", f"{path.name} is not what its digest says", do="look at `assay status`")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
