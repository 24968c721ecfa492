"""The embedded lakeFS server on a home of its own, as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY, SECRET = "key-of-the-test", "secret-of-the-test"


@contextmanager
def running(home: Path, *options: str) -> Iterator[str]:
    """Serve a home until the block ends; the address of its API."""
    environment = {**os.environ, "LAKEFS_ACCESS_KEY_ID": KEY, "LAKEFS_SECRET_ACCESS_KEY": SECRET}
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(home), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()
            status = process.wait(20)
        assert status == 0
