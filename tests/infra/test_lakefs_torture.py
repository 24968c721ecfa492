"""The short torture: ten kills. `make torture` does five hundred."""

from __future__ import annotations

import random
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.infra.torture import KEYS, Broken, begin, check, torture


def test_ten_kills_lose_nothing_and_leave_nothing_half_done(tmp_path: Path) -> None:
    assert torture(tmp_path / "home", 10, secrets.randbelow(1 << 32)) > 0


@pytest.mark.parametrize("what", ["lost", "invented", "commit", "main", "tag", "bytes"])
def test_what_a_kill_must_not_do_is_noticed(what: str, tmp_path: Path, start: Any) -> None:
    home = tmp_path / "home"
    server = start(home)
    with httpx.Client(base_url=server.url, auth=KEYS) as http:
        (client,) = begin(http, "tortured", 1, random.Random(1), [])
        with httpx.Client(base_url=server.url + client.repository, auth=KEYS) as own:
            for act in (client._upload, client._commit, client._merge, client._tag, client._upload):
                act(own)
        check(http, home, [client])
        branch = f"{client.repository}/branches/w0"
        if what == "lost":
            http.put(branch, json={"type": "reset"})
        elif what == "invented":
            http.post(f"{branch}/objects", params={"path": "w0/other"}, content=b"x")
        elif what == "commit":
            http.put(f"{branch}/hard_reset", params={"ref": "w0~1"})
        elif what == "main":
            http.put(f"{client.repository}/branches/main/hard_reset", params={"ref": "main~1"})
        elif what == "tag":
            http.delete(f"{client.repository}/tags/{next(iter(client.tags))}")
        else:
            next((home / "blobs").glob("*/*")).unlink()
        with pytest.raises(Broken):
            check(http, home, [client])
