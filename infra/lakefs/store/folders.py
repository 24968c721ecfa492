"""Folders outside of the home that may be read, and no way out of them.

A path is walked name by name from its allowed folder, and no name may be a symbolic link: not one that leads outside,
and not one that stays inside either. The home itself is never read this way, wherever it lies.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.lakefs.errors import ForbiddenError, HomeError, InvalidError, NotFoundError
from infra.lakefs.store.entries import MAX_PATH
from infra.lakefs.store.hashing import FLAGS

SCHEME = "local://"
MAX_ADDRESS = 4096
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one folder, an absolute path, in the order of their keys: `prefix` + name, or the one `key`."""

    folder: str
    names: tuple[str, ...]
    prefix: bytes
    key: bytes | None = None

    def destinations(self) -> Iterable[bytes]:
        return (self.prefix + name.encode() for name in self.names) if self.key is None else (self.key,)


class Folders:
    """The allowed folders, as they were spelled and as they really lie; none allows nothing. One may be absent, as a
    disk that is not mounted is: then only what lies there cannot be read."""

    def __init__(self, home: Path, allowed: Sequence[Path]) -> None:
        self._home = _same(home.stat())
        self._roots: dict[tuple[str, ...], str] = {}
        for folder in allowed:
            real = folder.resolve()
            if real.exists() and not real.is_dir():
                raise HomeError(f"{folder} is no folder: name the folder that may be imported from")
            if real.is_relative_to(home.resolve()):
                raise HomeError(f"{folder} lies in the server's home: allow another folder")
            for spelled in (real, Path(os.path.abspath(folder))):  # noqa: PTH100 - links stay
                self._roots[spelled.parts[1:]] = str(real)

    def __bool__(self) -> bool:
        return bool(self._roots)

    def named(self, address: str) -> str:
        """The path of an address, checked without a look at the disk."""
        path = path_of(address)
        if not self._roots:
            raise ForbiddenError("no folder may be imported from: start the server with --allow-import DIR")
        return path

    def locate(self, path: str) -> str:
        """An absolute path, below an allowed folder as that really lies; ForbiddenError when it is below none."""
        root, names = self._split(path)
        return "/".join((root.rstrip("/"), *names)) if names else root

    def open_folder(self, path: str) -> int:
        """A descriptor of a folder; NotFoundError, ForbiddenError say which name is in the way."""
        root, names = self._split(path)
        try:
            descriptor = os.open(root, FOLDER)
        except OSError as error:
            raise refusal(root, error.errno or errno.EIO) from error
        try:
            self._refuse_home(descriptor, root)
            for name in names:
                descriptor = self._enter(descriptor, name, path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open_file(self, path: str) -> int:
        """A descriptor of a regular file, opened for reading."""
        folder, name = os.path.split(path)
        parent = self.open_folder(folder)
        try:
            descriptor = os.open(name, FLAGS, dir_fd=parent)
        except OSError as error:
            raise refusal(path, error.errno or errno.EIO) from error
        finally:
            os.close(parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise refusal(path, errno.EINVAL)
        return descriptor

    def walk(self, path: str, prefix: bytes) -> Iterator[Group]:
        """All files below a folder in the order of their keys; anything that is no file or folder is refused."""
        descriptor = self.open_folder(path)
        try:
            with os.scandir(descriptor) as found:
                items = sorted(_item(entry, path) for entry in found)
        except OSError as error:
            raise refusal(path, error.errno or errno.EIO) from error
        finally:
            os.close(descriptor)
        _check_keys(path, items, MAX_PATH - len(prefix))
        start = 0
        for at, name in enumerate(items):
            if name.endswith("/"):
                if start < at:
                    yield Group(path, tuple(items[start:at]), prefix)
                yield from self.walk(f"{path.rstrip('/')}/{name[:-1]}", prefix + name.encode())
                start = at + 1
        if start < len(items):
            yield Group(path, tuple(items[start:]), prefix)

    def _split(self, path: str) -> tuple[str, list[str]]:
        """The allowed folder of an absolute path and the names below it."""
        names = [name for name in path.split("/") if name]
        for length in range(len(names), -1, -1):
            if (root := self._roots.get(tuple(names[:length]))) is not None:
                return root, names[length:]
        raise ForbiddenError(f"{path[:1024]} is not below a folder that may be imported from (--allow-import)")

    def _enter(self, parent: int, name: str, path: str) -> int:
        try:
            descriptor = os.open(name, FOLDER, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ENOTDIR and _is_link(parent, name):
                raise refusal(f"{path} ('{name}' on the way)", errno.ELOOP) from error
            raise refusal(path, error.errno or errno.EIO) from error
        try:
            self._refuse_home(descriptor, path)
        except ForbiddenError:
            os.close(descriptor)
            raise
        os.close(parent)
        return descriptor

    def _refuse_home(self, descriptor: int, path: str) -> None:
        if _same(os.fstat(descriptor)) == self._home:
            raise ForbiddenError(f"{path} leads into the server's home, which is not imported")


def path_of(address: str) -> str:
    """The path of `local://ABSOLUTE/PATH`; InvalidError for another scheme, a relative path, '.' and '..' in it."""
    path = address.removeprefix(SCHEME)
    names = path.split("/")
    if not address.startswith(SCHEME + "/") or "\0" in path or "." in names or ".." in names:
        raise InvalidError(f"'{address[:200]}' is not local://ABSOLUTE/PATH without '.' and '..'")
    if len(path.encode()) > MAX_ADDRESS:
        raise InvalidError(f"an address has more than {MAX_ADDRESS} bytes")
    return path


def refusal(path: str, number: int) -> ForbiddenError | InvalidError | NotFoundError:
    """Why a file or folder cannot be taken."""
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(f"lstat {path}: {os.strerror(number).lower()}")
    if number == errno.ELOOP:
        return ForbiddenError(f"{path} is a symbolic link, which is not followed: name what it leads to")
    if number == errno.EINVAL:
        return InvalidError(f"{path} is neither a file nor a folder: take it out of what is imported")
    if number == errno.ESTALE:
        return InvalidError(f"{path} changed while it was read: import it again when nothing writes to it")
    return ForbiddenError(f"{path} cannot be read: {os.strerror(number)}")


def _item(entry: os.DirEntry[str], folder: str) -> str:
    """A name, a folder's with a slash: so their order is that of the keys below."""
    if entry.is_file(follow_symlinks=False):
        return entry.name
    if entry.is_dir(follow_symlinks=False):
        return entry.name + "/"
    raise refusal(f"{folder}/{entry.name}", errno.ELOOP if entry.is_symlink() else errno.EINVAL)


def _check_keys(folder: str, names: Sequence[str], most: int) -> None:
    for name in names:
        try:
            size = len(name.encode())
        except UnicodeEncodeError as error:
            shown = name.encode(errors="surrogateescape")
            raise InvalidError(f"{folder} holds a name that is not UTF-8, {shown!r}: rename it") from error
        if size > most:
            raise InvalidError(f"{folder}/{name} would get a key of more than {MAX_PATH} bytes: choose another place")


def _is_link(parent: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _same(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
