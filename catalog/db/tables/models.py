"""Models and what speaks for them: runs, plans, evidence, policies, decisions."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text, UniqueConstraint

from catalog.db.tables.base import NAME, body, metadata

run = Table(
    "run",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("name", NAME, nullable=False, index=True),
    body(),
)
model = Table(
    "model",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("name", NAME, nullable=False, index=True),
    Column("registered_at", NAME, nullable=False),
    body(),
)
reproduction = Table(
    "reproduction",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("run", ForeignKey("run.id"), nullable=False, index=True),
    body(),
)
line = Table(
    "line",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("device_class", NAME, primary_key=True),
    body(),
)
plan = Table(
    "plan",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("id", NAME, nullable=False, unique=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("device_class", NAME, nullable=False, index=True),
    Column("seed", NAME),
    body(),
)
evidence = Table(
    "evidence",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("id", NAME, nullable=False, unique=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("plan", ForeignKey("plan.digest"), nullable=False, unique=True),
    body(),
)
replay = Table(
    "replay",
    metadata,
    Column("evidence", ForeignKey("evidence.digest"), primary_key=True),
    body(),
)
policy = Table(
    "policy",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("version", Integer, nullable=False),
    Column("decides", NAME, nullable=False),
    Column("device_class", NAME),
    body(),
    UniqueConstraint("name", "version"),
)
decision = Table(
    "decision",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("id", NAME, nullable=False, unique=True),
    Column("decides", NAME, nullable=False),
    Column("subject", NAME, nullable=False, index=True),
    Column("verdict", NAME, nullable=False),
    body(),
)
signature = Table(
    "signature",
    metadata,
    Column("decision", ForeignKey("decision.digest"), primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    Column("at", NAME, nullable=False),
    Column("envelope", Text, nullable=False),
)
