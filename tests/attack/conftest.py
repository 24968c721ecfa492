"""One catalog for each module of attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attack.attacker import Attack
from tests.support.house import House
from tests.support.recordings import recording


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """One catalog for a module, with an approved dataset `arm`; each attack leaves it as it was or uses its own names."""
    folder = tmp_path_factory.mktemp("attack")
    house = House.begin(folder)
    with house.open() as desk:
        desk.bring("arm", "one", recording(folder / "arm-one"))
        yield Attack(house, desk)
