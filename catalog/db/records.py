"""Reading documents: the rows of a table as the domain entities their bodies are, validated each time."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Connection, Table, select

from catalog.domain.base import Entity
from catalog.errors import Damaged, Invalid

E = TypeVar("E", bound=Entity)


def one(connection: Connection, table: Table, entity: type[E], **where: Any) -> E | None:
    """The entity found by these keys, or None."""
    body = connection.execute(select(table.c.body).where(*(table.c[k] == v for k, v in where.items()))).scalar()
    return None if body is None else _read(table, entity, body)


def many(
    connection: Connection, table: Table, entity: type[E], *, order: str, newest_first: bool = False, **where: Any
) -> list[E]:
    """All entities found by these keys, ordered by one column."""
    column = table.c[order].desc() if newest_first else table.c[order]
    found = connection.execute(
        select(table.c.body).where(*(table.c[k] == v for k, v in where.items())).order_by(column)
    ).scalars()
    return [_read(table, entity, body) for body in found]


def page(
    connection: Connection, table: Table, entity: type[E], *, key: str, after: str, limit: int, **where: Any
) -> tuple[list[E], str | None]:
    """One cursor page, ordered by the bytes of `key`, and the cursor of the next one."""
    column = table.c[key]
    rows = connection.execute(
        select(column, table.c.body)
        .where(column > after, *(table.c[k] == v for k, v in where.items()))
        .order_by(column)
        .limit(limit + 1)
    ).all()
    items = [_read(table, entity, row.body) for row in rows[:limit]]
    return items, rows[limit - 1][0] if len(rows) > limit else None


def _read(table: Table, entity: type[E], body: str) -> E:
    try:
        return entity.parse(body)
    except Invalid as error:
        what = f"a record of {table.name} is no {entity.__name__} any more: {error.what}"
        raise Damaged("records-damaged", what, do="restore a backup, or use the Assay that wrote it") from error
