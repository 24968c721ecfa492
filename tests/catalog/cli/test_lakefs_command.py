"""`assay lakefs copy`, and the same home on the other lakeFS afterwards: by commands alone, as somebody would move out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import ROBOT
from tests.support.lakefs_server import KEY, running
from tests.support.recordings import recording
from tests.support.terminal import Terminal

SECRET = "secret-of-the-test"  # found nowhere by chance


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A catalog with an approved version, and one that waits."""
    assay = Terminal(tmp_path / "home")
    assay.ok("init")
    (tmp_path / "robot.json").write_text(json.dumps(ROBOT))
    assay.ok("robot", "register", tmp_path / "robot.json", "--suite", "arm@1")
    for number, ingest in enumerate(("one", "two")):
        folder = recording(tmp_path / ingest, seed=number)
        assay.ok("dataset", "register", "arm", folder, "--ingest", ingest)
        assay.ok("dataset", "check", "arm", "--ingest", ingest)
        if ingest == "one":
            assay.ok("dataset", "approve", "arm", "--ingest", ingest)
    yield assay
    assay("down")


def test_a_home_moves_out_and_goes_on(terminal: Terminal, tmp_path: Path) -> None:
    before = terminal.ok("dataset", "show", "arm", "--json").json
    with running(tmp_path / "elsewhere", LAKEFS_SECRET_ACCESS_KEY=SECRET) as server:
        url = server.url
        place = ("lakefs", "copy", "--to", url, "--namespace", "local://")
        assert terminal.refused(*place).kind == "input-invalid"  # no credentials, and nobody to ask
        terminal.extra |= {"LAKEFS_ACCESS_KEY_ID": KEY, "LAKEFS_SECRET_ACCESS_KEY": "wrong"}
        assert terminal.refused(*place).kind == "store-refused"
        terminal.extra |= {"LAKEFS_SECRET_ACCESS_KEY": SECRET}
        assert terminal.refused(*place, "--as", "viewer").kind == "role-missing"
        said = terminal.ok(*place).out
        assert "1 repositories" in said
        assert "2 versions verified at their new place" in said
        assert terminal.ok(*place, "--json").json["sent_objects"] == 0
        terminal.ok("down")
        for left in ("records.db", "lakefs/refs.sqlite"):
            assert SECRET.encode() not in (terminal.home / left).read_bytes()

        parts = {"URL": url, "KEY": KEY, "SECRET": SECRET, "NAMESPACE": "local://"}
        terminal.extra |= {f"ASSAY_LAKEFS_{name}": value for name, value in parts.items()}
        (terminal.home / "lakefs").rename(tmp_path / "put-away")
        after = terminal.ok("dataset", "show", "arm", "--json").json
        for old, new in zip(before["versions"], after["versions"], strict=True):
            assert {**new, "places": None} == {**old, "places": None}
            assert len(new["places"]) == 2
        assert "v1.1.0" in terminal.ok("dataset", "approve", "arm", "--ingest", "two").out
        terminal.ok("audit", "verify")
        terminal.ok("down")
