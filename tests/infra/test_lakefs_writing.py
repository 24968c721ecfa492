"""The ways in: a blob in pieces of any size, shares of memory, one transaction of many changes."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.lakefs.api.memory import LEAST, MOST, Memory
from infra.lakefs.errors import LakeFSError, NotFoundError
from infra.lakefs.store import Store
from infra.lakefs.store.blobs import Blob, BlobWriter

SHARED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(pieces=st.lists(st.binary(max_size=200), max_size=8), more=st.integers(0, 3))
def test_a_blob_is_the_same_however_it_came(store: Store, pieces: list[bytes], more: int) -> None:
    pieces = [piece * (1 + 997 * (number < more)) for number, piece in enumerate(pieces)]
    content = b"".join(pieces)
    writer = BlobWriter(store.blobs)
    for piece in pieces:
        writer.write(piece)
    blob = writer.finish()
    assert blob.sha256 == hashlib.sha256(content).digest()
    assert blob.md5 == hashlib.md5(content).digest()
    assert blob == store.blobs.put(bytearray(content)) == Blob(blob.sha256, blob.md5, len(content), blob.folder)
    with store.blobs.open(blob.sha256, blob.size) as file:
        assert file.read() == content
    assert not any(store.blobs.temp.iterdir())


def test_a_blob_that_is_given_up_leaves_nothing(store: Store) -> None:
    writer = BlobWriter(store.blobs)
    writer.write(b"half")
    writer.abort()
    assert not any(store.blobs.temp.iterdir())
    assert not store.blobs.path(hashlib.sha256(b"half").digest()).exists()


def test_a_blob_of_the_wrong_length_is_written_again(store: Store) -> None:
    blob = store.blobs.put(b"content")
    store.blobs.path(blob.sha256).write_bytes(b"cut")
    store.blobs.put(b"content")
    assert store.blobs.path(blob.sha256).read_bytes() == b"content"


@given(total=st.integers(0, 1 << 30), amount=st.integers(1, 300))
def test_shares_of_memory_stay_within_their_sum(total: int, amount: int) -> None:
    memory = Memory(total)
    with ExitStack() as stack:
        allowed = [stack.enter_context(memory.share())() for _ in range(amount)]
        now = stack.enter_context(memory.share())()
        assert LEAST <= now <= min(allowed)
        assert max(allowed) <= MOST
        assert now == LEAST or now * (amount + 1) <= total
    with memory.share() as alone:
        assert alone() == allowed[0]


def changed(store: Store) -> int:
    with store.database.read() as connection:
        found: int = connection.execute("SELECT value FROM counters WHERE name='staging'").fetchone()[0]
        return found


def add(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE counters SET value = value + 1 WHERE name='staging'")
    found: int = connection.execute("SELECT value FROM counters WHERE name='staging'").fetchone()[0]
    return found


def test_changes_of_many_threads_all_happen_once_and_refused_ones_not_at_all(store: Store) -> None:
    """A third is refused, a third breaks in SQLite; each thread gets what its own change gave."""
    before = changed(store)
    results: list[int] = []
    failures: list[str] = []

    def change(number: int, connection: sqlite3.Connection) -> int:
        value = add(connection)
        if number % 3 == 1:
            raise NotFoundError(f"refused {number}")
        if number % 3 == 2:
            connection.execute("INSERT INTO counters VALUES ('staging', 0)")
        return value

    def work(thread: int) -> None:
        for number in range(thread * 30, thread * 30 + 30):
            try:
                results.append(store.database.write(lambda c, number=number: change(number, c)))
            except NotFoundError as error:
                failures.append(str(error))
            except LakeFSError as error:
                failures.append(f"{error} {number}")

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(24)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(results) == list(range(before + 1, before + 241))
    assert changed(store) == before + 240
    assert {f"refused {number}" for number in range(1, 720, 3)} <= set(failures)
    assert sum("UNIQUE constraint failed" in said for said in failures) == 240
    assert len(failures) == 480


def test_changes_that_wait_share_a_transaction(store: Store) -> None:
    """While one change runs others arrive; they are one transaction: none is there for readers before the last ran."""
    began, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    def first(connection: sqlite3.Connection) -> None:
        began.set()
        assert go_on.wait(30)

    def later(connection: sqlite3.Connection) -> None:
        add(connection)
        with store.database.read() as reading:  # sees no other change of the transaction it is in
            seen.append(reading.execute("SELECT value FROM counters WHERE name='staging'").fetchone()[0])

    workers = [threading.Thread(target=store.database.write, args=(first,))]
    workers[0].start()
    assert began.wait(30)
    before = changed(store)
    workers += [threading.Thread(target=store.database.write, args=(later,)) for _ in range(12)]
    for worker in workers[1:]:
        worker.start()
    while len(store.database._waiting) < 12:  # nothing else tells that they wait
        time.sleep(0.01)
    go_on.set()
    for worker in workers:
        worker.join(60)
    assert seen == [before] * 12
    assert changed(store) == before + 12


def test_a_folder_that_cannot_be_synced_changes_nothing(store: Store, tmp_path: Path) -> None:
    before = changed(store)
    with pytest.raises(LakeFSError, match="nothing was changed"):
        store.database.write(add, (tmp_path / "none",))
    assert changed(store) == before


def test_one_upload_that_is_refused_keeps_no_other(server: Any) -> None:
    """Uploads of one moment to a branch, a branch that is not there, and a path that is taken."""
    repository = server.repository()
    server.put(repository, "taken", b"1")
    statuses: dict[int, int] = {}

    def work(number: int) -> None:
        branch = "none" if number % 3 == 1 else "main"
        path, headers = (f"p{number}", {}) if number % 3 else ("taken", {"if-none-match": "*"})
        url = f"{repository}/branches/{branch}/objects"
        answer = server.http.post(url, params={"path": path}, content=b"%d" % number, headers=headers)
        statuses[number] = answer.status_code

    workers = [threading.Thread(target=work, args=(number,)) for number in range(36)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert statuses == {number: (412, 404, 201)[number % 3] for number in range(36)}
    listed = server.http.get(f"{repository}/refs/main/objects/ls", params={"amount": 1000}).json()["results"]
    assert {item["path"] for item in listed} == {"taken", *(f"p{number}" for number in range(2, 36, 3))}
    assert server.get(repository, "taken").content == b"1"
