"""The tables of the spine: records, decisions, evidence, audit, intents, lineage edges."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("prev", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("prev", name=op.f("uq_audit_prev")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_action"), ["action"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_subject"), ["subject"], unique=False)

    op.create_table(
        "dataset",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("slug"),
        sa.UniqueConstraint("repository", name=op.f("uq_dataset_repository")),
    )
    op.create_table(
        "decision",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("decides", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("id", name=op.f("uq_decision_id")),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decision_subject"), ["subject"], unique=False)

    op.create_table(
        "edge",
        sa.Column("src", sa.String(), nullable=False),
        sa.Column("dst", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("valid_from", sa.String(), nullable=False),
        sa.Column("valid_to", sa.String(), nullable=True),
        sa.Column("asserted_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("src", "dst", "kind", "valid_from"),
    )
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_edge_dst_kind"), ["dst", "kind"], unique=False)

    op.create_table(
        "head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("home", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(), nullable=False),
        sa.Column("last_hash", sa.String(), nullable=False),
        sa.Column("frontier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", "principal"),
    )
    op.create_table(
        "intent",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_intent_state"), ["state"], unique=False)

    op.create_table(
        "line",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("device_class", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "device_class"),
    )
    op.create_table(
        "model",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("registered_at", sa.String(), nullable=False),
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
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("decides", sa.String(), nullable=False),
        sa.Column("device_class", sa.String(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.UniqueConstraint("name", "version", name=op.f("uq_policy_name_version")),
    )
    op.create_table(
        "principal",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_digest", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("token_digest", name=op.f("uq_principal_token_digest")),
    )
    op.create_table(
        "robot",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("registered_at", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("robot", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_robot_name"), ["name"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_name"), ["name"], unique=False)

    op.create_table(
        "key",
        sa.Column("keyid", sa.String(), nullable=False),
        sa.Column("public", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
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
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("device_class", sa.String(), nullable=False),
        sa.Column("seed", sa.String(), nullable=True),
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
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("noticed_at", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("gone_at", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["dataset.slug"],
        ),
        sa.PrimaryKeyConstraint("dataset", "commit"),
    )
    op.create_table(
        "version",
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("ingest", sa.String(), nullable=False),
        sa.Column("registered_at", sa.String(), nullable=False),
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
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("merge_commit", sa.String(), nullable=False),
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
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
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
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("rig", sa.String(), nullable=False),
        sa.Column("seed", sa.String(), nullable=False),
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
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
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
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("store", sa.String(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_digest"],
            ["version.manifest_digest"],
        ),
        sa.PrimaryKeyConstraint("manifest_digest", "store", "commit"),
    )
    op.create_table(
        "object",
        sa.Column("manifest_digest", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
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
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("manifest_digest", sa.String(), nullable=False),
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
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("keyid", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
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
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("quarantine", sa.String(), nullable=False),
        sa.Column("of", sa.String(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["quarantine"],
            ["quarantine.id"],
        ),
        sa.PrimaryKeyConstraint("digest", "quarantine"),
    )
