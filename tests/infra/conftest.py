"""The embedded lakeFS server as tests use it: a real process, spoken to over HTTP; or its store, in this process."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from infra.lakefs.home import Home
from infra.lakefs.store import Store, repositories

KEY, SECRET = "key", "secret"
_names = itertools.count()


class Running:
    """A server process and a client that knows its address and keys."""

    def __init__(self, process: subprocess.Popen[bytes], ready: dict[str, object]) -> None:
        self.process = process
        self.ready = ready
        self.url = str(ready["url"])
        self.http = httpx.Client(base_url=self.url, auth=(KEY, SECRET), timeout=60)

    def repository(self) -> str:
        """A new repository; the path of its API."""
        name = f"repo-{next(_names)}"
        made = self.http.post("/repositories", json={"name": name, "storage_namespace": f"local://{name}"})
        assert made.status_code == 201, made.text
        return f"/repositories/{name}"

    def put(self, repository: str, path: str, content: bytes | str, branch: str = "main") -> httpx.Response:
        query, kind = {"path": path}, {"content-type": "application/octet-stream"}
        return self.http.post(f"{repository}/branches/{branch}/objects", params=query, content=content, headers=kind)

    def get(self, repository: str, path: str, ref: str = "main") -> httpx.Response:
        return self.http.get(f"{repository}/refs/{ref}/objects", params={"path": path})

    def commit(self, repository: str, branch: str = "main", message: str = "m") -> httpx.Response:
        return self.http.post(f"{repository}/branches/{branch}/commits", json={"message": message})

    def kill(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()


Start = Callable[..., Running]


@contextmanager
def running(
    home: Path, *options: str, program: Sequence[str] = ("-m", "infra.lakefs"), **values: str
) -> Iterator[Running]:
    """`options` follow the command, `values` are added to its environment; `program` is what Python is told to run,
    where it is not the server as it is.
    """
    command = [sys.executable, *program, "--home", str(home), "--port", "0", *options]
    environment = {**os.environ, "LAKEFS_ACCESS_KEY_ID": KEY, "LAKEFS_SECRET_ACCESS_KEY": SECRET, **values}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the server ended before it was ready"
        server = Running(process, json.loads(line))
        try:
            yield server
        finally:
            server.http.close()
            process.terminate()
            process.wait(20)


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
