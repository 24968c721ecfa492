"""A recording registered by reference stays where it is; what is served of it is still what was judged, or nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.domain.dataset import repository_of
from catalog.services.register import IMPORT
from tests.support.house import Desk, House, ended
from tests.support.recordings import recording

ARM = repository_of("arm")
FILE = "data/chunk-000/episode_000001.parquet"


@pytest.fixture
def open_house(tmp_path: Path) -> House:
    """A home whose store may refer to files below `recordings`."""
    (tmp_path / "recordings").mkdir()
    return House.begin(tmp_path, import_folders=(tmp_path / "recordings",))


@pytest.fixture
def refer(open_house: House) -> Iterator[Desk]:
    with open_house.open() as desk:
        yield desk


def register(desk: Desk, folder: Path) -> dict[str, object]:
    return ended(desk.wait(desk.begin_register("arm", "one", folder, by_reference=True)))


def copied(house: House) -> set[bytes]:
    """What the store holds itself."""
    return {f.read_bytes() for f in (house.settings.home / "lakefs/blobs").rglob("*") if f.is_file()}


def test_nothing_is_copied_and_everything_is_served(refer: Desk, open_house: House, tmp_path: Path) -> None:
    folder = recording(tmp_path / "recordings/one")
    register(refer, folder)
    listed = refer.store.listing(ARM, "ingest-one", "one/")
    assert not copied(open_house) & {f.read_bytes() for f in folder.rglob("*.parquet")}
    assert refer.check("arm", "one")["passed"] is True
    refer.approve("arm", "one")
    answer = refer.approved("arm")
    assert {o.path: o.store_checksum for o in answer.objects} == dict(listed.select("path", "checksum").iter_rows())
    for entry in answer.objects:
        assert (Path(answer.folder) / entry.path).read_bytes() == (tmp_path / "recordings" / entry.path).read_bytes()


def test_a_source_that_changed_is_never_judged_as_what_was_registered(refer: Desk, tmp_path: Path) -> None:
    folder = recording(tmp_path / "recordings/one")
    register(refer, folder)
    whole = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(whole[:-1] + b"x")
    error = refer.fails(lambda: refer.check("arm", "one"))
    assert "changed" in error.what
    assert refer.fails(lambda: refer.approve("arm", "one"))
    (folder / FILE).write_bytes(whole)
    assert refer.check("arm", "one")["passed"] is True


def test_a_folder_that_was_not_allowed_leaves_nothing(refer: Desk, tmp_path: Path) -> None:
    error = refer.fails(lambda: register(refer, recording(tmp_path / "elsewhere")))
    assert error.kind == "path-unreadable"
    assert "ASSAY_IMPORT_FOLDERS" in error.do
    assert refer.store.head(ARM, "ingest-one") is None
    assert refer.status().versions == 0


def test_killed_after_the_import_it_is_not_imported_again(open_house: House, tmp_path: Path) -> None:
    folder = recording(tmp_path / "recordings/one")
    command = [sys.executable, "-m", "tests.support.killed", str(open_house.settings.home), "register-by-reference"]
    command += ["_upload, unsaved", "arm", "one", str(folder)]
    environment = open_house.environment | {"ASSAY_IMPORT_FOLDERS": str(tmp_path / "recordings")}
    assert subprocess.run(command, check=False, timeout=120, env=environment).returncode == -9
    with open_house.open() as desk:
        desk.settle()
        (version,) = desk.dataset("arm").versions
        log = desk.store.log(ARM, version.commit, 10)
        assert [IMPORT in c.metadata for c in log] == [False, True, False]
        assert desk.check("arm", "one")["passed"] is True
