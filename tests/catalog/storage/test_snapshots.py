"""A snapshot is all that the table says, re-read from the store, or it does not appear; each fault is named."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import polars as pl
import pytest

from catalog.domain.dataset import ObjectEntry
from catalog.errors import AssayError
from catalog.storage.port import VersionStore
from catalog.storage.snapshot import Reread, reread, safe_path
from catalog.storage.transfer import COLUMNS


@dataclass
class Objects:
    """A commit as a mapping: `listing` and `read` are all that a snapshot asks of a store."""

    content: dict[str, bytes]
    error: Exception | None = field(default=None)

    def listing(self, _repository: str, _ref: str) -> pl.DataFrame:
        rows = [(path, len(content), "") for path, content in sorted(self.content.items())]
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")

    def read(self, _repository: str, _ref: str, path: str) -> Iterator[bytes]:
        if self.error is not None:
            raise self.error
        data = self.content[path]
        yield data[:3]
        yield data[3:]


CONTENT = {"one/a": b"aaaa", "one/deep/b": b"bb", "one/c": b""}


def table(content: dict[str, bytes]) -> list[ObjectEntry]:
    return [
        ObjectEntry(path=p, size=len(b), sha256="sha256:" + hashlib.sha256(b).hexdigest(), store_checksum="")
        for p, b in content.items()
    ]


def take(objects: Objects, entries: list[ObjectEntry], target: Path, own: frozenset[str] = frozenset()) -> Reread:
    return reread(cast("VersionStore", objects), "r", "c", entries, own, target, lambda _: None)


def test_all_agrees(tmp_path: Path) -> None:
    target = tmp_path / "snapshot"
    found = take(Objects(CONTENT | {".assay/m": b"m"}), table(CONTENT), target, frozenset({".assay/m"}))
    assert found == Reread(target, 3, 6)
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()} == CONTENT
    assert all(p.stat().st_mode & 0o222 == 0 for p in target.rglob("*"))
    assert [p.name for p in tmp_path.iterdir()] == ["snapshot"]


@pytest.mark.parametrize(
    ("content", "entries", "word"),
    [
        (CONTENT | {"one/extra": b"x"}, table(CONTENT), "in no table"),
        ({"one/a": b"aaaa"}, table(CONTENT), "not in the commit"),
        (CONTENT | {"one/a": b"aaab"}, table(CONTENT), "bytes are"),
        (CONTENT | {"one/a": b"aaaaa"}, table(CONTENT), "bytes are"),
        (CONTENT, table(CONTENT | {"one/a": b"aaa"}), "bytes are"),
        (CONTENT | {"../out": b"x"}, table(CONTENT | {"../out": b"x"}), "unsafe path"),
        (CONTENT | {"/out": b"x"}, table(CONTENT | {"/out": b"x"}), "unsafe path"),
    ],
)
def test_what_disagrees_is_named_and_nothing_appears(
    tmp_path: Path, content: dict[str, bytes], entries: list[ObjectEntry], word: str
) -> None:
    found = take(Objects(content), entries, tmp_path / "in" / "snapshot")
    assert found.folder is None
    assert len(found.faults) >= 1
    assert any(word in fault for fault in found.faults)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_second_look_replaces_the_copy_whole(tmp_path: Path) -> None:
    target = tmp_path / "snapshot"
    take(Objects(CONTENT), table(CONTENT), target)
    (target / "one/a").chmod(0o644)
    (target / "one/a").write_bytes(b"changed")
    assert take(Objects(CONTENT), table(CONTENT), target).folder == target
    assert (target / "one/a").read_bytes() == b"aaaa"
    assert [p.name for p in tmp_path.iterdir()] == ["snapshot"]


def test_a_failed_second_look_keeps_the_first_copy(tmp_path: Path) -> None:
    target = tmp_path / "snapshot"
    take(Objects(CONTENT), table(CONTENT), target)
    assert take(Objects(CONTENT | {"one/a": b"x"}), table(CONTENT), target).folder is None
    assert (target / "one/a").read_bytes() == b"aaaa"


def test_left_overs_of_a_kill_are_swept(tmp_path: Path) -> None:
    (tmp_path / "snapshot.building/one").mkdir(parents=True)
    (tmp_path / "snapshot.building/one/z").write_text("left")
    (tmp_path / "snapshot.building/one").chmod(0o555)
    found = take(Objects(CONTENT), table(CONTENT), tmp_path / "snapshot")
    assert found.faults == ()
    assert not (tmp_path / "snapshot/one/z").exists()


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    objects = replace(Objects(CONTENT), error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(AssayError) as error:
        take(objects, table(CONTENT), tmp_path / "snapshot")
    assert error.value.kind == "disk-full"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "safe"),
    [("a", True), ("a/b.c", True), ("a b/ü", True)]
    + [(p, False) for p in ("", "/a", "a//b", "a/../b", "..", "./a", "a/", "a\\b", "a\0b", ".")],
)
def test_safe_paths(path: str, safe: bool) -> None:
    assert safe_path(path) is safe
