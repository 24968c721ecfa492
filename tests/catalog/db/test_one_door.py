"""The one door to the records: audited or refused, alone or waiting, never half, never across the network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from catalog.db import tables
from catalog.db.door import Records
from catalog.db.migrate import begin, migrate
from catalog.domain.audit import GENESIS, AuditEntry
from catalog.domain.clock import uuid7
from catalog.domain.evidence import Line
from catalog.domain.transaction import writing
from catalog.errors import Damaged
from catalog.storage.lakefs import LakeFS
from tests.support.postgresql import BOTH

DATABASES = BOTH
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def times() -> list[datetime]:
    """The last one is what the clock says."""
    return [NOW]


@pytest.fixture
def records(records_at: Path | str, times: list[datetime]) -> Iterator[Records]:
    found = Records(records_at, lambda: times[-1])
    migrate(found.engine)
    begin(found.engine, found.clock, uuid7)
    yield found
    found.close()


def line(name: str) -> Line:
    return Line(name=name, device_class="demo-arm", enrolled_by="approver-1", enrolled_at=NOW)


def names(records: Records) -> set[str]:
    with records.read() as c:
        return set(c.execute(tables.line.select()).scalars())


def test_a_governed_row_needs_an_audit_entry(records: Records) -> None:
    with pytest.raises(ValueError, match="no audit entry"), records.write("x") as write:
        write.insert(tables.line, line("a"), name="a", device_class="demo-arm")
    assert names(records) == set()


@pytest.mark.parametrize("change", ["insert_many", "replace", "edge", "epoch"])
def test_every_governed_change_needs_one(records: Records, change: str) -> None:
    with records.write("x") as write:
        write.insert(tables.line, line("a"), name="a", device_class="demo-arm")
        write.audit("line.enrol", "a")
    head = records.head()
    row = {"name": "b", "device_class": "demo-arm", "body": line("b").canonical().decode()}
    with pytest.raises(ValueError, match="no audit entry"), records.write("x") as write:
        {
            "insert_many": lambda: write.insert_many(tables.line, [row]),
            "replace": lambda: write.replace(tables.line, {"name": "a"}, line("c")),
            "edge": lambda: write.edge("a", "b", "contains"),
            "epoch": write.raise_epoch,
        }[change]()
    assert records.head() == head
    assert names(records) == {"a"}


def test_bookkeeping_needs_none_and_is_all_that_may_go(records: Records) -> None:
    with records.write("x") as write:
        write.emit("{}")
        write.remove(tables.outbox, id=1)
    with pytest.raises(ValueError, match="never deleted"), records.write("x") as write:
        write.remove(tables.line, name="a")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_nothing_and_gives_the_lock_back(records: Records, error: type[BaseException]) -> None:
    before = records.head()

    def act() -> None:
        with records.write("x") as write:
            write.insert(tables.line, line("a"), name="a", device_class="demo-arm")
            write.audit("line.enrol", "a")
            raise error

    with pytest.raises(error):
        act()
    assert not writing.get()
    assert records.head() == before
    assert names(records) == set()
    with records.write("x") as write:
        write.audit("after", "it")


def test_a_row_that_is_not_there_cannot_be_replaced(records: Records) -> None:
    with pytest.raises(Damaged, match="expected one"), records.write("x") as write:
        write.replace(tables.line, {"name": "absent"}, line("absent"))


def test_foreign_keys_hold(records: Records) -> None:
    row = {"id": "i", "manifest_digest": "sha256:0", "commit": "c", "digest": "d", "body": "{}"}
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), records.write("x") as write:
        write.insert(tables.check, **row)
    assert records.head()[0].size == 0


def test_the_store_is_never_called_inside_a_write(records: Records) -> None:
    store = LakeFS("http://127.0.0.1:1", "k", "s")
    with pytest.raises(RuntimeError, match="inside a write transaction"), records.write("x"):
        store.head("repository", "main")


def test_times_never_go_back_and_none_is_shared(records: Records, times: list[datetime]) -> None:
    for step in (timedelta(0), timedelta(0), -timedelta(minutes=3), timedelta(seconds=1)):
        times.append(NOW + step)
        with records.write("x") as write:
            write.audit("tick", "tock")
    with records.read() as c:
        bodies = list(c.execute(tables.audit.select().order_by(tables.audit.c.seq)))
    said = [row.body.split('"at":"')[1].split('"')[0] for row in bodies]
    assert said == sorted(set(said))
    assert said[-1].startswith("2026-01-01T00:00:01")


def test_a_clock_set_back_is_said(records: Records, times: list[datetime]) -> None:
    with records.write("x") as write:
        write.audit("tick", "tock")
    for back, said in ((timedelta(minutes=4), False), (timedelta(minutes=6), True)):
        times.append(NOW - back)
        now, clock_back = records.now()
        assert clock_back is said
        assert now >= NOW


WRITER = """
import sys
from pathlib import Path
from catalog.db.door import Records
from catalog.domain.clock import wall_clock
where = sys.argv[1]
records = Records(where if "://" in where else Path(where), wall_clock)
for number in range(int(sys.argv[3])):
    with records.write(sys.argv[2]) as write:
        write.audit("write", str(number))
        if number % 3 == 0:
            write.audit("again", str(number))
records.close()
"""


def test_four_processes_never_fork_the_chain(records: Records, records_at: Path | str) -> None:
    command = [sys.executable, "-c", WRITER, str(records_at)]
    writers = [subprocess.Popen([*command, f"writer-{n}", "40"]) for n in range(4)]
    assert [w.wait(120) for w in writers] == [0, 0, 0, 0]
    with records.read() as c:
        rows = list(c.execute(tables.audit.select().order_by(tables.audit.c.seq)))
    assert [r.seq for r in rows] == list(range(4 * (40 + 14)))
    assert len({r.prev for r in rows}) == len(rows)
    assert records.head()[0].size == len(rows)
    prev = GENESIS
    for row in rows:
        entry = AuditEntry.parse(row.body)
        assert entry.prev == row.prev == prev
        prev = entry.hash()
