"""Bytes become a file only when they are what their digest says; a folder is what the digests of its files say."""

import os
from pathlib import Path

from catalog.domain.base import file_sha256, sha256
from catalog.domain.model import ModelFile
from catalog.errors import Damaged


def verified_write(path: Path, content: bytes, digest: str) -> None:
    """Write bytes only if they are what their digest says."""
    if sha256(content) != digest:
        raise Damaged("digest-mismatch", f"{path.name} is not what its digest says", do="look at `assay status`")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def model_files(folder: Path) -> tuple[ModelFile, ...]:
    """Every file below a folder by its digest, in the order of a model's manifest."""
    found = [Path(here, name) for here, _, names in os.walk(folder, followlinks=False) for name in names]
    files = [
        ModelFile(path=file.relative_to(folder).as_posix(), size=file.stat().st_size, sha256=file_sha256(file))
        for file in found
    ]
    return tuple(sorted(files, key=lambda f: f.path))
