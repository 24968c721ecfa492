"""What reaches devices and what comes back: releases, choices, leases, denials, devices."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table

from catalog.db.tables.base import NAME, NUMBER, body, metadata

release = Table(
    "release",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("device_class", NAME, nullable=False, index=True),
    Column("model", ForeignKey("model.digest"), nullable=False, index=True),
    Column("decision", ForeignKey("decision.digest"), nullable=False, index=True),
    Column("state", NAME, nullable=False),
    Column("proposed_at", NAME, nullable=False),
    body(),
)
release_signature = Table(
    "release_signature",
    metadata,
    Column("release", ForeignKey("release.id"), primary_key=True),
    Column("keyid", ForeignKey("key.keyid"), primary_key=True),
    body(),
)
choice = Table(
    "choice",
    metadata,
    Column("device_class", NAME, primary_key=True),
    Column("requested_at", NAME, primary_key=True),
    Column("release", ForeignKey("release.id")),
    body(),
)
lease = Table(
    "lease",
    metadata,
    Column("device_class", NAME, primary_key=True),
    Column("issued_at", NAME, primary_key=True),
    Column("release", ForeignKey("release.id"), index=True),
    Column("lease_until", NAME, nullable=False),
    body(),
)
denial = Table(
    "denial",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("release", ForeignKey("release.id"), nullable=False, index=True),
    Column("model", NAME, nullable=False, index=True),
    body(),
)
device = Table(
    "device",
    metadata,
    Column("name", ForeignKey("principal.name"), primary_key=True),
    Column("device_class", NAME, nullable=False, index=True),
    body(),
)
device_report = Table(
    "device_report",
    metadata,
    Column("device", ForeignKey("device.name"), primary_key=True),
    Column("seq", NUMBER, primary_key=True),
    Column("received_at", NAME, nullable=False),
    body(),
)
