"""Files below one root, and none outside it: the only door through which readers reach bytes, on any filesystem."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

import fsspec

from validators.errors import MissingExtra, UnreadableDataset
from validators.remote import BUFFER, reading, told

if TYPE_CHECKING:
    from validators.declarations.declaration import Declaration

MAX_FILES = 1_000_000
MAX_COPY = 64 << 30  # bytes of one remote file that are fetched to be read
_PATIENCE: dict[str, dict[str, Any]] = {  # a store that does not answer is told within half a minute
    scheme: {"config_kwargs": {"connect_timeout": 5, "read_timeout": 20, "retries": {"max_attempts": 2}}}
    for scheme in ("s3", "s3a")
}
_EXTRAS = {"s3": "s3", "s3a": "s3", "lakefs": "lakefs"}


class Files:
    """The files of one folder, or one file of it, on a filesystem of fsspec's kind; paths are relative, with `/`."""

    def __init__(self, filesystem: Any, root: str, only: str | None = None) -> None:
        self._fs = filesystem
        self._local = "file" in _protocols(filesystem)
        self.root = os.path.realpath(root) if self._local else str(filesystem._strip_protocol(root)).rstrip("/")
        self._scheme = "" if self._local else f"{_protocols(filesystem)[0]}://"
        self.only = only
        self.declared: Declaration | None = None  # what the owner says of them beside their format
        self._copies: set[str] = set()
        self._looked: dict[str, int | None] = {}

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
        root = f"{self._scheme}{self.root}"
        return f"{root}/{relative}" if relative else root

    def names(self, *suffixes: str) -> tuple[str, ...]:
        """Relative paths of the regular files that end with a suffix (in any case; all files without one), sorted.

        Hidden files and folders are left out. Raises `path-outside` for a link that leads out, `too-large`,
        `access-denied` for a folder that may not be listed.
        """
        wanted = tuple(s.lower() for s in suffixes)
        return tuple(n for n in self._all if not wanted or n.lower().endswith(wanted))

    @cached_property
    def _all(self) -> tuple[str, ...]:
        if self.only is not None:
            return (self.only,) if self.is_file(self.only) else ()
        with told(self.where()):
            found = self._walked() if self._local else self._listed()
        return tuple(sorted(found))

    def _walked(self) -> list[str]:
        found = []
        for folder, folders, names in os.walk(self.root, followlinks=False, onerror=_unlistable):
            folders[:] = sorted(n for n in folders if not n.startswith("."))
            for name in [*folders, *names]:
                if (Path(folder) / name).is_symlink():
                    self._inside(str((Path(folder) / name).relative_to(self.root)))
            plain = (Path(folder) / n for n in names if not n.startswith("."))
            found += [str(p.relative_to(self.root)) for p in plain if p.is_file()]
            self._few(len(found))
        return found

    def _listed(self) -> list[str]:
        return [n for n in self._elsewhere if not any(p.startswith(".") for p in n.split("/"))]

    @cached_property
    def _elsewhere(self) -> dict[str, int]:
        """Relative path → bytes of every file below the root, asked for once."""
        prefix = f"{self.root}/"
        with told(self.where(), "path-missing"):
            entries = self._fs.find(prefix, detail=True)
        self._few(len(entries))
        files = ((str(n).removeprefix(prefix), e) for n, e in entries.items() if e["type"] == "file")
        return {name: int(entry["size"] or 0) for name, entry in files}

    def _bytes(self, relative: str) -> int | None:
        """The size of a file that is elsewhere, None where there is none."""
        if self.only is None:
            return self._elsewhere.get(relative)
        if relative not in self._looked:
            try:
                with told(self.where(relative)):
                    entry = self._fs.info(f"{self.root}/{relative}")
                self._looked[relative] = int(entry["size"] or 0) if entry["type"] == "file" else None
            except UnreadableDataset as error:
                if error.kind != "file-missing":
                    raise
                self._looked[relative] = None
        return self._looked[relative]

    def _few(self, number: int) -> None:
        if number > MAX_FILES:
            raise UnreadableDataset("too-large", f"more than {MAX_FILES} files", path=self.root)

    def is_file(self, relative: str) -> bool:
        """Whether a regular file is there. Raises `path-outside`."""
        path = self._inside(relative)
        with told(self.where(relative)):
            return Path(path).is_file() if self._local else self._bytes(relative) is not None

    def exists(self, relative: str) -> bool:
        """Whether anything is there, a file or not. Raises `path-outside`."""
        path = self._inside(relative)
        return os.path.lexists(path) if self._local else self.is_file(relative) or self.is_folder(relative)

    def is_folder(self, relative: str) -> bool:
        """Whether a folder is there. Raises `path-outside`."""
        path = self._inside(relative)
        if self.only is not None or self._local:
            with told(self.where(relative)):
                return self.only is None and Path(path).is_dir()
        return any(name.startswith(f"{relative}/") for name in self._elsewhere)

    def size(self, relative: str) -> int:
        """Bytes of the file. Raises `file-missing`."""
        path = self._inside(relative)
        with told(self.where(relative)):
            if self._local:
                return Path(path).stat().st_size
            if (size := self._bytes(relative)) is None:
                raise FileNotFoundError(relative)
            return size

    def open(self, relative: str) -> IO[bytes]:
        """The file's bytes, seekable; what is not asked for is not fetched. Raises `file-missing`, `file-damaged`."""
        path = self._inside(relative)
        with told(self.where(relative)):
            if self._local:
                return Path(path).open("rb")
            file = self._fs.open(path, "rb", block_size=BUFFER, cache_type="none")
        return cast(IO[bytes], reading(file, self.where(relative)))

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
            with told(self.where(relative)):
                self._fs.get_file(path, f"{target}.part")
                Path(f"{target}.part").rename(target)
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


