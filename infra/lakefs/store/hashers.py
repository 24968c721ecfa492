"""Processes that hash many files while this one serves; as many as there are processors and work for them.

They get descriptors of folders that were opened here, below an allowed folder. They are children: closing ends them,
and they end by themselves when this process is gone.
"""

from __future__ import annotations

import itertools
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Self, cast

from infra.lakefs.errors import LakeFSError
from infra.lakefs.store import hashing
from infra.lakefs.store.folders import Folders, Group, refusal
from infra.lakefs.store.hashing import HEADER, Columns, Failed

FILES = 256  # of one job
GROUPS = 64  # of one job, a descriptor each
MOST = 4
LOOK_SECONDS = 0.2  # how long nobody looks whether to stop

Job = tuple[Group, ...]


class Hashers:
    """A context manager; `run` gives the digests of all jobs, in any order."""

    def __init__(self, folders: Folders, jobs: Sequence[Job]) -> None:
        self._folders = folders
        self._jobs = jobs
        self._children: list[_Child] = []

    def __enter__(self) -> Self:
        wanted = min(len(self._jobs), os.cpu_count() or 1, MOST)
        self._children = [_Child() for _ in range(wanted)]
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.close()

    def run(self, check: Callable[[], None]) -> Iterator[tuple[int, list[Columns]]]:
        """A job's number and the digests of its groups' files. `check` may raise to stop the whole."""
        waiting = iter(range(len(self._jobs)))
        busy = {child.channel: (child, number) for child, number in zip(self._children, waiting, strict=False)}
        for child, number in busy.values():
            child.send(self._folders, self._jobs[number])
        while busy:
            check()
            for channel in wait(list(busy), LOOK_SECONDS):
                child, done = busy.pop(cast(socket.socket, channel))
                answer = child.receive(self._jobs[done])
                for number in itertools.islice(waiting, 1):
                    child.send(self._folders, self._jobs[number])
                    busy[child.channel] = child, number
                yield done, answer


class _Child:
    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-S", hashing.__file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])

    def send(self, folders: Folders, job: Job) -> None:
        payload = pickle.dumps([group.names for group in job])
        opened: list[int] = []
        try:
            opened.extend(folders.open_folder(group.folder) for group in job)
            socket.send_fds(self.channel, [len(payload).to_bytes(HEADER, "big")], opened)
        finally:
            for descriptor in opened:
                os.close(descriptor)
        self.channel.sendall(payload)

    def receive(self, job: Job) -> list[Columns]:
        try:
            header = hashing.exactly(self.channel, HEADER)
            payload = hashing.exactly(self.channel, int.from_bytes(header, "big"))
            answer: list[Columns | Failed] = pickle.loads(payload)  # noqa: S301 - our own child's
        except (EOFError, ConnectionError) as error:
            raise LakeFSError("a process that hashes files ended before it was done: import again") from error
        found = []
        for group, hashed in zip(job, answer, strict=True):
            if len(hashed) == 2:
                raise refusal(f"{group.folder}/{hashed[0]}", hashed[1])
            found.append(hashed)
        return found

    def close(self) -> None:
        self.channel.close()
        self._process.kill()
        self._process.communicate()


def jobs(groups: Iterator[Group]) -> Iterator[Job]:
    """Groups in portions of about FILES files."""
    job: list[Group] = []
    count = 0
    for group in groups:
        for at in range(0, len(group.names), FILES):
            piece = Group(group.folder, group.names[at : at + FILES], group.prefix, group.key)
            if job and (count + len(piece.names) > FILES or len(job) == GROUPS):
                yield tuple(job)
                job, count = [], 0
            job.append(piece)
            count += len(piece.names)
    if job:
        yield tuple(job)
