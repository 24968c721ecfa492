"""Homes that earlier versions wrote are read by this one: same bytes, same identifiers, and work goes on."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from infra.lakefs.errors import HomeError
from infra.lakefs.home import LAYOUT, Home
from infra.lakefs.store.database import SCHEMA
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.migrate import migrate_file
from infra.lakefs.store.snapshot import snapshot
from tests.infra.golden import make

ARCHIVES = sorted(make.HERE.glob("layout-*.tar.gz"))


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "home"


def layout(home: Path) -> int:
    found: int = json.loads((home / "lakefs.json").read_text())["layout"]
    return found


def damage(home: Path) -> list[Any]:
    with snapshot(home) as found:
        return fsck(found).damage


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_a_golden_home_says_what_it_said(archive: Path, tmp_path: Path, start: Any) -> None:
    home = unpacked(archive, tmp_path)
    assert damage(home) == []
    server = start(home)
    expected = json.loads(archive.with_name(archive.name.replace(".tar.gz", ".json")).read_text())
    assert make.describe(server) == expected
    assert layout(home) == LAYOUT
    assert damage(home) == []
    made = server.commit("/repositories/lines", "left", "what was staged long ago")
    assert made.json()["parents"] == [expected["lines"]["branches"]["left"]]
    assert make.objects(server, "/repositories/lines", "left@").keys() == expected["lines"]["shown"]["left"].keys()
    assert server.put("/repositories/lines", "new", b"new").status_code == 201
    assert server.commit("/repositories/lines").status_code == 201
    merged = server.http.post("/repositories/lines/refs/left/merge/main", json={"strategy": "source-wins"})
    assert merged.status_code == 200, merged.text
    assert server.get("/repositories/lines", "left/only").content == b"changed and staged"
    assert damage(home) == []


def test_a_home_of_the_newest_layout_is_golden_too() -> None:
    assert f"layout-{LAYOUT}.tar.gz" in {archive.name for archive in ARCHIVES}


@pytest.mark.parametrize("crash", ["before", "tables", "marker"])
def test_a_migration_that_broke_off_goes_on(crash: str, tmp_path: Path) -> None:
    home = unpacked(make.HERE / "layout-1.tar.gz", tmp_path)
    if crash != "before":
        migrate_file(home / "refs.sqlite", SCHEMA)
    if crash == "marker":
        (home / "temp" / "0").write_text('{"lay')  # the new marker, not yet renamed
    with Home(home):
        pass
    assert layout(home) == LAYOUT
    assert damage(home) == []
    with sqlite3.connect(home / "refs.sqlite") as connection:
        commits, left = (connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("commits", "reflog"))
        assert commits == left  # each counts as just left, so that gc gives it its grace


def test_a_migration_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    home = unpacked(make.HERE / "layout-1.tar.gz", tmp_path)
    before = (home / "refs.sqlite").read_bytes()
    with pytest.raises(HomeError, match="nothing was changed"):
        migrate_file(home / "refs.sqlite", SCHEMA + "CREATE TABLE commits (x INTEGER);")
    assert (home / "refs.sqlite").read_bytes() == before
    assert layout(home) == 1


@pytest.mark.parametrize("marker", [True, False])
def test_a_home_of_a_later_layout_is_refused_and_left_alone(marker: bool, tmp_path: Path) -> None:
    home = unpacked(make.HERE / "layout-1.tar.gz", tmp_path)
    if marker:
        (home / "lakefs.json").write_text(json.dumps({"layout": LAYOUT + 1}))
    else:
        with sqlite3.connect(home / "refs.sqlite") as connection:
            connection.execute(f"PRAGMA user_version={LAYOUT + 1}")
        connection.close()
    before = (home / "refs.sqlite").read_bytes()
    with pytest.raises(HomeError, match=f"layout {LAYOUT + 1}, this version reads up to {LAYOUT}"), Home(home):
        pass
    assert (home / "refs.sqlite").read_bytes() == before
