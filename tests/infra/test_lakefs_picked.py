"""A commit that was cherry-picked: as the recorded server shows it, for a while, and with `--exact-history` as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.lakefs.errors import NotFoundError
from infra.lakefs.store.commits import make_commit
from infra.lakefs.store.picked import SECONDS, Picked
from tests.support.lakefs_server import running

ORIGINAL = make_commit((), "", "picked", "me", 1, {"k": "v"})
COPY = make_commit((), "", "picked", "me", 2, {"k": "v", "cherry-pick-origin": ORIGINAL.id})
PLAIN = make_commit((), "", "plain", "me", 1, {})
PLAIN_COPY = make_commit((), "", "plain", "me", 2, {"cherry-pick-origin": PLAIN.id, "cherry-pick-committer": "me"})


def test_it_ends_by_itself() -> None:
    now = 0
    picked = Picked(lambda: now, exact=False)
    picked.note("r", ORIGINAL.id, COPY)
    for ref in (ORIGINAL.id, ORIGINAL.id[:12]):
        with pytest.raises(NotFoundError):
            picked.refuse("r", ref)
    picked.refuse("r", "main")
    picked.refuse("r", COPY.id)
    picked.refuse("another", ORIGINAL.id)
    assert picked.shown("r", ORIGINAL).metadata == COPY.metadata
    assert picked.shown("another", ORIGINAL) == ORIGINAL
    now = SECONDS * 1_000_000
    picked.refuse("r", ORIGINAL.id)
    assert picked.shown("r", ORIGINAL) == ORIGINAL


def test_a_commit_without_metadata_is_left_alone() -> None:
    picked = Picked(lambda: 0, exact=False)
    picked.note("r", PLAIN.id, PLAIN_COPY)
    picked.refuse("r", PLAIN.id)
    assert picked.shown("r", PLAIN) == PLAIN


@pytest.mark.parametrize("options", [(), ("--exact-history",)])
def test_over_http(tmp_path: Path, options: tuple[str, ...]) -> None:
    with running(tmp_path / "home", *options) as server:
        http: Any = server.http
        http.post("/repositories", json={"name": "picked", "storage_namespace": "local://picked"})
        branches = "/repositories/picked/branches"
        http.post(branches, json={"name": "side", "source": "main"})
        http.post(f"{branches}/side/objects", params={"path": "a"}, content=b"a")
        made = http.post(f"{branches}/side/commits", json={"message": "m", "metadata": {"k": "v"}}).json()
        http.post(f"{branches}/main/cherry-pick", json={"ref": made["id"]}).raise_for_status()
        again = http.post(f"{branches}/main/cherry-pick", json={"ref": made["id"]})
        log = http.get("/repositories/picked/refs/side/commits", params={"amount": 1}).json()["results"][0]
        assert ("cherry-pick-origin" in log["metadata"]) is not bool(options)
        assert (again.status_code == 404) is not bool(options)
        assert http.get(f"/repositories/picked/commits/{made['id']}").json()["metadata"] == {"k": "v"}
