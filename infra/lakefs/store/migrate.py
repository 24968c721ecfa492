"""What an earlier layout's tables lack."""

from __future__ import annotations

import sqlite3


def add_mark(connection: sqlite3.Connection) -> None:
    """The mark of branches up to which staged rows are dead."""
    if "cleared" not in {row["name"] for row in connection.execute("PRAGMA table_info(branches)")}:
        connection.execute("ALTER TABLE branches ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0")
