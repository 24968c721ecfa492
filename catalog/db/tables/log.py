"""The log and what the service does by itself: the audit chain, intents, kept answers, events to send."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from catalog.db.tables.base import NAME, NUMBER, body, metadata

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("home", NAME, nullable=False),
    Column("epoch", NUMBER, nullable=False),
    Column("last_at", NAME, nullable=False),
    Column("last_hash", NAME, nullable=False),
    Column("frontier", Text, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("prev", NAME, nullable=False, unique=True),
    Column("action", NAME, nullable=False, index=True),
    Column("subject", NAME, nullable=False, index=True),
    body(),
)
intent = Table(
    "intent",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("state", NAME, nullable=False, index=True),
    body(),
)
idempotency = Table(
    "idempotency",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("principal", NAME, primary_key=True),
    Column("request", NAME, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", NAME, nullable=False),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("body", Text, nullable=False),
)
