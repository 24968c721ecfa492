"""gc removes what no ref reaches for a grace time and nothing else, whatever happens beside it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra.lakefs import command
from infra.lakefs.errors import HomeError, NotFoundError
from infra.lakefs.store import Store, addresses, collection, objects, refs, repositories
from infra.lakefs.store.backup import backup
from infra.lakefs.store.commit import commit
from infra.lakefs.store.fsck import fsck
from infra.lakefs.store.gc import DAY, Garbage, gc
from infra.lakefs.store.reset import hard_reset, reset
from infra.lakefs.store.revert import cherry_pick
from infra.lakefs.store.snapshot import snapshot, undisturbed

BATCH_WAIT = 1.0  # how long a gc is given to do what it must not


def put(store: Store, path: bytes, content: bytes, branch: str = "main") -> bytes:
    with store.collection.shared():
        blob = store.blobs.put(content)
        objects.stage(store, "repo", branch, path, blob, "text/plain", {})
    return blob.sha256


def folder_of(store: Store) -> Path:
    return store.blobs.temp.parent


def collect(store: Store, grace: float = 0, *, apply: bool = True) -> Garbage:
    return gc(folder_of(store), grace, apply=apply)


def damage(store: Store) -> list[Any]:
    with snapshot(folder_of(store)) as home:
        return fsck(home).damage


def files(store: Store) -> set[Path]:
    return {path for kind in ("blobs", "ranges", "trees") for path in (folder_of(store) / kind).glob("*/*")}


def test_a_home_where_refs_reach_all_loses_nothing(store: Store) -> None:
    put(store, b"a", b"1")
    commit(store, "repo", "main", "m", {})
    put(store, b"b", b"2")
    before = files(store)
    found = collect(store)
    assert (found.commits, found.bytes) == ([], 0)
    assert files(store) == before


def test_what_a_hard_reset_left_goes_after_its_grace(store: Store) -> None:
    kept = put(store, b"a", b"kept")
    first = commit(store, "repo", "main", "first", {})
    gone = put(store, b"b", b"gone")
    second = commit(store, "repo", "main", "second", {})
    hard_reset(store, "repo", "main", first.id, False)
    for path in files(store):
        os.utime(path, (0, 0))  # however old the files are, the commit was left just now
    assert collect(store, DAY).commits == []
    assert store.blobs.path(gone).exists()
    dry = collect(store, apply=False)
    assert dry.commits == [("repo", second.id)]
    assert {kind: len(sizes) for kind, sizes in dry.files.items()} == {"trees": 1, "ranges": 1, "blobs": 1, "temp": 0}
    assert dry.files["blobs"] == {gone.hex(): 4}
    assert store.blobs.path(gone).exists()
    done = collect(store)
    assert (done.commits, done.files) == (dry.commits, dry.files)
    assert not store.blobs.path(gone).exists()
    assert store.blobs.path(kept).read_bytes() == b"kept"
    assert damage(store) == []
    with store.database.read() as connection, pytest.raises(NotFoundError):
        refs.resolve(connection, "repo", second.id)
    put(store, b"b", b"gone")
    assert commit(store, "repo", "main", "again", {}).tree == second.tree
    assert damage(store) == []


@pytest.mark.parametrize("kept_by", ["branch", "tag", "staged", "nothing"])
def test_every_kind_of_ref_keeps_what_it_reaches(kept_by: str, store: Store) -> None:
    store.database.write(lambda c: refs.create_branch(c, "repo", "work", "main", False, False))
    sha256 = put(store, b"a", b"1", "work")
    made = commit(store, "repo", "work", "m", {})
    if kept_by == "tag":
        store.database.write(lambda c: refs.create_tag(c, "repo", "v1", "work", False))
    if kept_by == "staged":
        objects.copy(store, "repo", "work", b"a", "main", b"b", False)
    if kept_by != "branch":
        store.database.write(lambda c: refs.delete_branch(c, "repo", "work", False))
    found = collect(store)
    assert [identifier for _, identifier in found.commits] == ([made.id] if kept_by in ("staged", "nothing") else [])
    assert store.blobs.path(sha256).exists() == (kept_by != "nothing")
    assert damage(store) == []


def test_uploads_that_were_reset_overwritten_or_deleted_go(store: Store) -> None:
    gone = [put(store, b"a", b"first"), put(store, b"a", b"second")]
    reset(store, "repo", "main", "reset", "", False)
    gone.append(put(store, b"b", b"third"))
    objects.delete(store, "repo", "main", [b"b"], False)
    assert collect(store, DAY).young == 3
    assert collect(store).files["blobs"] == {sha.hex(): size for sha, size in zip(gone, (5, 6, 5), strict=True)}


def test_a_deleted_repository_goes_and_content_shared_with_others_stays(store: Store) -> None:
    store.database.write(lambda c: repositories.create(c, "other", "local://other", "main", False, store.clock()))
    shared = put(store, b"a", b"shared")
    commit(store, "repo", "main", "m", {})
    objects.stage(store, "other", "main", b"a", store.blobs.put(b"shared"), "text/plain", {})
    gone = store.blobs.put(b"gone")
    objects.stage(store, "other", "main", b"b", gone, "text/plain", {})
    commit(store, "other", "main", "m", {})
    store.database.write(lambda c: repositories.delete(c, "other", False))
    assert set(collect(store).files["blobs"]) == {gone.sha256.hex()}
    assert store.blobs.path(shared).exists()
    assert damage(store) == []


def test_what_lies_at_a_given_address_stays_until_that_expires(store: Store) -> None:
    addressed = store.blobs.put(b"uploaded, not yet linked")
    addresses.arrive(store, f"{store.clock() // 1_000_000 + 3600}-x-y", addressed)
    assert collect(store).files["blobs"] == {}
    assert store.blobs.path(addressed.sha256).exists()


def test_temporary_files_of_a_day_go_and_younger_ones_stay_whatever_the_grace(store: Store) -> None:
    for name, age in (("old", DAY + 60), ("young", 60)):
        path = store.blobs.temp / name
        path.write_bytes(b"123")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert collect(store).files["temp"] == {"old": 3}
    assert {path.name for path in store.blobs.temp.iterdir()} == {"young"}


def test_a_damaged_store_is_left_alone(store: Store) -> None:
    put(store, b"a", b"1")
    made = commit(store, "repo", "main", "m", {})
    store.blobs.put(b"unnamed")
    store.trees.path(made.tree).unlink()
    before = files(store)
    with pytest.raises(HomeError, match="damaged"):
        collect(store)
    assert files(store) == before


def test_gc_waits_for_nobody_else_who_looks_after_the_home(store: Store) -> None:
    with undisturbed(folder_of(store)), undisturbed(folder_of(store)), pytest.raises(HomeError, match="repeat"):
        collect(store, apply=False)
    with (
        undisturbed(folder_of(store), alone=True),
        pytest.raises(HomeError, match="gc works"),
        undisturbed(folder_of(store)),
    ):
        pass


@pytest.mark.parametrize("apply", [True, False])
def test_nothing_is_removed_from_a_backup(apply: bool, store: Store, tmp_path: Path) -> None:
    put(store, b"a", b"1")
    backup(folder_of(store), tmp_path / "copy")
    with pytest.raises(HomeError, match="is a backup"):
        gc(tmp_path / "copy", 0, apply=apply)


def test_a_database_that_another_holds_is_a_refusal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    unnamed = store.blobs.put(b"unnamed")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **{**more, "timeout": 0.1}))
    with closing(connect(folder_of(store) / "refs.sqlite", isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        with pytest.raises(HomeError, match="nothing more is removed"):
            collect(store)
    assert store.blobs.path(unnamed.sha256).exists()


# What happens beside it: each of these loses an object when `collection.shared` locks nothing.


def test_an_upload_whose_content_is_stored_already_keeps_it(store: Store) -> None:
    """The upload finds the blob; only then gc looks, and no row names it yet."""
    store.blobs.put(b"known")
    racing = threading.Thread(target=collect, args=(store,))
    with store.collection.shared():
        blob = store.blobs.put(b"known")
        racing.start()
        racing.join(BATCH_WAIT)
        objects.stage(store, "repo", "main", b"a", blob, "text/plain", {})
    racing.join()
    assert store.blobs.path(blob.sha256).read_bytes() == b"known"
    assert damage(store) == []


@pytest.fixture
def meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something happen once, when a new tree was made and no commit names it yet."""

    def arrange(act: Callable[[], Any]) -> None:
        edit, left = store.trees.edit_rows, [1]

        def edit_and_act(*arguments: Any) -> Any:
            made = edit(*arguments)
            if left[0]:
                left[0] = 0
                act()
            return made

        monkeypatch.setattr(store.trees, "edit_rows", edit_and_act)

    return arrange


