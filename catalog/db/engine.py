"""How the records are reached: SQLite in a file of the home, or a PostgreSQL that the settings name.

Both sync each commit to disk, give a read one consistent state, and let one transaction write at a time: SQLite locks
the file when it begins, on PostgreSQL each write locks the head of the audit log before it reads anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, InterfaceError, OperationalError

from catalog.errors import Damaged, Invalid, Unavailable

PATIENCE = 30  # seconds that a write waits for the one before it
POSTGRESQL = f"-c lock_timeout={PATIENCE}s -c synchronous_commit=on -c idle_in_transaction_session_timeout=600s"
DRIVER = "postgresql+psycopg"
FULL = ("full", "disk I/O", "No space left")
TOO_LARGE = "54000"  # PostgreSQL: a name longer than an index takes


def connect(where: Path | str) -> Engine:
    """The engine over a file, or over the address of a PostgreSQL; an address is never shown."""
    return _sqlite(where) if isinstance(where, Path) else _postgresql(where)


def reading(engine: Engine) -> dict[str, Any]:
    """Options of a connection that only reads."""
    return {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}


def writing(engine: Engine) -> dict[str, Any]:
    """Options of a connection that writes: it reads what was committed before it had the lock; nobody commits since."""
    return {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {"immediate": True}


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database as ours."""
    try:
        yield
    except DataError as error:
        raise Invalid("input-invalid", f"the records cannot hold that: {error.orig}", do="correct that text") from error
    except (OperationalError, InterfaceError) as error:
        said = str(error.orig)
        if getattr(error.orig, "sqlstate", None) == TOO_LARGE:
            raise Invalid("input-invalid", f"a name is too long: {said}", do="choose a shorter one") from error
        if any(word in said for word in FULL):
            raise Unavailable("disk-full", f"the records cannot grow: {said}", do="free space and try again") from error
        raise Unavailable("store-unreachable", f"the records do not answer: {said}", do="try again") from error
    except DatabaseError as error:
        said = str(error.orig)
        corrupted = str(getattr(error.orig, "sqlstate", "")).startswith("XX")
        if corrupted or "malformed" in said or "not a database" in said:
            raise Damaged("home-damaged", f"the records are damaged: {said}", do="restore a backup") from error
        raise


def _sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": PATIENCE, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={PATIENCE * 1000}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgresql(address: str) -> Engine:
    try:
        url = make_url(address)
        url = url.set(drivername=DRIVER) if url.drivername == "postgresql" else url
    except ArgumentError:
        url = None
    if url is None or url.drivername != DRIVER:
        raise Invalid(
            "settings-invalid",
            "the address of the records is not one of PostgreSQL",
            where="ASSAY_DATABASE_URL",
            do=f"write {DRIVER}://USER:PASSWORD@HOST/DATABASE",
        )
    return create_engine(
        url,
        isolation_level="REPEATABLE READ",
        connect_args={"options": POSTGRESQL, "connect_timeout": PATIENCE},
        hide_parameters=True,
    )
