"""Files of one folder and none outside it: every path from metadata or from disk is resolved before it is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from validators.errors import UnreadableDataset

MAX_FILES = 1_000_000


def inside(root: Path, relative: str) -> Path:
    """The path `relative` below `root` (which is resolved). Refuses absolute paths, `..` and links that lead out."""
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or "\0" in relative or not relative:
        raise UnreadableDataset("path-outside", f"{relative!r} points outside the dataset", path=root)
    found = root / path
    resolved = Path(os.path.realpath(found))
    if not resolved.is_relative_to(root):
        raise UnreadableDataset("path-outside", f"{relative!r} is a link that leads outside the dataset", path=root)
    return found


def files(root: Path, suffix: str) -> Iterator[str]:
    """Relative paths of the regular files below `root` that end with `suffix`, sorted, hidden ones left out."""
    seen = 0
    found = []
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(n for n in folders if not n.startswith("."))
        for name in [*folders, *names]:
            if (Path(folder) / name).is_symlink():
                inside(root, str((Path(folder) / name).relative_to(root)))
        seen += len(names)
        if seen > MAX_FILES:
            raise UnreadableDataset("too-large", f"more than {MAX_FILES} files", path=root)
        found += [
            Path(folder, n)
            for n in names
            if n.endswith(suffix) and not n.startswith(".") and (Path(folder) / n).is_file()
        ]
    return iter(sorted(str(p.relative_to(root)) for p in found))


def text(root: Path, relative: str, limit: int) -> str:
    """The UTF-8 text of a metadata file of at most `limit` bytes that is not empty."""
    path = inside(root, relative)
    if not path.is_file():
        raise UnreadableDataset("metadata-missing", "this metadata file is not there", path=path)
    size = path.stat().st_size
    if size == 0:
        raise UnreadableDataset("metadata-empty", "this metadata file has no bytes; copy it again", path=path)
    if size > limit:
        raise UnreadableDataset("too-large", f"{size} bytes of metadata, at most {limit} are read", path=path)
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableDataset(
            "metadata-invalid", f"no UTF-8 text: {error.reason} at byte {error.start}", path=path
        ) from error
    except OSError as error:
        raise UnreadableDataset("file-damaged", f"cannot be read: {error.strerror}", path=path) from error
    if not content.strip():
        raise UnreadableDataset("metadata-empty", "this metadata file holds only blanks; copy it again", path=path)
    return content
