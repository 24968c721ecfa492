"""What an earlier layout's tables lack."""

from __future__ import annotations

import sqlite3


def add_marks(connection: sqlite3.Connection) -> None:
    """The marks of branches: whatever was staged before may still be there."""
    if "cleared" in {row["name"] for row in connection.execute("PRAGMA table_info(branches)")}:
        return
    connection.execute("ALTER TABLE branches ADD COLUMN staged INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE branches ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE branches SET staged=(SELECT value FROM counters WHERE name='staging')")
