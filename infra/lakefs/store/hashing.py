"""Both digests and the identity of files, in one pass; also a process of its own that does so for many small files.

The process is started by this file's name and imports nothing of ours, so that it stands in a few milliseconds. It is
sent descriptors of folders and names in them, can open nothing else, and follows no symbolic link. It ends when whoever
started it is gone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import socket
import stat
import sys
import threading
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

CHUNK = 1 << 20
LARGE = 8 << 20  # from here on the two digests run side by side
SETTLED_NS = 100_000_000  # a later change within the clock's grain must not leave the time of change as it is
UNSETTLED = -1
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # not blocking, so that a fifo does not hold it up
HEADER = 8

# size, time of modification, time of change (nanoseconds; UNSETTLED when it was too recent to trust), inode, device
Identity = tuple[int, int, int, int, int]
Hashed = tuple[bytes, bytes, Identity]  # sha256, md5, identity
Columns = tuple[bytes, bytes, bytes]  # of many files: sha256 of 32 bytes each, md5 of 16, identities of 5 int64
Failed = tuple[str, int]  # a file's name and an errno


def identity(descriptor: int) -> Identity:
    """What a regular file's bytes are recognised by without reading them; OSError for anything else."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return (
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino & 0x7FFF_FFFF_FFFF_FFFF,
        found.st_dev & 0x7FFF_FFFF_FFFF_FFFF,
    )


def digest(descriptor: int) -> Hashed:
    """Read a file from its beginning; OSError with ESTALE when it changed meanwhile."""
    began = time.time_ns()
    before = identity(descriptor)
    size = before[0]
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    if size < LARGE:
        read = 0
        while data := os.read(descriptor, CHUNK if read else min(size + 1, CHUNK)):
            sha256.update(data)
            md5.update(data)
            read += len(data)
            if read == size:
                break
    else:
        read = 0
        with ThreadPoolExecutor(1) as aside:
            while data := os.read(descriptor, CHUNK):
                other = aside.submit(md5.update, data)
                sha256.update(data)
                other.result()
                read += len(data)
    if read != size or identity(descriptor) != before:
        raise OSError(errno.ESTALE, "changed while it was read")
    if abs(before[2] - began) < SETTLED_NS:
        before = (size, before[1], UNSETTLED, *before[3:])
    return sha256.digest(), md5.digest(), before


def digest_file(path: str | os.PathLike[str]) -> Hashed:
    """As `digest`, of a file by its name; read again where it was only given another name meanwhile."""
    descriptor = os.open(path, FLAGS)
    try:
        for _ in range(2):
            try:
                return digest(descriptor)
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
                os.lseek(descriptor, 0, os.SEEK_SET)
        return digest(descriptor)
    finally:
        os.close(descriptor)


def digest_names(folder: int, names: Sequence[str]) -> Columns | Failed:
    """The digests of files in an opened folder, or the first that could not be read."""
    sha256, md5, known = bytearray(), bytearray(), array("q")
    for name in names:
        try:
            descriptor = os.open(name, FLAGS, dir_fd=folder)
            try:
                hashed = digest(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            return name, error.errno or errno.EIO
        sha256 += hashed[0]
        md5 += hashed[1]
        known.extend(hashed[2])
    return bytes(sha256), bytes(md5), known.tobytes()


def _work(channel: socket.socket) -> None:
    while True:
        header, folders, _, _ = socket.recv_fds(channel, HEADER, 253)
        if not header:
            return
        names: list[list[str]] = pickle.loads(exactly(channel, int.from_bytes(header, "big")))  # noqa: S301 - ours
        answer = []
        try:
            for folder, wanted in zip(folders, names, strict=True):
                answer.append(digest_names(folder, wanted))
        finally:
            for folder in folders:
                os.close(folder)
        payload = pickle.dumps(answer, 5)
        channel.sendall(len(payload).to_bytes(HEADER, "big") + payload)


def exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            raise EOFError("the other end is gone")
        data += piece
    return bytes(data)


def _end_with_stdin() -> None:
    """Whoever started this process holds the other end, also while a large file is being read."""
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        with socket.socket(fileno=int(sys.argv[1])) as _channel:
            _work(_channel)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        sys.exit(0)
