"""`assay audit verify` finds what was edited, removed, reordered or added; a kept head finds what was cut or restored."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.domain.base import canonical
from catalog.errors import Damaged
from catalog.services.audit import verify_audit
from tests.support.house import Desk

Tamper = Callable[[sqlite3.Connection], None]


def _edit(c: sqlite3.Connection) -> None:
    (body,) = c.execute("select body from audit where seq = 3").fetchone()
    entry = json.loads(body)
    entry["actor"] = "somebody-else"
    c.execute("update audit set body = ? where seq = 3", (canonical(entry).decode(),))


def _edit_last(c: sqlite3.Connection) -> None:
    (last, body) = c.execute("select seq, body from audit order by seq desc limit 1").fetchone()
    entry = json.loads(body)
    entry["subject"] = "other"
    c.execute("update audit set body = ? where seq = ?", (canonical(entry).decode(), last))


def _pretty(c: sqlite3.Connection) -> None:
    (body,) = c.execute("select body from audit where seq = 3").fetchone()
    c.execute("update audit set body = ? where seq = 3", (json.dumps(json.loads(body)),))


def _remove(c: sqlite3.Connection) -> None:
    c.execute("delete from audit where seq = 3")


def _remove_last(c: sqlite3.Connection) -> None:
    c.execute("delete from audit where seq = (select max(seq) from audit)")


def _swap(c: sqlite3.Connection) -> None:
    rows = dict(c.execute("select seq, body from audit where seq in (3, 4)").fetchall())
    c.execute("update audit set body = ? where seq = 3", (rows[4],))
    c.execute("update audit set body = ? where seq = 4", (rows[3],))


def _append(c: sqlite3.Connection) -> None:
    (last, body) = c.execute("select seq, body from audit order by seq desc limit 1").fetchone()
    c.execute("insert into audit values (?, 'x', 'a', 's', ?)", (last + 1, body))


def _head(c: sqlite3.Connection) -> None:
    c.execute("update head set last_hash = 'sha256:' || printf('%064d', 0)")


@pytest.mark.parametrize("tamper", [_edit, _edit_last, _pretty, _remove, _remove_last, _swap, _append, _head])
def test_every_edit_is_found(desk: Desk, tamper: Tamper) -> None:
    assert verify_audit(desk.context).size == len(desk.audit()) > 5
    with sqlite3.connect(desk.service.settings.database) as c:
        tamper(c)
    c.close()
    error = desk.fails(lambda: verify_audit(desk.context))
    assert isinstance(error, Damaged)
    assert error.kind == "audit-damaged"
    assert error.do


def test_a_kept_head_finds_a_restored_log(desk: Desk, tmp_path: Path) -> None:
    database, backup = desk.service.settings.database, tmp_path / "backup.db"
    with sqlite3.connect(database) as c:
        c.execute("vacuum into ?", (str(backup),))
    c.close()
    desk.start_run("later")
    kept, _ = desk.context.records.head()
    assert verify_audit(desk.context, kept).kept == kept
    desk.start_run("later-still")
    assert verify_audit(desk.context, kept).size == kept.size + 1

    desk.context.records.close()
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(backup, database)
    assert verify_audit(desk.context).size == kept.size - 1, "the restored log is whole by itself"
    assert "truncated or restored" in desk.fails(lambda: verify_audit(desk.context, kept)).what
    desk.start_run("another-history")
    desk.start_run("goes-on")
    assert "the kept head says" in desk.fails(lambda: verify_audit(desk.context, kept)).what
