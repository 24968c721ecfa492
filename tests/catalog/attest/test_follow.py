"""Who follows a repository from its first root sees what was signed, or refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.attest.follow import published_role
from catalog.domain.clock import wall_clock
from catalog.errors import Absent, Damaged
from tests.support.releases import CLASS, Office


def reader(folder: Path, **changed: bytes) -> Callable[[str], bytes]:
    """Reads metadata files, some of them as somebody changed them."""

    def get(name: str) -> bytes:
        path = folder / "metadata" / name
        if not path.is_file():
            raise Absent("release-unknown", name)
        return changed.get(name.replace(".", "_"), path.read_bytes())

    return get


def test_the_published_role_is_found_from_the_first_root(tmp_path: Path) -> None:
    repository = Office.begin(tmp_path, wall_clock()).repository
    root = (repository.folder / "metadata" / "1.root.json").read_bytes()
    found = published_role(reader(repository.folder), root, CLASS)
    assert found == repository.role(CLASS)


def test_another_root_or_a_changed_role_is_refused(tmp_path: Path) -> None:
    repository = Office.begin(tmp_path / "one", wall_clock()).repository
    other = Office.begin(tmp_path / "other", wall_clock()).repository
    root = (other.folder / "metadata" / "1.root.json").read_bytes()
    with pytest.raises(Damaged, match="not what your root signed"):
        published_role(reader(repository.folder), root, CLASS)
    own = (repository.folder / "metadata" / "1.root.json").read_bytes()
    name = f"1.{CLASS}.json"
    evil = (repository.folder / "metadata" / name).read_bytes().replace(b'"targets":{}', b'"targets":{ }')
    with pytest.raises(Damaged, match="not what your root signed"):
        published_role(reader(repository.folder, **{name.replace(".", "_"): evil}), own, CLASS)
