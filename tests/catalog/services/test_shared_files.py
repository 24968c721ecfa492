"""Several episodes in one file (LeRobot v3.0): quarantine and contamination know episodes, not files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from catalog.domain.dataset import Episode
from catalog.services import version_commit
from catalog.services.approved import contaminated
from tests.support.house import Desk
from tests.support.lerobot_v30 import Episode as Track
from tests.support.lerobot_v30 import Layout, write
from tests.support.recordings import FPS, JOINTS, columns, provenance
from validators import readers
from validators.clean import clean

TOP = "observation.images.top"


def shared(folder: Path, seeds: range, *, state: bool = True, shift: int = 0) -> Path:
    """Five swinging episodes in two data files and two videos; without `state`, nothing to make a fingerprint of."""
    kept = ("observation.state", "action", "timestamp") if state else ("timestamp",)
    tracks = [Track({n: v for n, v in columns(s, 30).items() if n in kept}) for s in seeds]
    features = {n: {"dtype": "float32", "shape": [3], "names": list(JOINTS)} for n in kept if n != "timestamp"}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    write(folder, tracks, FPS, features, Layout((2, 3), (3, 2), (TOP,), shift=shift))
    (folder / "meta/provenance.json").write_text(json.dumps(provenance()))
    return folder


def bad(desk: Desk, dataset: str, ingest: str) -> list[tuple[str, int, str]]:
    return [(q.root, q.index, q.found_by) for q in contaminated(desk.context, desk.context.candidate(dataset, ingest))]


def table(desk: Desk, dataset: str, ingest: str) -> list[Episode]:
    return version_commit.tables_of(desk.context, desk.context.candidate(dataset, ingest))[0]


def test_one_episode_of_a_shared_file(shared_desk: Desk, tmp_path: Path) -> None:
    desk, name = shared_desk, "shared-files"
    folder = shared(tmp_path / "one", range(5))
    desk.register(name, "one", folder)
    assert desk.check(name, "one")["passed"]
    episodes = table(desk, name, "one")
    assert len({e.fingerprint for e in episodes}) == 5
    assert episodes[3].objects == ("one/data/chunk-000/file-001.parquet", f"one/videos/{TOP}/chunk-000/file-001.mp4")
    desk.quarantine(name, "one", [3])
    assert bad(desk, name, "one") == [("one", 3, "fingerprint")]
    rule = next(r for r in desk.judge(name, "one").rules if r.rule == "no-quarantined-episode")
    assert rule.verdict == "fail"

    clean(readers.open(folder), tmp_path / "rest", {3})
    desk.register(name, "rest", tmp_path / "rest")
    assert bad(desk, name, "rest") == []
    root = next(r for r in desk.context.candidate(name, "rest").manifest.roots if r.slug == "rest")
    assert root.selected_from is not None
    assert root.selected_from.kept == (0, 1, 2, 4)

    clean(readers.open(folder), tmp_path / "third", {0, 1, 2, 4})
    desk.register("elsewhere", "third", tmp_path / "third")
    assert bad(desk, "elsewhere", "third") == [("one", 3, "fingerprint")]


def test_a_file_is_marked_with_the_last_of_its_episodes(shared_desk: Desk, tmp_path: Path) -> None:
    desk, name = shared_desk, "shared-last"
    desk.register(name, "one", shared(tmp_path / "one", range(10, 15), shift=5000))
    desk.quarantine(name, "one", [3])
    desk.quarantine(name, "one", [4])
    found = bad(desk, name, "one")
    assert ("one", 4, "object") in found  # the video of 3 and 4, and of nothing else
    desk.register("same-video", "two", shared(tmp_path / "two", range(20, 25), shift=5000))
    assert {of for _, _, of in bad(desk, "same-video", "two")} == {"object"}


@pytest.mark.parametrize("episode", [0, 4])
def test_episodes_without_a_fingerprint_are_told_apart(shared_desk: Desk, tmp_path: Path, episode: int) -> None:
    desk, name = shared_desk, f"shared-blind-{episode}"
    desk.register(name, "one", shared(tmp_path / "one", range(30, 35), state=False, shift=9000 + episode))
    assert len({e.fingerprint for e in table(desk, name, "one")}) == 5
    desk.quarantine(name, "one", [episode])
    assert bad(desk, name, "one") == [("one", episode, "fingerprint")]


def test_a_service_that_cannot_decode_pictures_passes_no_recording_with_cameras(
    shared_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, name = shared_desk, "unequipped"
    desk.register(name, "one", shared(tmp_path / "one", range(30, 35)))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        error = desk.fails(lambda: desk.check(name, "one"))
    assert error.kind == "dataset-unreadable"
    assert "assay-catalog[video]" in error.what
    assert desk.check(name, "one")["passed"]
