"""Commits that were copied to another store, and what they are called there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "commit_copy",
        sa.Column("store", NAME, nullable=False),
        sa.Column("repository", NAME, nullable=False),
        sa.Column("commit", NAME, nullable=False),
        sa.Column("copy", NAME, nullable=False),
        sa.PrimaryKeyConstraint("store", "repository", "commit"),
        sa.UniqueConstraint("store", "repository", "copy", name=op.f("uq_commit_copy_store_repository_copy")),
    )
