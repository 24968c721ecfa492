"""The layout of a home, and the way to this version's: one transaction, the old tables or the new ones.

The database says its layout itself (`PRAGMA user_version`), so a crash before the home's marker file is written again
costs nothing: the next start finds the tables as they should be. Layout 1 wrote no version.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from infra.lakefs.errors import HomeError

LAYOUT = 2


def read_layout(folder: Path) -> int:
    """The layout a home's marker file states; HomeError when this version cannot read it."""
    marker = folder / "lakefs.json"
    if not marker.exists():
        raise HomeError(f"{folder} holds no store: it has no {marker.name}")
    try:
        layout = json.loads(marker.read_bytes())["layout"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(f"{marker} is unreadable: restore it, it says {{'layout': {LAYOUT}}}") from error
    if isinstance(layout, bool) or not isinstance(layout, int) or not 1 <= layout <= LAYOUT:
        raise HomeError(
            f"{folder} has layout {layout!r}, this version reads up to {LAYOUT}: use the version that wrote it"
        )
    return layout


def migrate(connection: sqlite3.Connection, schema: str) -> None:
    """Make the tables of `schema` out of none, of any earlier layout's, or of its own."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _readable_layout(connection)
        for statement in filter(str.strip, schema.split(";")):
            connection.execute(statement)
        _add_mark(connection)
        if found < 2:
            # nobody wrote down what refs left before layout 2: let every commit count as just left
            connection.execute("INSERT INTO reflog SELECT repository, id, strftime('%s','now') FROM commits")
        connection.execute(f"PRAGMA user_version={LAYOUT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrate_file(path: Path, schema: str) -> None:
    """Migrate the database of a home that no server runs on; HomeError leaves it as it was."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            migrate(connection, schema)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise HomeError(f"{path} cannot be brought to layout {LAYOUT} ({error}): nothing was changed") from error


def _readable_layout(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > LAYOUT:
        raise HomeError(f"the database has layout {found}, this version reads up to {LAYOUT}: use what wrote it")
    return found


def _add_mark(connection: sqlite3.Connection) -> None:
    """The mark of branches up to which staged rows are dead."""
    if "cleared" not in {row[1] for row in connection.execute("PRAGMA table_info(branches)")}:
        connection.execute("ALTER TABLE branches ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0")
