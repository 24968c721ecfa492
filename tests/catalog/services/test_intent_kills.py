"""Each act that crosses stores, killed with -9 once where it hurts most, then recovered by the next service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog.domain.dataset import repository_of
from catalog.services.audit import verify_audit
from tests.support.house import Desk, House, model_folder
from tests.support.postgresql import BOTH
from tests.support.recordings import recording

DATABASES = BOTH


@contextmanager
def killed(house: House, kind: str, boundary: str, dataset: str, ingest: str, folder: Path) -> Iterator[Desk]:
    """Begin the act in a child that dies at the boundary; then the next service on the home, everything settled."""
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), kind, boundary]
    command += [dataset, ingest, str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=house.environment)
    assert done.returncode == -9, done.stderr.decode()
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        assert verify_audit(desk.context).size > 0
        yield desk


def test_register_killed_after_the_commit(house: House, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")
    with killed(house, "register", "_commit, unsaved", "arm", "one", folder) as desk:
        (version,) = desk.dataset("arm").versions
        branch = desk.store.head(repository_of("arm"), "ingest-one")
        assert branch is not None
        assert version.commit == branch.id
        desk.check("arm", "one")
        assert desk.approve("arm", "one")["tag"] == "v1.0.0"


def test_register_killed_in_the_upload_of_a_folder_that_is_gone_afterwards(house: House, tmp_path: Path) -> None:
    folder = recording(tmp_path / "one")
    command = [sys.executable, "-m", "tests.support.killed", str(house.settings.home), "register", "_upload"]
    command += ["arm", "one", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=house.environment)
    assert done.returncode == -9, done.stderr.decode()
    folder.rename(tmp_path / "elsewhere")
    with house.open() as desk:
        desk.settle()
        assert desk.service.operations.running() == []
        assert desk.store.head(repository_of("arm"), "ingest-one") is None
        assert desk.status().versions == 0
        assert desk.register("arm", "one", tmp_path / "elsewhere")["ingest"] == "one"


def test_rebase_killed_after_the_merge(house: House, tmp_path: Path) -> None:
    with house.open() as desk:
        desk.register("arm", "one", recording(tmp_path / "one"))
        desk.bring("arm", "two", recording(tmp_path / "two", seed=2))
    with killed(house, "rebase", "_merge, unsaved", "arm", "one", tmp_path / "one") as desk:
        versions = [v for v in desk.dataset("arm").versions if v.ingest == "one"]
        assert [len(v.manifest.roots) for v in versions] == [2, 1]
        desk.check("arm", "one")
        assert desk.approve("arm", "one")["tag"] == "v1.1.0"


@pytest.mark.parametrize("boundary", ["before-merge", "_merge, unsaved"])
def test_approve_killed_around_the_merge(house: House, tmp_path: Path, boundary: str) -> None:
    with house.open() as desk:
        desk.register("arm", "one", recording(tmp_path / "one"))
        desk.check("arm", "one")
    with killed(house, "approve", boundary, "arm", "one", tmp_path / "one") as desk:
        head = desk.store.head(repository_of("arm"), "main")
        assert head is not None
        (approval,) = desk.context.approvals("arm")
        assert approval.merge_commit == head.id
        assert desk.store.tagged(repository_of("arm"), "v1.0.0") == head.id
        assert desk.approved("arm").manifest_digest == approval.manifest_digest
        assert desk.status().undecided == ()


def test_quarantine_killed_before_its_record(house: House, tmp_path: Path) -> None:
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "one"))
    with killed(house, "quarantine", "record", "arm", "one", tmp_path / "one") as desk:
        (quarantine,) = desk.context.quarantines("arm")
        assert quarantine.episodes == (0,)
        assert desk.fails(lambda: desk.approved("arm")).kind == "no-approved-version"


def test_register_model_killed_before_its_record(house: House, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    with killed(house, "register-model", "record", "reach", "-", folder) as desk:
        assert desk.context.model("reach").manifest.name == "reach"
        assert desk.fails(lambda: desk.register_model("reach", folder)).kind == "already-exists"
