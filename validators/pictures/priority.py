"""Priorities stay as they were: SVT-AV1, run by root, makes threads and their caller real-time and starves others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TASKS = Path("/proc/self/task")


@contextmanager
def kept_priority() -> Iterator[None]:
    """Whatever is opened inside, the threads of this process are scheduled as its caller was; Linux alone needs it."""
    if not hasattr(os, "sched_setscheduler") or not TASKS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in TASKS.iterdir():
            try:
                if os.sched_getscheduler(int(task.name)) != policy:
                    os.sched_setscheduler(int(task.name), policy, parameters)
            except ProcessLookupError:
                continue  # a thread that has ended meanwhile
