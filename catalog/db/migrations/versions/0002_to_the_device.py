"""The way to the device: releases, their signatures, choices, leases, denials, devices, recalls, endorsements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("proposal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_proposal_kind"), ["kind"], unique=False)

    op.create_table(
        "recall",
        sa.Column("id", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "device",
        sa.Column("name", NAME, nullable=False),
        sa.Column("device_class", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name"],
            ["principal.name"],
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_device_class"), ["device_class"], unique=False)

    op.create_table(
        "release",
        sa.Column("id", NAME, nullable=False),
        sa.Column("device_class", NAME, nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("decision", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("proposed_at", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision"],
            ["decision.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["model"],
            ["model.digest"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("release", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_release_decision"), ["decision"], unique=False)
        batch_op.create_index(batch_op.f("ix_release_device_class"), ["device_class"], unique=False)
        batch_op.create_index(batch_op.f("ix_release_model"), ["model"], unique=False)

    op.create_table(
        "reproduction",
        sa.Column("id", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reproduction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reproduction_run"), ["run"], unique=False)

    op.create_table(
        "revoked",
        sa.Column("urn", NAME, nullable=False),
        sa.Column("recall", NAME, nullable=False),
        sa.ForeignKeyConstraint(
            ["recall"],
            ["recall.id"],
        ),
        sa.PrimaryKeyConstraint("urn", "recall"),
    )
    op.create_table(
        "choice",
        sa.Column("device_class", NAME, nullable=False),
        sa.Column("requested_at", NAME, nullable=False),
        sa.Column("release", NAME, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"],
            ["release.id"],
        ),
        sa.PrimaryKeyConstraint("device_class", "requested_at"),
    )
    op.create_table(
        "denial",
        sa.Column("id", NAME, nullable=False),
        sa.Column("release", NAME, nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"],
            ["release.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("denial", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_denial_model"), ["model"], unique=False)
        batch_op.create_index(batch_op.f("ix_denial_release"), ["release"], unique=False)

    op.create_table(
        "device_report",
        sa.Column("device", NAME, nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("received_at", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["device.name"],
        ),
        sa.PrimaryKeyConstraint("device", "seq"),
    )
    op.create_table(
        "endorsement",
        sa.Column("subject", NAME, nullable=False),
        sa.Column("keyid", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("at", NAME, nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["keyid"],
            ["key.keyid"],
        ),
        sa.PrimaryKeyConstraint("subject", "keyid"),
    )
    op.create_table(
        "lease",
        sa.Column("device_class", NAME, nullable=False),
        sa.Column("issued_at", NAME, nullable=False),
        sa.Column("release", NAME, nullable=True),
        sa.Column("lease_until", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"],
            ["release.id"],
        ),
        sa.PrimaryKeyConstraint("device_class", "issued_at"),
    )
    with op.batch_alter_table("lease", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lease_release"), ["release"], unique=False)

    op.create_table(
        "release_signature",
        sa.Column("release", NAME, nullable=False),
        sa.Column("keyid", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["keyid"],
            ["key.keyid"],
        ),
        sa.ForeignKeyConstraint(
            ["release"],
            ["release.id"],
        ),
        sa.PrimaryKeyConstraint("release", "keyid"),
    )
    op.create_table(
        "replay",
        sa.Column("evidence", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evidence"],
            ["evidence.digest"],
        ),
        sa.PrimaryKeyConstraint("evidence"),
    )
