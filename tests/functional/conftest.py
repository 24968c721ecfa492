"""The embedded lakeFS server as its clients meet it: a process, an address, a pair of keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import lakefs
import pytest

from tests.support.lakefs_server import KEY, SECRET, Running, running

_names = itertools.count()


@pytest.fixture(scope="session")
def lakefs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("lakefs") / "home") as found:
        yield found


@pytest.fixture(scope="session")
def access(lakefs_server: Running) -> dict[str, str]:
    """What a client is configured with; it adds /api/v1 itself."""
    return {"host": lakefs_server.url.removesuffix("/api/v1"), "username": KEY, "password": SECRET}


@pytest.fixture(scope="session")
def client(access: dict[str, str]) -> lakefs.Client:
    return lakefs.Client(**access)


@pytest.fixture
def repo(client: lakefs.Client) -> lakefs.Repository:
    """A new repository."""
    name = f"functional-{next(_names)}"
    return lakefs.Repository(name, client=client).create(f"local://{name}")
