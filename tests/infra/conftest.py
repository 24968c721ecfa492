"""The embedded lakeFS server as tests use it: a real process, spoken to over HTTP; or its store, in this process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from infra.lakefs.home import Home
from infra.lakefs.store import Store, repositories
from tests.support.lakefs_server import Running, running

Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda home, *options, **more: stack.enter_context(running(home, *options, **more))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for tests that each use a repository of their own."""
    with running(tmp_path_factory.mktemp("lakefs") / "home") as found:
        yield found


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """A store with a repository `repo`; its clock ticks a second at each look."""
    seconds = itertools.count(1_700_000_000)
    with Home(folder) as home:
        store = Store(home.folder, lambda: next(seconds) * 1_000_000, "tester")
        try:
            store.database.write(lambda c: repositories.create(c, "repo", "local://repo", "main", False, store.clock()))
            yield store
        finally:
            store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "home") as found:
        yield found


@pytest.fixture(scope="session")
def open_store() -> Callable[[Path], object]:
    """`opened`, for tests that need many stores."""
    return opened


@pytest.fixture(scope="session")
def open_server() -> Callable[..., object]:
    """`running`, for tests that share a server among themselves alone."""
    return running
