"""Imported files as content: served while they are what was committed, and never when they are not any more."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.lakefs.errors import DamagedError, LakeFSError
from infra.lakefs.store.entries import Entry, make_entry
from infra.lakefs.store.folders import Folders, path_of
from infra.lakefs.store.hashing import CHUNK, FLAGS, LARGE, UNSETTLED, digest, identity
from infra.lakefs.store.sources import IN_MEMORY, SourceFile
from tests.support.lakefs_server import Running

from .conftest import Start

PATH = "in/x.bin"


class Imported:
    """A server with one imported file at PATH on main."""

    def __init__(self, server: Running, folder: Path, content: bytes) -> None:
        self.server = server
        self.http = server.http
        self.content = content
        self.folder = folder
        self.source = folder / "sub" / "x.bin"
        self.source.parent.mkdir(parents=True)
        self.source.write_bytes(content)
        self.repository = server.repository()
        place = {"type": "common_prefix", "path": f"local://{folder}/sub", "destination": "in/"}
        address = f"{self.repository}/branches/main/import"
        started = self.http.post(address, json={"paths": [place], "commit": {"message": "m"}}).json()
        said: dict[str, Any] = {}
        while not said.get("completed"):
            said = self.http.get(address, params=started).json()
            assert "error" not in said

    def read(self, **headers: str) -> httpx.Response:
        return self.http.get(f"{self.repository}/refs/main/objects", params={"path": PATH}, headers=headers)

    def refused(self) -> str:
        """Why neither the whole nor a part is served."""
        whole = self.read()
        for found in (whole, self.read(range="bytes=0-0"), self.read(range="bytes=-1")):
            assert found.status_code == 500
            assert found.headers["x-error-kind"] == "damaged"
            assert str(self.source) in found.json()["message"]
            assert PATH in found.json()["message"]
        message: str = whole.json()["message"]
        return message


@pytest.fixture
def imported(start: Start, tmp_path: Path) -> Imported:
    (tmp_path / "allowed").mkdir()
    server = start(tmp_path / "home", "--allow-import", str(tmp_path / "allowed"))
    return Imported(server, tmp_path / "allowed", b"committed" * 1000)


def test_reads_whole_and_in_part(imported: Imported) -> None:
    assert imported.read().content == imported.content
    part = imported.read(range="bytes=3-7")
    assert (part.status_code, part.content) == (206, imported.content[3:8])
    assert imported.read(range=f"bytes={len(imported.content)}-").status_code == 416


@pytest.mark.parametrize("content", [b"x" * 9000, b"other", b""])
def test_a_changed_file_is_noticed_and_said(imported: Imported, content: bytes) -> None:
    imported.source.write_bytes(content)
    assert "changed after its import" in imported.refused()
    imported.source.write_bytes(imported.content)
    assert imported.read().content == imported.content


def test_a_change_that_keeps_size_and_times_of_modification_is_noticed(imported: Imported) -> None:
    before = imported.source.stat()
    imported.source.write_bytes(b"C" + imported.content[1:])
    os.utime(imported.source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "changed after its import" in imported.refused()


def test_a_removed_file_is_said(imported: Imported) -> None:
    imported.source.unlink()
    assert "no such file" in imported.refused()
    shutil.rmtree(imported.source.parent)
    assert "no such file" in imported.refused()


def test_a_file_replaced_by_its_equal_is_served(imported: Imported) -> None:
    other = imported.folder / "other"
    other.write_bytes(imported.content)
    other.replace(imported.source)
    assert imported.read().content == imported.content
    os.utime(imported.source, (1, 1))
    assert imported.read(range="bytes=1-2").content == imported.content[1:3]


def test_links_in_the_place_of_a_file_or_folder_are_not_followed(imported: Imported, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.bin").write_bytes(imported.content)
    imported.source.unlink()
    imported.source.symlink_to(tmp_path / "outside" / "x.bin")
    assert "symbolic link" in imported.refused()
    shutil.rmtree(imported.source.parent)
    imported.source.parent.symlink_to(tmp_path / "outside")
    assert "symbolic link" in imported.refused()


def test_a_fifo_in_the_place_of_a_file_holds_nothing_up(imported: Imported) -> None:
    imported.source.unlink()
    os.mkfifo(imported.source)
    assert "neither a file nor a folder" in imported.refused()


def test_content_of_which_there_are_several_files_is_read_from_any(imported: Imported) -> None:
    copy = imported.folder / "copy"
    copy.write_bytes(imported.content)
    md5 = hashlib.md5(imported.content, usedforsecurity=False).hexdigest()
    body = {"physical_address": f"local://{copy}", "checksum": md5, "size_bytes": len(imported.content)}
    staged = imported.http.put(f"{imported.repository}/branches/main/objects", params={"path": "copy"}, json=body)
    assert staged.status_code == 201
    imported.source.unlink()
    assert imported.read().content == imported.content
    copy.unlink()
    assert str(copy) in imported.refused()


def test_content_that_was_uploaded_too_needs_no_file(imported: Imported) -> None:
    imported.server.put(imported.repository, "uploaded", imported.content)
    imported.source.unlink()
    assert imported.read().content == imported.content


def test_a_folder_that_is_not_allowed_any_more(imported: Imported, start: Start, tmp_path: Path) -> None:
    imported.server.kill()
    imported.server = start(tmp_path / "home")
    imported.http = imported.server.http
    assert f"start the server with --allow-import {imported.folder}" in imported.refused()
    stat = imported.http.get(f"{imported.repository}/refs/main/objects/stat", params={"path": PATH})
    assert stat.json()["physical_address"] == f"local://{imported.source}"


def test_a_copy_and_another_branch_read_the_same_file(imported: Imported) -> None:
    made = imported.http.post(
        f"{imported.repository}/branches/main/objects/copy",
        params={"dest_path": "copy"},
        json={"src_path": PATH},
    )
    assert made.status_code == 201
    assert imported.server.get(imported.repository, "copy").content == imported.content


def test_a_file_that_changes_while_it_is_read_ends_the_answer(start: Start, tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    server = start(tmp_path / "home", "--allow-import", str(tmp_path / "allowed"))
    content = os.urandom(64 << 20)
    imported = Imported(server, tmp_path / "allowed", content)
    address, query = f"{imported.repository}/refs/main/objects", {"path": PATH}
    received = bytearray()

    def read_on() -> None:
        with imported.http.stream("GET", address, params=query) as answer:
            assert answer.status_code == 200
            for piece in answer.iter_bytes(1 << 20):
                if not received:
                    with imported.source.open("r+b") as file:
                        file.write(b"\0" * len(content))
                received.extend(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        read_on()
    assert 0 < len(received) < len(content)
    assert received == content[: len(received)]


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """A file mapped to write to, its pages dirty already: a write to those moves no time of the file."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        for at in range(0, len(mapping), mmap.PAGESIZE):
            mapping[at] = mapping[at]
        time.sleep(0.5)  # until its times count as settled
        yield mapping


