"""What is staged: read row by row or column by column it is the same, and dead rows are seen by nobody and go away."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.lakefs.errors import InvalidError
from infra.lakefs.home import Home
from infra.lakefs.store import Store, columns, objects, refs, repositories, staging, sweep
from infra.lakefs.store.commit import commit
from infra.lakefs.store.database import Database
from infra.lakefs.store.entries import MAX_METADATA, Entry, make_entry
from infra.lakefs.store.reset import hard_reset, reset

PATHS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6).map(str.encode)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
TYPES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=6)
VALUES = st.none() | st.tuples(
    st.binary(max_size=9), st.integers(0, 2**62), TYPES, st.dictionaries(TEXT, TEXT, max_size=2)
)
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def entry(path: bytes, value: Any = (b"", 0, "a/b", {})) -> Entry:
    content, number, kind, metadata = value
    sha256, md5 = hashlib.sha256(content).digest(), hashlib.md5(content).digest()
    return make_entry(path, sha256, md5, number, number, kind, metadata)


def put(store: Store, path: bytes, branch: str = "main") -> None:
    objects.stage(store, "repo", branch, path, store.blobs.put(path), "text/plain", {})


def staged(store: Store, branch: str = "main") -> list[bytes]:
    with store.database.read() as connection:
        return [path for path, _ in staging.walk(connection, "repo", branch)]


def lying(store: Store) -> int:
    with store.database.read() as connection:
        count: int = connection.execute("SELECT count(*) FROM staging").fetchone()[0]
        return count


def swept(store: Store) -> bool:
    with store.database.read() as connection:
        return connection.execute("SELECT 1 FROM dead").fetchone() is None


def wait_until_swept(store: Store) -> None:
    deadline = time.monotonic() + 30
    while not swept(store):
        assert time.monotonic() < deadline, "dead rows stayed"
        time.sleep(0.01)


@QUICK
@given(wanted=st.dictionaries(PATHS, VALUES, max_size=12), piece=st.integers(1, 5), few=st.integers(0, 12))
def test_columns_are_the_rows(store: Store, wanted: Any, piece: int, few: int) -> None:
    """Whichever way they are looked for, and with dead rows between them."""
    entries = [entry(path, value) for path, value in wanted.items() if value is not None]
    deletions = [path for path, value in wanted.items() if value is None]

    def change(connection: sqlite3.Connection) -> None:
        staging.clear(connection, "repo", "main")
        staging.put_many(connection, "repo", "main", entries, deletions)

    store.database.write(change)
    with pytest.MonkeyPatch.context() as patch, store.database.read() as connection:
        patch.setattr(columns, "PIECE", piece)
        patch.setattr(staging, "PAGE", piece)
        patch.setattr(staging, "FEW", few)
        read = list(columns.read(connection, "repo", "main"))
        rows = list(staging.walk(connection, "repo", "main"))
    assert all(0 < len(part) <= piece for part in read)
    assert [path for part in read for path in part.paths.to_pylist()] == [path for path, _ in rows] == sorted(wanted)
    found = [e if e.digest is not None else None for part in read for e in part.entries()]
    assert found == [edit for _, edit in rows]


def test_many_rows_staged_at_once_are_one_change(store: Store) -> None:
    with store.database.read() as connection:
        before = staging.mark(connection)
    store.database.write(lambda c: staging.put_many(c, "repo", "main", (entry(b"%d" % n) for n in range(5)), [b"9"]))
    assert staged(store) == [b"0", b"1", b"2", b"3", b"4", b"9"]
    with store.database.read() as connection:
        assert staging.mark(connection) == before + 1


def test_a_commit_deletes_no_row_and_shows_none(store: Store) -> None:
    store.sweeper.close()
    for number in range(5):
        put(store, b"%d" % number)
    commit(store, "repo", "main", "m", {})
    assert lying(store) == 5
    assert staged(store) == []
    with store.database.read() as connection:
        assert staging.find(connection, "repo", "main", b"1") is None
        assert list(columns.read(connection, "repo", "main")) == []
    with pytest.raises(InvalidError, match="no changes"):
        commit(store, "repo", "main", "m", {})


def test_a_crash_between_the_move_and_the_sweep_leaves_work_and_no_trace(tmp_path: Path, open_store: Any) -> None:
    folder = tmp_path / "home"
    with open_store(folder) as store:
        store.sweeper.close()
        for number in range(5):
            put(store, b"%d" % number)
        commit(store, "repo", "main", "m", {})
        put(store, b"later")
    with Home(folder) as home:
        again = Store(home.folder, lambda: 0, "tester")
        try:
            assert staged(again) == [b"later"]
            wait_until_swept(again)
            assert lying(again) == 1
            assert staged(again) == [b"later"]
        finally:
            again.close()


@pytest.mark.parametrize("piece", [1, 2, 4, 100])
def test_a_sweep_takes_the_dead_alone(store: Store, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Rows of other branches, rows staged since, and overwritten ones stay."""
    monkeypatch.setattr(sweep, "PIECE", piece)
    store.sweeper.close()
    store.database.write(lambda c: refs.create_branch(c, "repo", "work", "main", False, False))
    for number in range(7):
        put(store, b"%d" % number)
    put(store, b"1", "work")
    commit(store, "repo", "main", "m", {})
    put(store, b"3")
    put(store, b"33")
    sweep.sweep(store.database, threading.Event())
    assert (staged(store), staged(store, "work")) == ([b"3", b"33"], [b"1"])
    assert lying(store) == 3
    assert swept(store)


