"""A full disk, a disk that turned read-only, a clock set back: the old state or the new, said, and the server goes on."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.lakefs.errors import StorageFullError, storage_error
from infra.lakefs.home import Home
from infra.lakefs.store import Store, commits, objects, refs, repositories
from infra.lakefs.store.commit import commit
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.merge import merge
from infra.lakefs.store.snapshot import snapshot
from tests.infra.golden import make

SMALL = 12 << 20  # bytes


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@dataclass
class Disk:
    """A place for a home, and how to make it full and free again while a server runs there."""

    home: Path
    fill: Callable[[Any], None]
    free: Callable[[Any], None]


def small_file_system(folder: Path) -> Iterator[Disk]:
    if not mount("-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)):
        pytest.skip("a small file system cannot be mounted here; the limit of a process stands for it")
    ballast = folder / "ballast"

    def fill(_: Any) -> None:
        with ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        assert os.statvfs(folder).f_bavail == 0

    try:
        yield Disk(folder / "home", fill, lambda _: ballast.unlink())
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def limited_process(folder: Path) -> Iterator[Disk]:
    def limit(server: Any, size: int) -> None:
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    yield Disk(folder / "home", lambda server: limit(server, 64), lambda server: limit(server, resource.RLIM_INFINITY))


@pytest.fixture(params=[small_file_system, limited_process], ids=["file-system", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    yield from request.param(folder)


def damage(home: Path) -> list[Any]:
    with snapshot(home) as found:
        return fsck(found).damage


def test_every_write_is_refused_on_a_full_disk_and_works_when_there_is_room(disk: Disk, start: Any) -> None:
    server = start(disk.home)
    repository = server.repository()
    http = server.http
    for branch in ("work", "dirty"):
        http.post(f"{repository}/branches", json={"name": branch, "source": "main"})
        server.put(repository, branch, branch, branch)
    server.commit(repository, "work")
    server.put(repository, "main", "main")
    server.commit(repository)
    writes: dict[str, Callable[[], Any]] = {
        "large upload": lambda: server.put(repository, "large", os.urandom(3 << 20), "dirty"),
        "upload": lambda: server.put(repository, "small", os.urandom(2000), "dirty"),
        "commit": lambda: server.commit(repository, "dirty"),
        "merge": lambda: http.post(f"{repository}/refs/work/merge/main", json={}),
        "revert": lambda: http.post(f"{repository}/branches/work/revert", json={"ref": "work", "parent_number": 0}),
    }
    names = iter(f"t{number}" for number in range(10_000))

    def until_full(write: Callable[[str], Any]) -> Any:
        """Rows go into room that the database has already, until there is none."""
        return next(answer for name in names if (answer := write(name)).status_code != 201)

    writes["tag"] = lambda: until_full(lambda name: http.post(f"{repository}/tags", json={"id": name, "ref": "main"}))
    writes["branch"] = lambda: until_full(
        lambda name: http.post(f"{repository}/branches", json={"name": name, "source": "main"})
    )
    disk.fill(server)
    for name in ("tag", "branch"):
        assert writes[name]().status_code == 507
    before = make.describe(server)
    for name, write in writes.items():
        answer = write()
        assert answer.status_code == 507, f"{name}: {answer.text}"
        assert "nothing was changed" in answer.json()["message"]
    assert make.describe(server) == before
    assert list((disk.home / "temp").iterdir()) == []
    assert damage(disk.home) == []
    disk.free(server)
    for name, write in writes.items():
        if name not in ("tag", "branch"):
            assert write().status_code in (200, 201, 204), name
        else:
            assert (
                http.post(
                    f"{repository}/{name.replace('ch', 'che')}s",
                    json={"id": name, "name": name, "ref": "work", "source": "work"},
                ).status_code
                == 201
            )
    assert damage(disk.home) == []


def test_a_disk_that_turns_read_only_is_said_and_reading_goes_on(tmp_path: Path, start: Any) -> None:
    home = tmp_path / "home"
    server = start(home)
    repository = server.repository()
    server.put(repository, "before", "kept")
    server.commit(repository)
    written = str(home / "temp")  # where every file begins
    if not (mount("--bind", written, written) and mount("-o", "remount,bind,ro", written)):
        pytest.skip("no read-only mount can be made here")
    try:
        answer = server.put(repository, "during", "x")
        assert answer.status_code == 507
        assert "Read-only file system" in answer.json()["message"]
        assert server.get(repository, "before").text == "kept"
        assert server.get(repository, "during").status_code == 404
    finally:
        subprocess.run(["umount", written], check=True)
    assert server.put(repository, "during", "x").status_code == 201
    assert damage(home) == []


def test_a_home_on_a_read_only_disk_is_refused_in_a_sentence_yet_checked_and_saved(tmp_path: Path, start: Any) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    server = start(home)
    server.put(server.repository(), "a", "1")
    server.process.terminate()
    server.process.wait(20)
    if not (mount("--bind", str(home), str(home)) and mount("-o", "remount,bind,ro", str(home))):
        pytest.skip("no read-only mount can be made here")
    command = [sys.executable, "-m", "infra.lakefs"]
    try:
        refused = subprocess.run(
            [*command, "--home", str(home), "--port", "0"], capture_output=True, text=True, check=False
        )
        assert refused.returncode == 2
        assert "Read-only file system" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert damage(home) == []
        saved = subprocess.run([*command, "backup", "--home", str(home), "--to", str(copy)], text=True, check=False)
        assert saved.returncode == 0
        collecting = subprocess.run(
            [*command, "gc", "--home", str(home), "--apply"], capture_output=True, text=True, check=False
        )
        assert collecting.returncode == 2
        assert "cannot be changed" in collecting.stderr
    finally:
        subprocess.run(["umount", str(home)], check=True)
    assert damage(copy) == []


def test_a_database_that_cannot_be_written_is_a_full_disk_to_its_user(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    connection = sqlite3.connect(f"file:{tmp_path / 'db'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    assert isinstance(storage_error(caught.value), StorageFullError)


def test_a_clock_set_back_changes_no_order(tmp_path: Path) -> None:
    """Each commit is an hour earlier than its parent by the server's clock."""
    times = iter(range(1_700_000_000, 0, -3600))
    with Home(tmp_path / "home") as home:
        store = Store(home.folder, lambda: next(times) * 1_000_000, "tester")
        try:
            store.database.write(lambda c: repositories.create(c, "repo", "local://repo", "main", False, store.clock()))

            def work(branch: str, path: bytes) -> str:
                objects.stage(store, "repo", branch, path, store.blobs.put(path), "text/plain", {})
                return commit(store, "repo", branch, "m", {}).id

            made = [work("main", b"%d" % number) for number in range(5)]
            store.database.write(lambda c: refs.create_branch(c, "repo", "work", "main", False, False))
            left, right = work("main", b"left"), work("work", b"right")
            merged = merge(store, "repo", "work", "main")
            later = work("main", b"later")
            with store.database.read() as connection:
                head = refs.resolve_commit(connection, "repo", "main")
                log = [found.id for found in commits.log(connection, "repo", head)]
                base = commits.merge_base(
                    connection, "repo", commits.get(connection, "repo", left), commits.get(connection, "repo", right)
                )
                named = refs.resolve_commit(connection, "repo", "main~3")
            assert log[:2] == [later, merged.id]
            assert set(log[2:4]) == {left, right}
            assert log[4:9] == made[::-1]
            assert (base and base.id, named.id) == (made[-1], made[-1])
            assert head.generation == len(made) + 4
            assert head.date < 1_700_000_000
        finally:
            store.close()
    assert damage(tmp_path / "home") == []
