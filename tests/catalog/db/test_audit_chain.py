"""`assay audit verify` finds what was edited, removed, reordered or added; a kept head finds what was cut or restored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from catalog.db import tables
from catalog.db.engine import writing
from catalog.domain.audit import GENESIS, AuditEntry
from catalog.domain.base import canonical, utc_text
from catalog.errors import Damaged
from catalog.services.audit import verify_audit
from tests.support.house import Desk
from tests.support.postgresql import BOTH

DATABASES = BOTH
Tamper = Callable[[Connection], None]
AUDIT, HEAD = tables.audit, tables.head


@contextmanager
def behind(desk: Desk) -> Iterator[Connection]:
    """Behind the catalog's back."""
    engine = desk.context.records.engine
    with engine.connect().execution_options(**writing(engine)) as c, c.begin():
        yield c


def _body(c: Connection, seq: int) -> str:
    return str(c.execute(select(AUDIT.c.body).where(AUDIT.c.seq == seq)).scalar_one())


def _put(c: Connection, seq: int, body: str) -> None:
    c.execute(AUDIT.update().where(AUDIT.c.seq == seq).values(body=body))


def _last(c: Connection) -> int:
    return int(c.execute(select(func.max(AUDIT.c.seq))).scalar_one())


def _edit(c: Connection) -> None:
    _put(c, 3, canonical({**json.loads(_body(c, 3)), "actor": "somebody-else"}).decode())


def _edit_last(c: Connection) -> None:
    last = _last(c)
    _put(c, last, canonical({**json.loads(_body(c, last)), "subject": "other"}).decode())


def _pretty(c: Connection) -> None:
    _put(c, 3, json.dumps(json.loads(_body(c, 3))))


def _escaped(c: Connection) -> None:
    """The same document, written with an escape that its canonical form has not."""
    body = _body(c, 3)
    _put(c, 3, body.replace("a", "\\u0061", 1))


def _twice(c: Connection) -> None:
    """A key that appears twice, of which a lenient reader sees the last."""
    body = _body(c, 3)
    _put(c, 3, '{"action":"innocent",' + body[1:])


def _number(c: Connection) -> None:
    """Another text of the same number."""
    body = _body(c, 3)
    _put(c, 3, body.replace('"seq":3', '"seq":3.0'))


def _time(c: Connection) -> None:
    """Another text of the same time."""
    body = _body(c, 3)
    at = json.loads(body)["at"]
    _put(c, 3, body.replace(at, at.replace("Z", "+00:00")))


def _extra(c: Connection) -> None:
    _put(c, 3, canonical({**json.loads(_body(c, 3)), "zzz": 1}).decode())


def _remove(c: Connection) -> None:
    c.execute(AUDIT.delete().where(AUDIT.c.seq == 3))


def _remove_last(c: Connection) -> None:
    c.execute(AUDIT.delete().where(AUDIT.c.seq == _last(c)))


def _swap(c: Connection) -> None:
    third, fourth = _body(c, 3), _body(c, 4)
    _put(c, 3, fourth)
    _put(c, 4, third)


def _append(c: Connection) -> None:
    last = _last(c)
    c.execute(AUDIT.insert().values(seq=last + 1, prev="x", action="a", subject="s", body=_body(c, last)))


def _head(c: Connection) -> None:
    c.execute(HEAD.update().values(last_hash=GENESIS))


TAMPERS = [
    _edit, _edit_last, _pretty, _escaped, _twice, _number, _time, _extra, _remove, _remove_last, _swap, _append, _head,
]  # fmt: skip


@contextmanager
def undone(desk: Desk) -> Iterator[None]:
    """The log is again what it was."""
    with behind(desk) as c:
        before = (
            [dict(row) for row in c.execute(AUDIT.select()).mappings()],
            dict(c.execute(HEAD.select()).mappings().one()),
        )
    yield
    with behind(desk) as c:
        c.execute(AUDIT.delete())
        c.execute(AUDIT.insert(), before[0])
        c.execute(HEAD.update().values(**before[1]))
    assert verify_audit(desk.context).size == len(before[0])


@pytest.mark.parametrize("tamper", TAMPERS)
def test_every_edit_is_found(shared_desk: Desk, tamper: Tamper) -> None:
    assert verify_audit(shared_desk.context).size == len(shared_desk.audit()) > 5
    with undone(shared_desk):
        with behind(shared_desk) as c:
            tamper(c)
        error = shared_desk.fails(lambda: verify_audit(shared_desk.context))
    assert isinstance(error, Damaged)
    assert error.kind == "audit-damaged"
    assert error.do


@pytest.mark.parametrize(
    ("column", "value"), [("action", "innocent"), ("subject", "other"), ("prev", GENESIS.replace("0", "1"))]
)
def test_columns_that_the_entry_contradicts(shared_desk: Desk, column: str, value: str) -> None:
    """People search the log by its columns; the chain is over the entry."""
    with undone(shared_desk):
        with behind(shared_desk) as c:
            c.execute(AUDIT.update().where(AUDIT.c.seq == 2).values({column: value}))
        assert shared_desk.fails(lambda: verify_audit(shared_desk.context)).kind == "audit-damaged"


def test_a_kept_head_finds_a_restored_log(desk: Desk) -> None:
    with behind(desk) as c:
        backup = dict(c.execute(HEAD.select()).mappings().one())
        until = _last(c)
    desk.start_run("later")
    kept, _ = desk.context.records.head()
    assert verify_audit(desk.context, kept).kept == kept
    desk.start_run("later-still")
    assert verify_audit(desk.context, kept).size == kept.size + 1

    with behind(desk) as c:
        c.execute(AUDIT.delete().where(AUDIT.c.seq > until))
        c.execute(HEAD.update().values(**backup))
    assert verify_audit(desk.context).size == kept.size - 1, "the restored log is whole by itself"
    assert "truncated or restored" in desk.fails(lambda: verify_audit(desk.context, kept)).what
    desk.start_run("another-history")
    desk.start_run("goes-on")
    assert "the kept head says" in desk.fails(lambda: verify_audit(desk.context, kept)).what


texts = st.text(max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=9,
)


@given(texts, texts, st.dictionaries(texts, plain, max_size=4), st.datetimes(timezones=st.just(UTC)))
def test_an_entry_is_written_in_its_canonical_form(
    action: str, subject: str, details: dict[str, Any], at: datetime
) -> None:
    """Field by field, as every document's form: the hash rests on it."""
    entry = AuditEntry.of(
        {
            "seq": 7, "at": utc_text(at), "actor": "x", "action": f"a{action}a", "subject": subject,
            "details": details, "prev": GENESIS,
        }
    )  # fmt: skip
    assert entry.canonical() == canonical(entry.document())
    assert AuditEntry.parse(entry.canonical()) == entry
