"""Data and where it came from: datasets, versions, what they hold, checks, approvals, quarantines, robots."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Table, Text, UniqueConstraint

from catalog.db.tables.base import NAME, NUMBER, body, metadata

dataset = Table(
    "dataset",
    metadata,
    Column("slug", NAME, primary_key=True),
    Column("repository", NAME, nullable=False, unique=True),
    Column("created_at", NAME, nullable=False),
    Column("created_by", NAME, nullable=False),
)
version = Table(
    "version",
    metadata,
    Column("manifest_digest", NAME, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("ingest", NAME, nullable=False, index=True),
    Column("registered_at", NAME, nullable=False),
    body(),
)
location = Table(
    "location",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("store", NAME, primary_key=True),
    Column("commit", NAME, primary_key=True),
    body(),
)
commit_copy = Table(  # of a commit that was copied to another store: its name there
    "commit_copy",
    metadata,
    Column("store", NAME, primary_key=True),
    Column("repository", NAME, primary_key=True),
    Column("commit", NAME, primary_key=True),
    Column("copy", NAME, nullable=False),
    UniqueConstraint("store", "repository", "copy"),
)
episode = Table(
    "episode",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("root", NAME, primary_key=True),
    Column("number", NUMBER, primary_key=True),
    Column("fingerprint", NAME, nullable=False, index=True),
    Column("rig", NAME, nullable=False, index=True),
    Column("seed", NAME, nullable=False, index=True),
    body(),
)
object_ = Table(
    "object",
    metadata,
    Column("manifest_digest", ForeignKey("version.manifest_digest"), primary_key=True),
    Column("path", NAME, primary_key=True),
    Column("sha256", NAME, nullable=False, index=True),
    Column("rows", Boolean, nullable=False),
    body(),
)
check = Table(
    "check",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, index=True),
    Column("commit", NAME, nullable=False),
    Column("digest", NAME, nullable=False),
    body(),
)
approval = Table(
    "approval",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, unique=True),
    Column("tag", NAME, nullable=False),
    Column("merge_commit", NAME, nullable=False),
    body(),
    UniqueConstraint("dataset", "tag"),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("dataset", ForeignKey("dataset.slug"), nullable=False, index=True),
    Column("manifest_digest", ForeignKey("version.manifest_digest"), nullable=False, index=True),
    body(),
)
quarantined = Table(
    "quarantined",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("quarantine", ForeignKey("quarantine.id"), primary_key=True),
    Column("of", NAME, nullable=False),
    Column("root", NAME, nullable=False),
    Column("number", NUMBER, nullable=False),
)
undecided = Table(
    "undecided",
    metadata,
    Column("dataset", ForeignKey("dataset.slug"), primary_key=True),
    Column("commit", NAME, primary_key=True),
    Column("noticed_at", NAME, nullable=False),
    Column("why", Text, nullable=False),
    Column("gone_at", NAME),
)
robot = Table(
    "robot",
    metadata,
    Column("digest", NAME, primary_key=True),
    Column("name", NAME, nullable=False, index=True),
    Column("registered_at", NAME, nullable=False),
    body(),
)
