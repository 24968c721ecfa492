"""The graph, what a run opened without declaring it, and what was recalled along it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from catalog.db.tables.base import NAME, body, metadata

edge = Table(
    "edge",
    metadata,
    Column("src", NAME, primary_key=True),
    Column("dst", NAME, primary_key=True),
    Column("kind", NAME, primary_key=True),
    Column("valid_from", NAME, primary_key=True),
    Column("valid_to", NAME),
    Column("asserted_by", NAME, nullable=False),
    Index(None, "dst", "kind", "src", "valid_from"),
)
opened = Table(
    "opened",
    metadata,
    Column("sha256", NAME, primary_key=True),
    Column("run", ForeignKey("run.id"), primary_key=True),
)
recall = Table("recall", metadata, Column("id", NAME, primary_key=True), body())
revoked = Table(
    "revoked",
    metadata,
    Column("urn", NAME, primary_key=True),
    Column("recall", ForeignKey("recall.id"), primary_key=True),
)
