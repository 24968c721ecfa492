"""A lakeFS server as its own process, and the player of the recordings beside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "lakefs"


@pytest.fixture(scope="session")
def player() -> Iterator[Any]:
    """The module `replay` that comes with the recordings."""
    if not (RECORDINGS / "replay.py").exists():
        pytest.skip("the recordings of a lakeFS server are not beside this checkout")
    sys.path.insert(0, str(RECORDINGS))
    import replay

    class Webhooks(replay._Webhooks):  # type: ignore[misc]
        """The player's listener, closed when it is shut down: warnings are errors here."""

        def shutdown(self) -> None:
            super().shutdown()
            self.server_close()

    replay._Webhooks = Webhooks
    yield replay
    sys.path.remove(str(RECORDINGS))


@pytest.fixture(scope="session")
def recorded_server(player: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A fresh server, as the player addresses it."""
    home = tmp_path_factory.mktemp("lakefs")
    environment = {**os.environ, "LAKEFS_ACCESS_KEY_ID": "key", "LAKEFS_SECRET_ACCESS_KEY": "secret"}
    (home / "import").mkdir()
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(home / "home"), "--port", "0"]
    command += ["--allow-import", str(home / "import")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"].removesuffix("/api/v1")
        yield player.Server(url, "key", "secret", str(home / "import"))
        process.terminate()
        assert process.wait(20) == 0