class Racing:
    """A gc beside: begun, and given time to do harm; ended before anybody looks at the damage."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._workers: list[threading.Thread] = []

    def __call__(self) -> None:
        self._workers.append(threading.Thread(target=collect, args=(self._store,)))
        self._workers[-1].start()
        self._workers[-1].join(BATCH_WAIT)

    def end(self) -> None:
        while self._workers:
            self._workers.pop().join()


@pytest.fixture
def racing(store: Store) -> Iterator[Racing]:
    found = Racing(store)
    yield found
    found.end()


def test_a_commit_whose_staged_rows_are_reset_meanwhile_keeps_its_objects(
    store: Store, meanwhile: Any, racing: Racing
) -> None:
    put(store, b"a", b"1")
    meanwhile(lambda: (reset(store, "repo", "main", "reset", "", False), racing()))
    commit(store, "repo", "main", "m", {})
    racing.end()
    assert damage(store) == []


def test_a_commit_that_makes_an_old_tree_again_keeps_it(store: Store, meanwhile: Any, racing: Racing) -> None:
    first = put(store, b"a", b"1") and commit(store, "repo", "main", "first", {})
    put(store, b"b", b"2")
    second = commit(store, "repo", "main", "second", {})
    hard_reset(store, "repo", "main", first.id, False)
    put(store, b"b", b"2")
    meanwhile(racing)
    assert commit(store, "repo", "main", "again", {}).tree == second.tree
    racing.end()
    assert damage(store) == []


def test_a_cherry_pick_of_a_commit_that_no_ref_reaches_is_whole_or_refused(
    store: Store, meanwhile: Any, racing: Racing
) -> None:
    first = put(store, b"a", b"1") and commit(store, "repo", "main", "first", {})
    put(store, b"b", b"2")
    second = commit(store, "repo", "main", "second", {})
    hard_reset(store, "repo", "main", first.id, False)
    put(store, b"c", b"3")
    commit(store, "repo", "main", "third", {})
    meanwhile(racing)
    cherry_pick(store, "repo", "main", second.id, None)
    racing.end()
    assert damage(store) == []


@pytest.mark.parametrize("locked", [True, False])
def test_the_lock_is_what_saves_them(locked: bool, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race of the first of these tests, with the lock and with none: without it the object is lost."""
    if not locked:
        monkeypatch.setattr(collection.fcntl, "flock", lambda *_: None)
    blob = store.blobs.put(b"known")
    with store.collection.shared():
        racing = threading.Thread(target=collect, args=(store,))
        racing.start()
        racing.join(BATCH_WAIT)
        assert racing.is_alive() == locked
        objects.stage(store, "repo", "main", b"a", blob, "text/plain", {})
    racing.join()
    assert (damage(store) == []) == locked


