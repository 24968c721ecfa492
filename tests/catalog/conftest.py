"""A catalog of its own for a test, or one for a module whose tests do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import Desk, House


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A fresh initialised home; nothing runs yet."""
    return House.begin(tmp_path)


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    """A service on a fresh home."""
    with house.open() as found:
        yield found


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One home for a module."""
    return House.begin(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def shared_desk(shared_house: House) -> Iterator[Desk]:
    """One service for a module; each test uses names of its own."""
    with shared_house.open() as found:
        yield found
