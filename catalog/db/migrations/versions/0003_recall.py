"""What a run opened, by content, so that recall finds it; and an index from which a part is found without its row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "opened",
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("run", NAME, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"]),
        sa.PrimaryKeyConstraint("sha256", "run"),
    )
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_edge_dst_kind"))
        batch_op.create_index(batch_op.f("ix_edge_dst_kind_src_valid_from"), ["dst", "kind", "src", "valid_from"])
