"""Files below one root, and none outside it: the only door through which readers reach bytes, on any filesystem."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import fsspec

from validators.errors import MissingExtra, UnreadableDataset

if TYPE_CHECKING:
    from validators.declaration import Declaration

MAX_FILES = 1_000_000
MAX_COPY = 64 << 30  # bytes of one remote file that are fetched to be read
_EXTRAS = {"s3": "s3", "s3a": "s3", "lakefs": "lakefs"}


class Files:
    """The files of one folder, or one file of it, on a filesystem of fsspec's kind; paths are relative, with `/`."""

    def __init__(self, filesystem: Any, root: str, only: str | None = None) -> None:
        self._fs = filesystem
        self._local = "file" in _protocols(filesystem)
        self.root = os.path.realpath(root) if self._local else root.rstrip("/")
        self.only = only
        self.declared: Declaration | None = None  # what the owner says of them beside their format
        self._copies: set[str] = set()

    @property
    def name(self) -> str:
        """What people call it: the folder's name, or the file's."""
        return self.only or self.root.rsplit("/", 1)[-1]

    @property
    def folder(self) -> Path | None:
        """The folder on this machine; None where the files are elsewhere."""
        return Path(self.root) if self._local else None

    def where(self, relative: str = "") -> str:
        """How a message names a file."""
        return f"{self.root}/{relative}" if relative else self.root

    def names(self, *suffixes: str) -> tuple[str, ...]:
        """Relative paths of the regular files that end with a suffix (in any case; all files without one), sorted.

        Hidden files and folders are left out. Raises `path-outside` for a link that leads out, `too-large`.
        """
        wanted = tuple(s.lower() for s in suffixes)
        return tuple(n for n in self._all if not wanted or n.lower().endswith(wanted))

    @cached_property
    def _all(self) -> tuple[str, ...]:
        if self.only is not None:
            return (self.only,) if self.is_file(self.only) else ()
        found = self._walked() if self._local else self._listed()
        return tuple(sorted(found))

    def _walked(self) -> list[str]:
        found = []
        for folder, folders, names in os.walk(self.root, followlinks=False):
            folders[:] = sorted(n for n in folders if not n.startswith("."))
            for name in [*folders, *names]:
                if (Path(folder) / name).is_symlink():
                    self._inside(str((Path(folder) / name).relative_to(self.root)))
            plain = (Path(folder) / n for n in names if not n.startswith("."))
            found += [str(p.relative_to(self.root)) for p in plain if p.is_file()]
            self._few(len(found))
        return found

    def _listed(self) -> list[str]:
        prefix = self._fs._strip_protocol(self.root).rstrip("/") + "/"
        listed = (str(n).removeprefix(prefix) for n in self._fs.find(prefix))
        found = [n for n in listed if not any(p.startswith(".") for p in n.split("/"))]
        self._few(len(found))
        return found

    def _few(self, number: int) -> None:
        if number > MAX_FILES:
            raise UnreadableDataset("too-large", f"more than {MAX_FILES} files", path=self.root)

    def is_file(self, relative: str) -> bool:
        """Whether a regular file is there. Raises `path-outside`."""
        path = self._inside(relative)
        return Path(path).is_file() if self._local else bool(self._fs.isfile(path))

    def exists(self, relative: str) -> bool:
        """Whether anything is there, a file or not. Raises `path-outside`."""
        path = self._inside(relative)
        return os.path.lexists(path) if self._local else bool(self._fs.exists(path))

    def is_folder(self, relative: str) -> bool:
        """Whether a folder is there. Raises `path-outside`."""
        path = self._inside(relative)
        return self.only is None and (Path(path).is_dir() if self._local else bool(self._fs.isdir(path)))

    def size(self, relative: str) -> int:
        """Bytes of the file."""
        path = self._inside(relative)
        return Path(path).stat().st_size if self._local else int(self._fs.size(path))

    def open(self, relative: str) -> IO[bytes]:
        """The file's bytes, seekable; what is not asked for is not fetched. Raises `file-missing`, `file-damaged`."""
        path = self._inside(relative)
        try:
            return cast(IO[bytes], Path(path).open("rb") if self._local else self._fs.open(path, "rb"))
        except FileNotFoundError as error:
            raise UnreadableDataset("file-missing", "is not there", path=self.where(relative)) from error
        except OSError as error:
            raise UnreadableDataset("file-damaged", f"cannot be read: {error}", path=self.where(relative)) from error

    def place(self, relative: str) -> Path:
        """Where `local` puts the file, fetched yet or not."""
        path = self._inside(relative)
        return Path(path) if self._local else self.scratch / "copies" / relative

    def local(self, relative: str) -> Path:
        """The file on this machine: itself, or a copy in `scratch` that is fetched once."""
        path = self._inside(relative)
        if self._local:
            return Path(path)
        target = self.place(relative)
        if relative not in self._copies:
            if (size := self.size(relative)) > MAX_COPY:
                raise UnreadableDataset(
                    "too-large", f"{size} bytes, at most {MAX_COPY} are fetched", path=self.where(relative)
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._fs.get_file(path, str(target))
            except OSError as error:
                detail = f"cannot be fetched: {error}"
                raise UnreadableDataset("file-damaged", detail, path=self.where(relative)) from error
            self._copies.add(relative)
        return target

    @cached_property
    def scratch(self) -> Path:
        """A folder of this machine for what has to be fetched or decoded; it goes with this object."""
        folder = tempfile.mkdtemp(prefix="assay-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def text(self, relative: str, limit: int) -> str:
        """The UTF-8 text of a metadata file of at most `limit` bytes that is not empty."""
        where = self.where(relative)
        if not self.is_file(relative):
            raise UnreadableDataset("metadata-missing", "this metadata file is not there", path=where)
        size = self.size(relative)
        if size == 0:
            raise UnreadableDataset("metadata-empty", "this metadata file has no bytes; copy it again", path=where)
        if size > limit:
            raise UnreadableDataset("too-large", f"{size} bytes of metadata, at most {limit} are read", path=where)
        try:
            with self.open(relative) as file:
                content = file.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableDataset(
                "metadata-invalid", f"no UTF-8 text: {error.reason} at byte {error.start}", path=where
            ) from error
        except OSError as error:
            raise UnreadableDataset("file-damaged", f"cannot be read: {error.strerror}", path=where) from error
        if not content.strip():
            raise UnreadableDataset("metadata-empty", "this metadata file holds only blanks; copy it again", path=where)
        return content

    def _inside(self, relative: str) -> str:
        """The whole path. Refuses absolute paths, `..` and links that lead out (`path-outside`)."""
        parts = relative.split("/")
        if not relative or relative.startswith("/") or ".." in parts or "\0" in relative or "\\" in relative:
            raise UnreadableDataset("path-outside", f"{relative!r} points outside the dataset", path=self.root)
        whole = f"{self.root}/{relative}"
        if self._local and not Path(os.path.realpath(whole)).is_relative_to(self.root):
            raise UnreadableDataset(
                "path-outside", f"{relative!r} is a link that leads outside the dataset", path=self.root
            )
        return whole


def at(address: str | Path, filesystem: Any = None) -> Files:
    """The files of a folder or the one file at an address: a path of this machine, `s3://…`, `lakefs://…`.

    `filesystem` is one of fsspec's, with its credentials; without it the address says which, and the library reads its
    own configuration. Raises `path-missing`, `MissingExtra`.
    """
    fs, root = (filesystem, str(address)) if filesystem is not None else _filesystem(str(address))
    try:
        folder, there = bool(fs.isdir(root)), bool(fs.exists(root))
    except (OSError, ValueError) as error:
        raise UnreadableDataset("path-missing", f"cannot be looked at: {error}", path=str(address)) from error
    if not there:
        raise UnreadableDataset("path-missing", "no such folder or file", path=str(address))
    if folder:
        return Files(fs, root)
    parent, _, name = root.rstrip("/").rpartition("/")
    return Files(fs, parent or ".", only=name)


def _filesystem(address: str) -> tuple[Any, str]:
    scheme = address.partition("://")[0] if "://" in address else "file"
    if scheme == "file":
        return fsspec.filesystem("file"), os.path.abspath(address.removeprefix("file://"))  # noqa: PTH100 - keeps links
    try:
        fs, root = fsspec.core.url_to_fs(address)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = f": pip install 'assay-catalog[{extra}]'" if extra else ""
        raise MissingExtra("extra-missing", f"no library for {scheme}:// is installed{hint}") from error
    except ValueError as error:
        raise UnreadableDataset("path-missing", f"{error}", path=address) from error
    return fs, root


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
