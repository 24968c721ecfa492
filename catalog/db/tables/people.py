"""Who may do what: principals, their keys, and what several of them must sign."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from catalog.db.tables.base import NAME, body, metadata

principal = Table(
    "principal",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("token_digest", NAME, nullable=False, unique=True),
    body(),
)
key = Table(
    "key",
    metadata,
    Column("keyid", NAME, primary_key=True),
    Column("public", NAME, nullable=False, unique=True),
    Column("principal", ForeignKey("principal.name"), nullable=False),
    Column("role", NAME, nullable=False),
    body(),
)
proposal = Table(
    "proposal",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("kind", NAME, nullable=False, index=True),
    body(),
)
endorsement = Table(
    "endorsement",
    metadata,
    Column("subject", NAME, primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("at", NAME, nullable=False),
    Column("envelope", Text, nullable=False),
)
