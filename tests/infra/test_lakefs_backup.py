"""A backup holds the home of one moment, whole, though clients write; a restored home goes on from there."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.lakefs.errors import HomeError
from infra.lakefs.home import BACKUP
from infra.lakefs.store import Store, backup, objects
from infra.lakefs.store.backup import restore
from infra.lakefs.store.commit import commit
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.snapshot import snapshot, undisturbed
from tests.infra.golden import make


def put(store: Store, path: bytes, content: bytes) -> bytes:
    blob = store.blobs.put(content)
    objects.stage(store, "repo", "main", path, blob, "text/plain", {})
    return blob.sha256


def folder_of(store: Store) -> Path:
    return store.blobs.temp.parent


def stored(folder: Path) -> list[Path]:
    return [path for kind in ("blobs", "ranges", "trees") for path in (folder / kind).glob("*/*")]


def damage(folder: Path) -> list[Any]:
    with snapshot(folder) as home:
        return fsck(home).damage


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.lakefs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_backup_taken_while_clients_write_is_whole_and_holds_what_was_answered_before(
    tmp_path: Path, start: Any
) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    server = start(home)
    repository = server.repository()
    stop = threading.Event()
    answered: dict[str, int] = {}

    def work(client: int) -> None:
        number = 0
        while not stop.is_set():
            server.put(repository, f"{client}/{number}", f"{client} {number}")
            answered[f"{client}/{number}"] = number
            if number % 4 == client:
                server.commit(repository)
            number += 1

    workers = [threading.Thread(target=work, args=(client,)) for client in range(3)]
    for worker in workers:
        worker.start()
    while len(answered) < 20:
        stop.wait(0.01)
    before: set[str] = set()
    for _ in range(2):
        before = set(answered)
        done = run("backup", "--home", str(home), "--to", str(copy), "--json")
        assert done.returncode == 0, done.stderr
        assert damage(copy) == []
    stop.set()
    for worker in workers:
        worker.join()
    restored = tmp_path / "restored"
    assert run("restore", "--from", str(copy), "--home", str(restored)).returncode == 0
    assert run("fsck", "--home", str(restored)).returncode == 0
    second = start(restored)
    found = make.objects(second, repository, "main")
    assert before <= found.keys()
    assert second.put(repository, "later", b"goes on").status_code == 201
    assert second.commit(repository).status_code == 201
    assert not (restored / BACKUP).exists()
    assert not (restored / "credentials.json").exists()


def test_a_restored_home_says_all_that_the_first_said(tmp_path: Path, start: Any) -> None:
    first = start(tmp_path / "home")
    make.fill(first)
    said = make.describe(first)
    assert run("backup", "--home", str(tmp_path / "home"), "--to", str(tmp_path / "copy")).returncode == 0
    assert run("restore", "--from", str(tmp_path / "copy"), "--home", str(tmp_path / "new")).returncode == 0
    assert make.describe(start(tmp_path / "new")) == said


def test_a_second_backup_brings_what_is_new(store: Store, tmp_path: Path) -> None:
    put(store, b"a", b"1")
    commit(store, "repo", "main", "m", {})
    first = backup.backup(folder_of(store), tmp_path / "copy")
    assert (first.copied, first.already_there) == (3, 0)
    put(store, b"b", b"2")
    second = backup.backup(folder_of(store), tmp_path / "copy")
    assert (second.copied, second.already_there) == (1, 3)
    assert damage(tmp_path / "copy") == []


def test_damage_of_one_copy_is_no_damage_of_another(store: Store, tmp_path: Path) -> None:
    """Bytes written over the files of a restored home are in no other home."""
    put(store, b"a", b"good")
    commit(store, "repo", "main", "m", {})
    backup.backup(folder_of(store), tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "restored")
    for path in stored(tmp_path / "restored"):
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\0")
    assert len(damage(tmp_path / "restored")) >= 3
    assert damage(tmp_path / "copy") == []
    assert damage(folder_of(store)) == []


@pytest.mark.parametrize("how", [lambda data: data[:-1] + b"\0", lambda data: data[:-1], lambda _: b""])
def test_a_second_backup_replaces_what_is_damaged_in_the_first(
    how: Callable[[bytes], bytes], store: Store, tmp_path: Path
) -> None:
    put(store, b"a", b"good")
    commit(store, "repo", "main", "m", {})
    backup.backup(folder_of(store), tmp_path / "copy")
    for path in stored(tmp_path / "copy"):
        path.write_bytes(how(path.read_bytes()))
    done = backup.backup(folder_of(store), tmp_path / "copy")
    assert (done.copied, done.already_there, done.lost) == (3, 0, [])
    assert damage(tmp_path / "copy") == []


def test_what_is_damaged_here_and_there_is_lost(store: Store, tmp_path: Path) -> None:
    sha256 = put(store, b"a", b"good")
    backup.backup(folder_of(store), tmp_path / "copy")
    for folder in (folder_of(store), tmp_path / "copy"):
        (path,) = stored(folder)
        path.write_bytes(b"evil")
    done = backup.backup(folder_of(store), tmp_path / "copy")
    assert done.lost == [f"blob {sha256.hex()} holds other bytes than its name says"]


@pytest.mark.parametrize("inside", ["home/copy", "home", ".", "link/copy"])
def test_a_home_and_its_backup_lie_beside_each_other(inside: str, store: Store, tmp_path: Path) -> None:
    put(store, b"a", b"1")
    (tmp_path / "link").symlink_to(folder_of(store))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HomeError, match="lie one in the other"):
        backup.backup(folder_of(store), tmp_path / inside)
    assert sorted(tmp_path.rglob("*")) == before
    backup.backup(folder_of(store), tmp_path / "copy")
    with pytest.raises(HomeError, match="lie one in the other"):
        restore(tmp_path / "copy", tmp_path / "copy" / "new")


def test_what_a_killed_writer_left_in_a_backup_is_not_mixed_into_the_next(store: Store, tmp_path: Path) -> None:
    """SQLite would take a journal beside the rows for theirs, and roll them back."""
    for number in range(30):
        put(store, b"a", b"%d" % number)
        commit(store, "repo", "main", "m" * 20_000, {})
    backup.backup(folder_of(store), tmp_path / "copy")
    writing = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size=5'); c.execute('BEGIN IMMEDIATE');"
        "c.execute('DELETE FROM commits WHERE generation > 3'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", writing, str(tmp_path / "copy" / "refs.sqlite")], check=False)
    assert (tmp_path / "copy" / "refs.sqlite-journal").stat().st_size > 0
    for number in range(30):
        put(store, b"b", b"%d" % number)
        commit(store, "repo", "main", "n" * 20_000, {})
    backup.backup(folder_of(store), tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "refs.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM commits").fetchone() == (61,)
    assert damage(tmp_path / "copy") == []


def test_nobody_reads_a_backup_while_it_is_written(store: Store, tmp_path: Path) -> None:
    put(store, b"a", b"1")
    backup.backup(folder_of(store), tmp_path / "copy")
    with undisturbed(tmp_path / "copy"), pytest.raises(HomeError, match="fsck, gc or backup works"):
        backup.backup(folder_of(store), tmp_path / "copy")
    assert backup.backup(folder_of(store), tmp_path / "copy").lost == []


def test_an_interrupted_backup_leaves_the_one_before_and_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, b"a", b"1")
    commit(store, "repo", "main", "first", {})
    backup.backup(folder_of(store), tmp_path / "copy")
    for number in range(10):
        put(store, b"%d" % number, b"%d" % number)
    second = commit(store, "repo", "main", "second", {})
    bring, left = backup._bring, [5]

    def break_off(*arguments: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return bring(*arguments)

    monkeypatch.setattr(backup, "_bring", break_off)
    with pytest.raises(KeyboardInterrupt):
        backup.backup(folder_of(store), tmp_path / "copy")
    with snapshot(tmp_path / "copy") as home:
        assert fsck(home).damage == []
        assert home.connection.execute("SELECT count(*) FROM commits WHERE id=?", (second.id,)).fetchone()[0] == 0
    restore(tmp_path / "copy", tmp_path / "old")  # the earlier backup is still good
    done = backup.backup(folder_of(store), tmp_path / "copy")
    assert done.already_there >= 4
    with snapshot(tmp_path / "copy") as home:
        assert fsck(home).damage == []
        assert home.connection.execute("SELECT count(*) FROM commits WHERE id=?", (second.id,)).fetchone()[0] == 1


def test_what_is_lost_is_named_and_what_the_backup_has_is_kept(store: Store, tmp_path: Path) -> None:
    kept = put(store, b"a", b"kept")
    backup.backup(folder_of(store), tmp_path / "copy")
    lost, broken = put(store, b"b", b"lost"), put(store, b"c", b"broken")
    store.blobs.path(kept).unlink()
    store.blobs.path(lost).unlink()
    store.blobs.path(broken).unlink()
    store.blobs.path(broken).write_bytes(b"brokeN")
    done = backup.backup(folder_of(store), tmp_path / "copy")
    assert sorted(done.lost) == sorted(
        [f"blob {lost.hex()} is missing", f"blob {broken.hex()} holds other bytes than its name says"]
    )
    assert {item.key for item in damage(tmp_path / "copy")} == {lost, broken}
    assert run("backup", "--home", str(folder_of(store)), "--to", str(tmp_path / "copy")).returncode == 1


def test_no_folder_is_taken_that_is_not_ours(store: Store, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    with pytest.raises(HomeError, match="not empty"):
        backup.backup(folder_of(store), tmp_path / "full")
    backup.backup(folder_of(store), tmp_path / "copy")
    with pytest.raises(HomeError, match="made from something else"):
        backup.backup(tmp_path / "copy", tmp_path / "second") and restore(tmp_path / "copy", tmp_path / "second")
    with pytest.raises(HomeError, match="not empty"):
        restore(tmp_path / "copy", tmp_path / "full")
    with pytest.raises(HomeError, match="no finished backup"):
        restore(folder_of(store), tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "full" / "letter").read_text() == "dear"


def test_a_backup_that_a_server_ran_on_is_a_home_and_no_backup_any_more(
    store: Store, tmp_path: Path, start: Any
) -> None:
    put(store, b"a", b"1")
    backup.backup(folder_of(store), tmp_path / "copy")
    server = start(tmp_path / "copy")
    assert server.put("/repositories/repo", "b", b"2").status_code == 201
    with pytest.raises(HomeError, match="no backup"):
        backup.backup(folder_of(store), tmp_path / "copy")
    assert server.get("/repositories/repo", "b").content == b"2"


def test_no_server_starts_on_half_a_backup(store: Store, tmp_path: Path) -> None:
    put(store, b"a", b"1")
    backup.backup(folder_of(store), tmp_path / "copy")
    for name in ("lakefs.json", "refs.sqlite"):
        (tmp_path / "copy" / name).unlink()
    refused = run("--home", str(tmp_path / "copy"), "--port", "0")
    assert (refused.returncode, "unfinished backup" in refused.stderr) == (2, True)


def test_a_server_killed_in_a_backup_costs_nothing(tmp_path: Path, start: Any) -> None:
    server = start(tmp_path / "home")
    repository = server.repository()
    for number in range(30):
        server.put(repository, str(number), os.urandom(20_000))
    server.commit(repository)
    command = [sys.executable, "-m", "infra.lakefs", "backup", "--home", str(tmp_path / "home"), "--to"]
    with subprocess.Popen([*command, str(tmp_path / "copy")]) as copying:
        server.kill()
        copying.wait()
    assert copying.returncode == 0
    with subprocess.Popen([*command, str(tmp_path / "other")]) as copying:
        while not (tmp_path / "other" / "temp").exists():
            assert copying.poll() is None
            time.sleep(0.001)
        copying.kill()
    done = run("backup", "--home", str(tmp_path / "home"), "--to", str(tmp_path / "other"), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["copied"] + report["already_there"] == 32
    assert damage(tmp_path / "other") == []


def test_the_keys_of_a_home_are_not_in_its_backup(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFS_")}
    command = [sys.executable, "-m", "infra.lakefs", "--home", str(tmp_path / "home"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        keys = json.loads((tmp_path / "home" / "credentials.json").read_text())
        assert httpx.get(url + "/config", auth=tuple(keys.values())).status_code == 200
        process.terminate()
    assert run("backup", "--home", str(tmp_path / "home"), "--to", str(tmp_path / "copy")).returncode == 0
    secret = keys["secret_access_key"].encode()
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_file() and secret in path.read_bytes()]