@pytest.mark.parametrize("size", [8192, IN_MEMORY, IN_MEMORY + 1, 3 << 20])
def test_a_write_through_a_mapping_is_noticed(start: Start, tmp_path: Path, size: int) -> None:
    (tmp_path / "allowed").mkdir()
    server = start(tmp_path / "home", "--allow-import", str(tmp_path / "allowed"))
    content = os.urandom(size)
    imported = Imported(server, tmp_path / "allowed", content)
    with mapped(imported.source) as mapping:
        assert imported.read().content == content
        assert imported.read(range="bytes=1-70000").content == content[1:70001]
        before = imported.source.stat()
        mapping[5] ^= 1
        assert imported.source.stat().st_ctime_ns == before.st_ctime_ns, "the file system notices by itself"
        part = imported.read(range="bytes=5-5")
        assert (part.status_code, part.headers["x-error-kind"]) == (500, "damaged")
        if size <= IN_MEMORY:
            assert "changed after its import" in imported.refused()
        else:
            for headers in ({}, {"range": "bytes=0-"}):
                with pytest.raises(httpx.RemoteProtocolError):
                    imported.read(**headers)
        mapping[5] ^= 1
        assert imported.read().content == content


def test_an_action_file_that_was_imported_is_hashed_too(start: Start, tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    server = start(tmp_path / "home", "--allow-import", str(tmp_path / "allowed"))
    action = b"name: x\non:\n  pre-merge:\nhooks:\n  - id: h\n    type: webhook\n    properties:\n      url: http://a\n"
    imported = Imported(server, tmp_path / "allowed", action)
    copied = f"{imported.repository}/branches/main/objects/copy"
    said = imported.http.post(copied, params={"dest_path": "_lakefs_actions/x"}, json={"src_path": PATH})
    assert said.status_code == 201
    with mapped(imported.source) as mapping:
        assert server.commit(imported.repository).status_code == 201
        mapping[6:7] = b"y"
        server.put(imported.repository, "other", b"other")
        refused = server.commit(imported.repository)
    assert refused.status_code == 412
    assert "changed after its import" in refused.json()["message"]


def test_no_read_of_a_source_gives_bytes_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345678")

    def opened() -> SourceFile:
        descriptor = os.open(path, FLAGS)
        return SourceFile(descriptor, identity(descriptor), hashlib.sha256(b"12345678").digest(), "changed")

    for act in (
        lambda file: file.read(),
        lambda file: file.read(3),
        lambda file: file.readall(),
        lambda file: file.readinto(bytearray(3)),
        lambda file: file.readline(),
    ):
        with opened() as file:
            act(file)
            file.seek(0)
            path.write_bytes(b"abcdefgh")
            os.utime(path, (1, 1))
            with pytest.raises(DamagedError):
                act(file)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, LARGE - 1, LARGE, LARGE + 1])
