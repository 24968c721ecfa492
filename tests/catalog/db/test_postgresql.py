"""What only a PostgreSQL can get wrong: its address, its absence, two services, texts that it cannot hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.db import tables
from catalog.db.door import Records
from catalog.db.migrate import begin, migrate
from catalog.domain.clock import uuid7, wall_clock
from catalog.errors import AssayError
from catalog.settings import Settings
from tests.support.house import House
from tests.support.postgresql import Cluster

pytestmark = pytest.mark.needs("postgresql")


@pytest.fixture
def records(postgresql: Cluster) -> Iterator[Records]:
    found = Records(postgresql.database(), wall_clock)
    migrate(found.engine)
    begin(found.engine, wall_clock, uuid7)
    yield found
    found.close()


@pytest.mark.parametrize(
    "address", ["", "s3cret", "mysql://u:s3cret@h/d", "sqlite:///s3cret.db", "postgresql+asyncpg://u:s3cret@h/d"]
)
def test_an_address_that_is_none_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(AssayError) as error:
        Records(address, wall_clock)
    assert error.value.kind == "settings-invalid"
    assert "s3cret" not in str(error.value)


def test_nobody_answers(tmp_path: Path) -> None:
    records = Records(f"postgresql://assay:s3cret@/assay?host={tmp_path}", wall_clock)
    for act in (records.head, lambda: migrate(records.engine)):
        with pytest.raises(AssayError) as error:
            act()
        assert error.value.kind == "store-unreachable"
        assert "s3cret" not in str(error.value)
    assert "s3cret" not in repr(records.engine)


def test_settings_keep_the_password() -> None:
    settings = Settings(database_url="postgresql+psycopg://u:s3cret@h/d")
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_one_service_on_one_database(tmp_path: Path, postgresql: Cluster) -> None:
    url = postgresql.database()
    one, other = (House.begin(tmp_path / name, database_url=url) for name in ("one", "other"))
    with one.open():
        with pytest.raises(AssayError) as error, other.open():
            pass
        assert error.value.kind == "home-locked"
    with one.open() as desk:
        assert desk.audit()


@pytest.mark.parametrize("text", ["a\x00b", "x" * 100_000])
def test_a_text_that_it_cannot_hold_is_refused_whole(records: Records, text: str) -> None:
    text = text if len(text) < 9 else "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(4000))
    with pytest.raises(AssayError) as error, records.write("x") as write:
        write.insert(tables.recall, id=text, body="{}")
    assert error.value.kind == "input-invalid"
    assert records.head()[0].size == 0


def test_a_read_sees_one_state(records: Records) -> None:
    with records.read() as c:
        before = c.execute(tables.head.select()).one()
        with records.write("x") as write:
            write.audit("x", "y")
        assert c.execute(tables.head.select()).one() == before
    assert records.head()[0].size == 1


def test_a_read_cannot_write(records: Records) -> None:
    with pytest.raises(Exception, match="read-only"), records.read() as c:
        c.execute(tables.outbox.insert().values(body="{}"))


def test_a_write_waits_for_the_one_before_it_and_sees_what_that_wrote(records: Records) -> None:
    begun, seen = threading.Event(), []

    def second() -> None:
        begun.set()
        with records.write("second") as write:
            seen.append(write.head.size)
            write.audit("second", "y")

    with records.write("first") as write:
        other = threading.Thread(target=second)
        other.start()
        begun.wait(10)
        other.join(0.3)
        assert other.is_alive()
        write.audit("first", "y")
    other.join(30)
    assert seen == [1]
    assert records.head()[0].size == 2
