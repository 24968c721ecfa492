"""A catalog of its own for each test that releases, revokes or rotates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.attacker import Attack
from tests.support.house import House
from tests.support.postgresql import Fresh
from tests.support.recordings import recording


@pytest.fixture
def attack(tmp_path: Path, fresh_database: Fresh) -> Iterator[Attack]:
    """Everybody's hands on a fresh catalog with an approved dataset `arm`."""
    house = House.begin(tmp_path, **fresh_database())
    with house.open() as desk:
        desk.bring("arm", "one", recording(tmp_path / "arm-one"))
        yield Attack(house, desk)