def _unlistable(error: OSError) -> NoReturn:
    """A folder that cannot be listed is no empty one."""
    raise error


def at(address: str | Path, filesystem: Any = None) -> Files:
    """The files of a folder or the one file at an address: a path of this machine, `s3://…`, `lakefs://…`.

    `filesystem` is one of fsspec's, with its credentials; without it the address says which, and the library reads its
    own configuration. Raises `path-missing`, `MissingExtra`.
    """
    fs, root = (filesystem, str(address)) if filesystem is not None else _filesystem(str(address))
    where = str(address)
    if "file" in _protocols(fs):
        kind = "directory" if Path(root).is_dir() else "file" if Path(root).exists() else None
        if kind is None:
            raise UnreadableDataset("path-missing", "no such folder or file", path=where)
    else:
        with told(where, "path-missing"):
            kind = _kind(fs, root)
    if kind == "directory":
        return Files(fs, root)
    parent, _, name = root.rstrip("/").rpartition("/")
    return Files(fs, parent or ".", only=name)


def _kind(fs: Any, root: str) -> str:
    """What stands there; lakeFS takes the root of a ref only with a slash behind it."""
    try:
        return str(fs.info(root)["type"])
    except ValueError:
        return str(fs.info(root.rstrip("/") + "/")["type"])


def _filesystem(address: str) -> tuple[Any, str]:
    scheme = address.partition("://")[0] if "://" in address else "file"
    if scheme == "file":
        return fsspec.filesystem("file"), os.path.abspath(address.removeprefix("file://"))  # noqa: PTH100 - keeps links
    try:
        with told(address, "path-missing"):
            fs, root = fsspec.core.url_to_fs(address, **_PATIENCE.get(scheme, {}))
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = f": pip install 'assay-catalog[{extra}]'" if extra else ""
        raise MissingExtra("extra-missing", f"no library for {scheme}:// is installed{hint}") from error
    return fs, root


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