def test_a_store_that_never_rests_is_left_alone_and_said(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collection, "PATIENCE_SECONDS", 0.1)
    unnamed = store.blobs.put(b"unnamed")
    with store.collection.shared():
        assert command.main(["gc", "--home", str(folder_of(store)), "--grace", "0", "--apply"]) == 2
    assert "not at rest" in capsys.readouterr().err
    assert store.blobs.path(unnamed.sha256).exists()


def test_uploads_pass_while_gc_waits_for_a_long_commit(store: Store) -> None:
    inside, done = threading.Event(), threading.Event()

    def long_commit() -> None:
        with store.collection.shared():
            inside.set()
            done.wait()

    commits = threading.Thread(target=long_commit)
    commits.start()
    inside.wait()
    collecting_ = threading.Thread(target=collect, args=(store,))
    collecting_.start()
    for number in range(20):
        put(store, b"%d" % number, b"x")
    assert collecting_.is_alive()
    done.set()
    commits.join()
    collecting_.join()
    assert damage(store) == []


def test_clients_write_while_gc_runs_again_and_again(tmp_path: Path, start: Any) -> None:
    """The same small contents are uploaded, reset and committed again and again while no grace protects them."""
    home = tmp_path / "home"
    server = start(home)
    repository = server.repository()
    assert server.put(repository, "garbage", b"of nobody").status_code == 201
    assert server.http.put(f"{repository}/branches/main", json={"type": "reset"}).status_code == 204
    stop = threading.Event()
    wrong: list[str] = []

    def work(client: int) -> None:
        branch, number = f"w{client}", 0
        server.http.post(f"{repository}/branches", json={"name": branch, "source": "main"})
        while not stop.is_set():
            number += 1
            content = f"{number % 5}"
            put_ = server.put(repository, "a", content, branch)
            read = server.get(repository, "a", branch)
            if (put_.status_code, read.status_code, read.text) != (201, 200, content):
                wrong.append(f"{put_.text} {read.text}")
            if number % 3 == 0:
                server.http.put(f"{repository}/branches/{branch}", json={"type": "reset"})
            elif number % 3 == 1 and server.commit(repository, branch).status_code not in (201, 400):
                wrong.append("commit")
            elif number % 7 == 0:
                server.http.put(f"{repository}/branches/{branch}/hard_reset", params={"ref": f"{branch}~1"})

    workers = [threading.Thread(target=work, args=(client,)) for client in range(3)]
    for worker in workers:
        worker.start()
    command = [sys.executable, "-m", "infra.lakefs", "gc", "--home", str(home), "--grace", "0", "--apply", "--json"]
    removed = 0
    for _ in range(5):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        removed += json.loads(done.stdout)["bytes"]
    stop.set()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert removed >= len(b"of nobody")
    checked = subprocess.run([*command[:3], "fsck", "--home", str(home)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
