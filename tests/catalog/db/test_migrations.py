"""The migrations make what the tables say; a home from a newer version is refused and nothing of it is changed."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from catalog.db.door import Records
from catalog.db.migrate import migrate
from catalog.db.tables import metadata
from catalog.domain.clock import wall_clock
from catalog.errors import AssayError
from tests.support.house import House


def test_migrations_equal_the_metadata(tmp_path: Path) -> None:
    records = Records(tmp_path / "records.db", wall_clock)
    migrate(records.engine)
    migrate(records.engine)
    with records.read() as c:
        assert compare_metadata(MigrationContext.configure(c), metadata) == []
    records.close()


def _digests(folder: Path) -> dict[str, str]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.suffix != ".lock")
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_home_from_a_newer_version_is_left_alone(house: House) -> None:
    with house.open():
        pass
    with sqlite3.connect(house.settings.database) as c:
        c.execute("update alembic_version set version_num = '9999'")
    c.execute("pragma wal_checkpoint(truncate)")
    c.close()
    before = _digests(house.settings.home)
    for _ in range(2):
        with pytest.raises(AssayError) as error, house.open():
            pass
        assert error.value.kind == "home-newer"
        assert "9999" in error.value.what
    assert {n: d for n, d in _digests(house.settings.home).items() if "-" not in Path(n).name} == {
        n: d for n, d in before.items() if "-" not in Path(n).name
    }


def test_records_that_are_no_database(house: House) -> None:
    house.settings.database.write_bytes(b"no database" * 1000)
    with pytest.raises(AssayError) as error, house.open():
        pass
    assert error.value.kind == "home-damaged"
    assert house.settings.database.read_bytes() == b"no database" * 1000


def test_a_home_without_principals(house: House) -> None:
    (house.settings.home / "bootstrap.json").unlink()
    with pytest.raises(AssayError) as error, house.open():
        pass
    assert error.value.kind == "home-not-initialised"


def test_a_second_service_on_one_home(house: House) -> None:
    with house.open(), pytest.raises(AssayError) as error, house.open():
        pass
    assert error.value.kind == "home-locked"
    with house.open():
        pass
