"""A lakeFS server as its own process, and the player of the recordings beside the checkout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lakefs_server import KEY, SECRET, running

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
    (home / "import").mkdir()
    with running(home / "home", "--allow-import", str(home / "import")) as server:
        yield player.Server(server.url.removesuffix("/api/v1"), KEY, SECRET, str(home / "import"))
