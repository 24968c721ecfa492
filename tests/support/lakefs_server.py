"""The embedded lakeFS server on a home of its own, as a process that is spoken to over HTTP."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

KEY, SECRET = "key", "secret"
_names = itertools.count()


class Running:
    """A server process and a client that knows its address and keys."""

    def __init__(self, process: subprocess.Popen[bytes], ready: dict[str, object], keys: tuple[str, str]) -> None:
        self.process = process
        self.ready = ready
        self.url = str(ready["url"])
        self.http = httpx.Client(base_url=self.url, auth=keys, timeout=60)

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


@contextmanager
def running(
    home: Path, *options: str, program: Sequence[str] = ("-m", "infra.lakefs"), **values: str
) -> Iterator[Running]:
    """Serve a home until the block ends. `options` follow the command, `values` are added to its environment; `program`
    is what Python is told to run, where it is not the server as it is.
    """
    command = [sys.executable, *program, "--home", str(home), "--port", "0", *options]
    environment = {**os.environ, "LAKEFS_ACCESS_KEY_ID": KEY, "LAKEFS_SECRET_ACCESS_KEY": SECRET, **values}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the server ended before it was ready"
        keys = environment["LAKEFS_ACCESS_KEY_ID"], environment["LAKEFS_SECRET_ACCESS_KEY"]
        server = Running(process, json.loads(line), keys)
        try:
            yield server
        finally:
            server.http.close()
            process.terminate()
            status = process.wait(20)
        assert status in (0, -signal.SIGKILL), f"the server ended with status {status}"  # 0 unless a test kills it
