"""The migrations make what the tables say; a home from a newer version is refused and nothing of it is changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from catalog.db import tables
from catalog.db.door import Records
from catalog.db.migrate import migrate
from catalog.db.tables import metadata
from catalog.domain.clock import wall_clock
from catalog.errors import AssayError
from tests.support.house import House
from tests.support.postgresql import BOTH

DATABASES = BOTH


def test_migrations_equal_the_metadata(records_at: Path | str) -> None:
    records = Records(records_at, wall_clock)
    migrate(records.engine)
    migrate(records.engine)
    with records.read() as c:
        assert compare_metadata(MigrationContext.configure(c), metadata) == []
    records.close()


def test_text_sorts_by_bytes(records_at: Path | str) -> None:
    """Whatever language the database speaks."""
    records = Records(records_at, wall_clock)
    migrate(records.engine)
    names = ["B", "Z", "a", "a-b", "a0", "b", "É", "é", "한"]
    with records.engine.begin() as c:
        for name in reversed(names):
            c.execute(tables.recall.insert().values(id=name, body="{}"))
    with records.read() as c:
        assert list(c.execute(select(tables.recall.c.id).order_by(tables.recall.c.id)).scalars()) == names
        after = select(tables.recall.c.id).where(tables.recall.c.id > "a0").order_by(tables.recall.c.id)
        assert list(c.execute(after).scalars()) == names[5:]
        if records.engine.dialect.name == "postgresql":
            compared = c.exec_driver_sql(
                "select table_name, column_name from information_schema.columns where table_schema = 'public' "
                "and data_type = 'character varying' and collation_name is distinct from 'C'"
            ).all()
            assert compared == [("alembic_version", "version_num")]
            assert c.exec_driver_sql("select 'a' < 'B'").scalar(), "the database itself sorts by language"
    records.close()


def _digests(folder: Path) -> dict[str, str]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.suffix != ".lock")
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_home_from_a_newer_version_is_left_alone(house: House) -> None:
    with house.open() as desk:
        records = desk.context.records
        with records.engine.begin() as c:
            c.exec_driver_sql("update alembic_version set version_num = '9999'")
        if records.engine.dialect.name == "sqlite":
            with records.engine.connect() as c:
                c.connection.execute("pragma wal_checkpoint(truncate)")
    before = _digests(house.settings.home)
    for _ in range(2):
        with pytest.raises(AssayError) as error, house.open():
            pass
        assert error.value.kind == "home-newer"
        assert "9999" in error.value.what
    assert {n: d for n, d in _digests(house.settings.home).items() if "-" not in Path(n).name} == {
        n: d for n, d in before.items() if "-" not in Path(n).name
    }


def test_records_that_are_no_database(tmp_path: Path) -> None:
    """SQLite's file; a server looks after its own."""
    house = House.begin(tmp_path)
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
