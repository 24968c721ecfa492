"""Parts of the system that some tests need: absent on CI is a failure, elsewhere a skip that says what installs it."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import Cluster, cluster, server

PYSPARK = Path(sysconfig.get_path("purelib"), "pyspark", "__init__.py")
SYSTEM, SPARK = "`make system` installs it", "`make spark` installs it"
PARTS = {
    "chromium": [(Path("/usr/bin/chromium"), SYSTEM)],
    "postgresql": [(server(), SYSTEM)],
    "spark": [(Path("/usr/bin/java"), SYSTEM), (PYSPARK, SPARK)],
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail or skip a test whose part is not installed; an unknown part is a KeyError."""
    for mark in item.iter_markers("needs"):
        (part,) = mark.args
        missing = [(path, how) for path, how in PARTS[part] if not path.is_file()]
        if not missing:
            continue
        path, how = missing[0]
        said = f"{part} is not installed ({path.name} is missing): {how}"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL of these tests alone."""
    with cluster() as found:
        yield found