def test_a_sweep_ends_when_the_store_closes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on where it is wanted next."""
    monkeypatch.setattr(sweep, "PIECE", 1)
    store.sweeper.close()
    for number in range(4):
        put(store, b"%d" % number)
    reset(store, "repo", "main", "reset", "", False)
    closing = threading.Event()
    closing.set()
    sweep.sweep(store.database, closing)
    assert lying(store) == 4
    sweep.sweep(store.database, threading.Event())
    assert lying(store) == 0


def test_a_branch_made_again_shows_nothing_of_the_old_one(store: Store) -> None:
    store.sweeper.close()
    for make in range(2):
        store.database.write(lambda c: refs.create_branch(c, "repo", "work", "main", False, False))
        assert staged(store, "work") == []
        put(store, b"%d" % make, "work")
        assert staged(store, "work") == [b"%d" % make]
        store.database.write(lambda c: refs.delete_branch(c, "repo", "work", False))
        assert staged(store, "work") == []
    assert lying(store) == 2
    sweep.sweep(store.database, threading.Event())
    assert lying(store) == 0


def test_a_repository_made_again_shows_nothing_of_the_old_one(store: Store) -> None:
    put(store, b"a")
    store.database.write(lambda c: repositories.delete(c, "repo", False))
    store.database.write(lambda c: repositories.create(c, "repo", "local://again", "main", False, store.clock()))
    assert staged(store) == []
    store.sweeper.wake()
    wait_until_swept(store)
    assert lying(store) == 0


@pytest.mark.parametrize("hard", [True, False])
def test_a_reset_forgets_what_is_staged(store: Store, hard: bool) -> None:
    put(store, b"a")
    if hard:
        hard_reset(store, "repo", "main", "main", False)
    else:
        reset(store, "repo", "main", "reset", "", False)
    put(store, b"b")
    assert staged(store) == [b"b"]
    wait_until_swept(store)
    assert staged(store) == [b"b"]


def test_a_reset_below_a_prefix_takes_that_alone(store: Store) -> None:
    for path in (b"a", b"a/", b"a/b", "a/\U0010ffff".encode(), b"a0", b"b"):
        put(store, path)
    reset(store, "repo", "main", "common_prefix", "a/", False)
    assert staged(store) == [b"a", b"a0", b"b"]


def test_a_database_without_the_mark_gets_it(tmp_path: Path, open_store: Any) -> None:
    """A home of layout 1: what was staged there is still staged."""
    folder = tmp_path / "home"
    with open_store(folder) as store:
        put(store, b"a")
    connection = sqlite3.connect(folder / "refs.sqlite")
    connection.execute("ALTER TABLE branches DROP COLUMN cleared")
    connection.commit()
    connection.close()
    Database(folder / "refs.sqlite").close()
    with Home(folder) as home:
        again = Store(home.folder, lambda: 1, "tester")
        try:
            assert staged(again) == [b"a"]
            commit(again, "repo", "main", "m", {})
            assert staged(again) == []
        finally:
            again.close()


def test_metadata_has_a_limit() -> None:
    """A commit reads thousands of rows at a time."""
    room = MAX_METADATA - len('{"k":""}')
    assert entry(b"a", (b"", 0, "a/b", {"k": "v" * room})).metadata
    with pytest.raises(InvalidError, match="allowed are 65536"):
        entry(b"a", (b"", 0, "a/b", {"k": "v" * (room + 1)}))