def test_digests_are_those_of_the_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    path = tmp_path / "x"
    path.write_bytes(content)
    os.utime(path, (1, 1))
    descriptor = os.open(path, FLAGS)
    try:
        sha256, md5, known = digest(descriptor)
    finally:
        os.close(descriptor)
    assert sha256 == hashlib.sha256(content).digest()
    assert md5 == hashlib.md5(content, usedforsecurity=False).digest()
    assert known[0] == size
    assert known[2] == UNSETTLED, "it was changed just now"


NAMES = st.sampled_from(["a", "b", "a.b", "in", "out", "up", "file", "가", "a b", "..", ".", "", "home"])


@pytest.fixture(scope="module")
def labyrinth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folders, Path]:
    """An allowed folder with links in it that lead everywhere; every file says whether it may be read."""
    place = tmp_path_factory.mktemp("labyrinth").resolve()
    allowed, outside = place / "allowed", place / "outside"
    for root, said in ((allowed, "inside"), (outside, "outside"), (allowed / "home", "home")):
        for below in ("", "a", "a/b", "b", "a.b", "가", "a b"):
            (root / below).mkdir(parents=True, exist_ok=True)
            (root / below / "file").write_text(said)
    for below in ("", "a", "b"):
        (allowed / below / "out").symlink_to(outside)
        (allowed / below / "in").symlink_to(allowed / "a")
        (allowed / below / "up").symlink_to("../..")
    (outside / "in").symlink_to(allowed)
    return Folders(allowed / "home", [allowed]), allowed


@settings(max_examples=400, deadline=None)
@given(names=st.lists(NAMES, max_size=6), above=st.booleans())
def test_nothing_outside_of_an_allowed_folder_is_ever_opened(
    labyrinth: tuple[Folders, Path], names: list[str], above: bool
) -> None:
    folders, allowed = labyrinth
    path = "/".join([str(allowed.parent if above else allowed), *names])
    try:
        descriptor = folders.open_file(folders.locate(path_of(f"local://{path}")))
    except LakeFSError:
        straight = allowed.joinpath(*names)
        linked = {"in", "out", "up"} & set(names)
        assert above or linked or {".", "..", "home"} & set(names) or not straight.is_file()
        return
    try:
        assert os.read(descriptor, 100) == b"inside"
    finally:
        os.close(descriptor)


def test_no_link_is_walked_into(labyrinth: tuple[Folders, Path]) -> None:
    folders, allowed = labyrinth
    for below in ("", "a", "b"):
        with pytest.raises(LakeFSError):
            list(folders.walk(str(allowed / below), b""))
    assert [key for group in folders.walk(str(allowed / "a" / "b"), b"x/") for key in group.destinations()] == [
        b"x/file"
    ]


FILE_NAMES = st.text(st.sampled_from("ab-./é가😀 "), min_size=1, max_size=4).filter(
    lambda n: n not in (".", "..") and "/" not in n
)


@settings(max_examples=60, deadline=None)
@given(paths=st.sets(st.lists(FILE_NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12))
def test_a_walk_gives_every_file_once_in_the_order_of_keys(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str]
) -> None:
    place = tmp_path_factory.mktemp("walk").resolve()
    (place / "home").mkdir()
    root = place / "root"
    made = set()
    for path in sorted(paths):
        target = root / path
        if target.is_dir() or any(parent.is_file() for parent in target.parents):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path)
        made.add(path.encode())
    folders = Folders(place / "home", [root])
    keys = [key for group in folders.walk(str(root), b"") for key in group.destinations()]
    assert keys == sorted(made)


def test_the_store_reads_what_an_entry_names(store: Any, tmp_path: Path) -> None:
    """Without a blob and without a source the sentence is the blob's."""
    from infra.lakefs.store.contents import open_content

    entry: Entry = make_entry(b"x", bytes(range(32)), bytes(16), 3, 0, "text/plain", {})
    with pytest.raises(DamagedError, match="missing from the store"):
        open_content(store, entry)
