"""What an HDF5 file holds, looked at without reading values and without following anything out of the file.

Links other than hard ones, virtual and external datasets, references, compound types, filters that are not installed
and sizes beyond every recording are refused, each named as a `Refusal`; what is left can be read slice by slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from validators.errors import UnreadableDataset
from validators.extras import need
from validators.files import Files
from validators.readers.columns import MAX_BYTES, MAX_ROWS

MAX_OBJECTS = 200_000  # of one file
MAX_DEPTH = 16
MAX_CHUNK = 1 << 30  # bytes: one chunk is decompressed whole
MAX_RATIO, SMALL = 2000, 1 << 30  # bytes claimed for one stored, of datasets that claim more than so many
MAX_TEXT = 16 << 20  # bytes of an attribute
_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Leaf:
    """A dataset that can be read: its path below the group, shape, NumPy type, and whether it holds byte strings."""

    path: str
    shape: tuple[int, ...]
    dtype: Any
    strings: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, uncompressed."""
        return math.prod(self.shape[1:]) * int(self.dtype.itemsize)


@dataclass(frozen=True)
class Refusal:
    """Something in the file that is not read, and why."""

    path: str
    kind: str
    why: str


def available() -> None:
    """Raises `MissingExtra` when HDF5 cannot be read."""
    need("h5py", "hdf5")


@contextmanager
def opened(files: Files, relative: str) -> Iterator[Any]:
    """The file as h5py's.

    Raises `UnreadableDataset` (`file-damaged`, with what the block ran into), `MissingExtra`.
    """
    h5py = need("h5py", "hdf5")
    try:
        with h5py.File(files.local(relative), "r", locking=False) as file:
            yield file
    except _ERRORS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        detail = f"no readable HDF5 file ({reason}); copy it again"
        raise UnreadableDataset("file-damaged", detail, path=files.where(relative)) from error


def attribute(node: Any, name: str) -> Any:
    """A small attribute: text, number, list of them, or None where it is absent, large or of another kind."""
    if name not in node.attrs:
        return None
    kind = node.attrs.get_id(name)
    if kind.get_storage_size() > MAX_TEXT:
        return None
    value = node.attrs[name]
    value = value.tolist() if hasattr(value, "tolist") else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def groups(node: Any) -> Iterator[tuple[str, Any]]:
    """The groups directly below one, by hard links only."""
    h5py = need("h5py", "hdf5")
    for name in _names(node):
        if isinstance(node.get(name, getlink=True), h5py.HardLink) and node.get(name, getclass=True) is h5py.Group:
            yield name, node[name]


def leaves(node: Any, without: tuple[str, ...] = ()) -> tuple[list[Leaf], list[Refusal]]:
    """The datasets below a group in order of path; groups named in `without` are passed over."""
    h5py = need("h5py", "hdf5")
    found: list[Leaf] = []
    refused: list[Refusal] = []
    stack = [("", node, 0)]
    seen = 0
    while stack:
        prefix, group, depth = stack.pop()
        for name in _names(group):
            path = f"{prefix}{name}"
            seen += 1
            if seen > MAX_OBJECTS or depth > MAX_DEPTH:
                detail = f"more than {MAX_OBJECTS} objects or {MAX_DEPTH} levels, at {path}"
                raise UnreadableDataset("too-large", detail)
            if path in without:
                continue
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                target = getattr(link, "filename", None)
                where = f"the file {target!r}" if target else f"{getattr(link, 'path', '?')!r}"
                refused.append(Refusal(path, "path-outside", f"is a link to {where}; links are not followed"))
                continue
            try:
                child = group[name]
                if isinstance(child, h5py.Group):
                    stack.append((f"{path}/", child, depth + 1))
                elif isinstance(child, h5py.Dataset):
                    why = _refusal(child)
                    (refused.append(Refusal(path, *why)) if why else found.append(_leaf(path, child)))
            except _ERRORS as error:
                refused.append(
                    Refusal(path, "file-damaged", f"cannot be opened ({' '.join(str(error).split())[:120]})")
                )
    return sorted(found, key=lambda leaf: leaf.path), sorted(refused, key=lambda r: r.path)


def _names(group: Any) -> list[str]:
    if len(group) > MAX_OBJECTS:
        raise UnreadableDataset("too-large", f"{len(group)} objects in one group, at most {MAX_OBJECTS}")
    return [name for name in group if isinstance(name, str)]


def _leaf(path: str, dataset: Any) -> Leaf:
    h5py = need("h5py", "hdf5")
    strings = h5py.check_string_dtype(dataset.dtype) is not None or h5py.check_vlen_dtype(dataset.dtype) is not None
    return Leaf(path, tuple(int(n) for n in dataset.shape), dataset.dtype, strings)


def _refusal(dataset: Any) -> tuple[str, str] | None:
    """Why a dataset is not read, as (kind, words)."""
    return _elsewhere(dataset) or _unlike_numbers(dataset) or _too_large(dataset)


def _elsewhere(dataset: Any) -> tuple[str, str] | None:
    if dataset.is_virtual:
        return "path-outside", "is a virtual dataset, its values lie elsewhere"
    if dataset.external:
        return "path-outside", f"lies in another file ({dataset.external[0][0]!r})"
    return None


def _unlike_numbers(dataset: Any) -> tuple[str, str] | None:
    h5py = need("h5py", "hdf5")
    if dataset.shape is None:
        return "file-damaged", "holds no values"
    kind = dataset.dtype
    if h5py.check_ref_dtype(kind) is not None:
        return "column-type", "holds references to objects"
    if kind.names or kind.subdtype:
        return "column-type", f"holds compound values ({kind})"
    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code = plist.get_filter(number)[0]
        if not h5py.h5z.filter_avail(code):
            return "file-damaged", f"is compressed by filter {code}, which is not installed"
    return None


def _too_large(dataset: Any) -> tuple[str, str] | None:
    kind = dataset.dtype
    size, stored = math.prod(dataset.shape) * kind.itemsize, dataset.id.get_storage_size()
    chunk = math.prod(dataset.chunks or ()) * kind.itemsize
    if dataset.ndim and dataset.shape[0] > MAX_ROWS:
        return "too-large", f"claims {dataset.shape[0]} rows"
    if chunk > MAX_CHUNK or size > 8 * MAX_BYTES or (size > SMALL and size > MAX_RATIO * max(1, stored)):
        return "too-large", f"claims {size} bytes, {stored} are stored (chunks of {chunk} bytes)"
    return None
