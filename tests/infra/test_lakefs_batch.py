"""What one change does to the transaction that it shares with others: nobody is told of a write that is not on disk."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.lakefs.errors import LakeFSError
from infra.lakefs.store.database import Database


def test_a_change_that_loses_the_transaction_fails_all_who_share_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "refs.sqlite")
    begun, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        assert go.wait(30)

    def keep(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO counters VALUES ('kept', 1)")
        return "kept"

    def lose(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise ValueError("neither of the disk nor of SQLite")

    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(database.write, hold)
        assert begun.wait(30)
        kept, lost = pool.submit(database.write, keep), pool.submit(database.write, lose)
        while len(database._waiting) < 2:
            threading.Event().wait(0.01)
        go.set()
        held.result(30)
        for shared in (kept, lost):
            with pytest.raises((ValueError, LakeFSError), match=r"neither of|broke off"):
                shared.result(30)
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM counters WHERE name = 'kept'").fetchone()[0] == 0
    assert database.write(keep) == "kept"
    database.close()
