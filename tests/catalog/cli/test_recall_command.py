"""`assay recall`: shown first, done only when it was confirmed and has a reason; never half of it, never in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.house import ROBOT
from tests.support.recordings import recording
from tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A catalog with an approved version of three episodes, recorded on rig-a."""
    folder = tmp_path_factory.mktemp("cli")
    assay = Terminal(folder / "home")
    assay.ok("init")
    (folder / "robot.json").write_text(json.dumps(ROBOT))
    assay.ok("robot", "register", folder / "robot.json", "--suite", "arm@1")
    assay.ok("dataset", "register", "arm", recording(folder / "one"), "--ingest", "one")
    assay.ok("dataset", "check", "arm", "--ingest", "one")
    assay.ok("dataset", "approve", "arm", "--ingest", "one")
    yield assay
    assay("down")


def test_it_is_shown_and_nothing_is_done(terminal: Terminal) -> None:
    said = terminal.ok("recall", "rig:rig-a", "--dry-run").out
    assert "a recall of rig:rig-a reaches 3 episodes, 1 version" in said
    assert "contains  arm v1.0.0" in said
    assert "recorded-on  arm/one episodes 1-2" in said
    shown = terminal.ok("recall", "arm", "--dry-run", "--json").json
    assert shown["counts"]["episode"] == 3
    assert all(r["path"] or r["urn"] in shown["start"] for r in shown["reached"])
    assert terminal.ok("recall", "arm", "--dry-run", "--as-of", "2026-01-01").out.startswith(
        "a recall of arm reaches nothing"
    )
    assert terminal.ok("recall", "--json").json == []


def test_what_is_not_meant_is_refused_and_nothing_is_done(terminal: Terminal) -> None:
    for words, kind in (
        (("rig:rig-a",), "input-invalid"),
        (("rig:rig-a", "--yes"), "input-invalid"),
        (("rig:rig-a", "--reason", "bent"), "input-invalid"),
        (("rig:rig-a", "--reason", "bent", "--json"), ""),
        (("rig:rig-a", "--dry-run", "--as-of", "soon"), "input-invalid"),
        (("rig:nobody", "--reason", "bent", "--yes"), "node-unknown"),
        (("rig:rig-a", "--reason", "bent", "--yes", "--as", "engineer"), "role-missing"),
    ):
        said = terminal.refused("recall", *words)
        assert said.kind == kind, (words, said)
    assert terminal.ok("recall", "--json").json == []


def test_it_is_done_and_listed(terminal: Terminal) -> None:
    said = terminal.ok("recall", "rig:rig-a", "--reason", "it was [bold]bent", "--yes").out
    assert "recalled rig:rig-a: it was [bold]bent" in said
    assert "it denied no release" in said
    (done,) = terminal.ok("recall", "--json").json
    assert done["recall"]["counts"] == {"episode": 3, "version": 1, "decision": 1}
    assert "[bold]bent" in terminal.ok("recall").out
    assert "quarantined" in terminal.ok("dataset", "show", "arm").out
    assert terminal.ok("audit", "verify").code == 0
