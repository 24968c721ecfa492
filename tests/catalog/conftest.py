"""A catalog of its own for a test, or one for a module whose tests do not disturb each other.

A module that says `DATABASES = BOTH`, and a test marked `on_both_databases`, runs on SQLite and on PostgreSQL; every
other one on SQLite.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import Desk, House
from tests.support.postgresql import SQLITE, Fresh


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the modules that ask for it on each database."""
    if "fresh_database" in metafunc.fixturenames and (kinds := getattr(metafunc.module, "DATABASES", None)):
        metafunc.parametrize("fresh_database", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def fresh_database(request: pytest.FixtureRequest) -> Fresh:
    """Settings for a home of which no other test has the records."""
    if getattr(request, "param", SQLITE) == SQLITE:
        return dict
    cluster = request.getfixturevalue("postgresql")
    return lambda: {"database_url": cluster.database()}


@pytest.fixture
def house(tmp_path: Path, fresh_database: Fresh) -> House:
    """A fresh initialised home; nothing runs yet."""
    return House.begin(tmp_path, **fresh_database())


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    """A service on a fresh home."""
    with house.open() as found:
        yield found


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory: pytest.TempPathFactory, fresh_database: Fresh) -> House:
    """One home for a module."""
    return House.begin(tmp_path_factory.mktemp("shared"), **fresh_database())


@pytest.fixture(scope="module")
def shared_desk(shared_house: House) -> Iterator[Desk]:
    """One service for a module; each test uses names of its own."""
    with shared_house.open() as found:
        yield found


@pytest.fixture
def records_at(tmp_path: Path, fresh_database: Fresh) -> Path | str:
    """Where records without a home can be."""
    return fresh_database().get("database_url", tmp_path / "records.db")
