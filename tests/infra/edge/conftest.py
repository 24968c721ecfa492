"""A site for each test: a release repository with real keys, and a device that was never anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.edge.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An office with nothing released, and a device."""
    return Site.begin(tmp_path)


@pytest.fixture
def settled(site: Site) -> Site:
    """Release 1 installed and healthy."""
    site.promote(site.manifest(1))
    site.pull()
    site.later(1)
    return site


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Site]:
    """Sites with options of their own."""
    return lambda name="own", **options: Site.begin(tmp_path / name, **options)
