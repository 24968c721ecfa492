"""Parts of the system that some tests need: absent on CI is a failure, elsewhere a skip that says what installs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import Cluster, cluster, server

PARTS = {"chromium": Path("/usr/bin/chromium"), "postgresql": server()}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail or skip a test whose part is not installed; an unknown part is a KeyError."""
    for mark in item.iter_markers("needs"):
        (part,) = mark.args
        if PARTS[part].is_file():
            continue
        said = f"{part} is not installed ({PARTS[part]}): `make system` installs it"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL of these tests alone."""
    with cluster() as found:
        yield found
