"""The tables of the spine: records, decisions, evidence, audit, intents, lineage edges."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("prev", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("prev", name=op.f("uq_audit_prev")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_action"), ["action"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_subject"), ["subject"], unique=False)

    op.create_table(
        "dataset",
        sa.Column("slug", NAME, nullable=False),
        sa.Column("repository", NAME, nullable=False),
        sa.Column("created_at", NAME, nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.PrimaryKeyConstraint("slug"),
        sa.UniqueConstraint("repository", name=op.f("uq_dataset_repository")),
    )
    op.create_table(
        "decision",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("decides", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("verdict", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("id", name=op.f("uq_decision_id")),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decision_subject"), ["subject"], unique=False)

    op.create_table(
        "edge",
        sa.Column("src", NAME, nullable=False),
        sa.Column("dst", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("valid_from", NAME, nullable=False),
        sa.Column("valid_to", NAME, nullable=True),
        sa.Column("asserted_by", NAME, nullable=False),
        sa.PrimaryKeyConstraint("src", "dst", "kind", "valid_from"),
    )
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_edge_dst_kind"), ["dst", "kind"], unique=False)

    op.create_table(
        "head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("home", NAME, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("last_at", NAME, nullable=False),
        sa.Column("last_hash", NAME, nullable=False),
        sa.Column("frontier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", NAME, nullable=False),
        sa.Column("principal", NAME, nullable=False),
        sa.Column("request", NAME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", NAME, nullable=False),
        sa.PrimaryKeyConstraint("key", "principal"),
    )
    op.create_table(
        "intent",
        sa.Column("id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_intent_state"), ["state"], unique=False)

    op.create_table(
        "line",
        sa.Column("name", NAME, nullable=False),
        sa.Column("device_class", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "device_class"),
    )
    op.create_table(
        "model",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("registered_at", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("model", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_model_name"), ["name"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "policy",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decides", NAME, nullable=False),
        sa.Column("device_class", NAME, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("name", "version", name=op.f("uq_policy_name_version")),
    )
    op.create_table(
        "principal",
        sa.Column("name", NAME, nullable=False),
        sa.Column("token_digest", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("token_digest", name=op.f("uq_principal_token_digest")),
    )
    op.create_table(
        "robot",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("registered_at", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("robot", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_robot_name"), ["name"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_name"), ["name"], unique=False)

    op.create_table(
        "key",
        sa.Column("keyid", NAME, nullable=False),
        sa.Column("public", NAME, nullable=False),
        sa.Column("principal", NAME, nullable=False),
        sa.Column("role", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal"],
            ["principal.name"],
        ),
        sa.PrimaryKeyConstraint("keyid"),
        sa.UniqueConstraint("public", name=op.f("uq_key_public")),
    )
    op.create_table(
        "plan",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("device_class", NAME, nullable=False),
        sa.Column("seed", NAME, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["model.digest"],
        ),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("id", name=op.f("uq_plan_id")),
    )
    with op.batch_alter_table("plan", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_plan_device_class"), ["device_class"], unique=False)
        batch_op.create_index(batch_op.f("ix_plan_model"), ["model"], unique=False)

    op.create_table(
        "undecided",
        sa.Column("dataset", NAME, nullable=False),
        sa.Column("commit", NAME, nullable=False),
        sa.Column("noticed_at", NAME, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("gone_at", NAME, nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.slug"],
        ),
        sa.PrimaryKeyConstraint("dataset", "commit"),
    )
    op.create_table(
        "version",
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("dataset", NAME, nullable=False),
        sa.Column("ingest", NAME, nullable=False),
        sa.Column("registered_at", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.slug"],
        ),
        sa.PrimaryKeyConstraint("manifest_digest"),
    )
    with op.batch_alter_table("version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_version_dataset"), ["dataset"], unique=False)
        batch_op.create_index(batch_op.f("ix_version_ingest"), ["ingest"], unique=False)

    op.create_table(
        "approval",
        sa.Column("id", NAME, nullable=False),
        sa.Column("dataset", NAME, nullable=False),
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("tag", NAME, nullable=False),
        sa.Column("merge_commit", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.slug"],
        ),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset", "tag", name=op.f("uq_approval_dataset_tag")),
        sa.UniqueConstraint("manifest_digest", name=op.f("uq_approval_manifest_digest")),
    )
    with op.batch_alter_table("approval", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approval_dataset"), ["dataset"], unique=False)

    op.create_table(
        "check",
        sa.Column("id", NAME, nullable=False),
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("commit", NAME, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("check", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_check_manifest_digest"), ["manifest_digest"], unique=False)

    op.create_table(
        "episode",
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("root", NAME, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("fingerprint", NAME, nullable=False),
        sa.Column("rig", NAME, nullable=False),
        sa.Column("seed", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("manifest_digest", "root", "number"),
    )
    with op.batch_alter_table("episode", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_episode_fingerprint"), ["fingerprint"], unique=False)
        batch_op.create_index(batch_op.f("ix_episode_rig"), ["rig"], unique=False)
        batch_op.create_index(batch_op.f("ix_episode_seed"), ["seed"], unique=False)

    op.create_table(
        "evidence",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("plan", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model"],
            ["model.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["plan"],
            ["plan.digest"],
        ),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("id", name=op.f("uq_evidence_id")),
        sa.UniqueConstraint("plan", name=op.f("uq_evidence_plan")),
    )
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_evidence_model"), ["model"], unique=False)

    op.create_table(
        "location",
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("store", NAME, nullable=False),
        sa.Column("commit", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("manifest_digest", "store", "commit"),
    )
    op.create_table(
        "object",
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("path", NAME, nullable=False),
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("rows", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("manifest_digest", "path"),
    )
    with op.batch_alter_table("object", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_object_sha256"), ["sha256"], unique=False)

    op.create_table(
        "quarantine",
        sa.Column("id", NAME, nullable=False),
        sa.Column("dataset", NAME, nullable=False),
        sa.Column("manifest_digest", NAME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.slug"],
        ),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quarantine_dataset"), ["dataset"], unique=False)
        batch_op.create_index(batch_op.f("ix_quarantine_manifest_digest"), ["manifest_digest"], unique=False)

    op.create_table(
        "signature",
        sa.Column("decision", NAME, nullable=False),
        sa.Column("keyid", NAME, nullable=False),
        sa.Column("at", NAME, nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision"],
            ["decision.digest"],
        ),
        sa.ForeignKeyConstraint(
            ["keyid"],
            ["key.keyid"],
        ),
        sa.PrimaryKeyConstraint("decision", "keyid"),
    )
    op.create_table(
        "quarantined",
        sa.Column("digest", NAME, nullable=False),
        sa.Column("quarantine", NAME, nullable=False),
        sa.Column("of", NAME, nullable=False),
        sa.Column("root", NAME, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["quarantine"],
            ["quarantine.id"],
        ),
        sa.PrimaryKeyConstraint("digest", "quarantine"),
    )
