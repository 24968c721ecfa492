"""The threads that work for the server, of four kinds, so that a full queue of one kind does not hold up another:
readers never wait for commits that queue for a branch, nor uploads for a listing, nor anybody for somebody's hooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

READERS = ThreadPoolExecutor(16, "reader")
WRITERS = ThreadPoolExecutor(64, "writer")
HOOKED = ThreadPoolExecutor(256, "hooked")
UPLOADS = ThreadPoolExecutor(32, "upload")


def run(kind: Executor, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
    """Begin the work on a thread; awaited, it is the result."""
    return asyncio.get_running_loop().run_in_executor(kind, work, *arguments)
