"""Erasures, to be replayed after a restore"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UNLISTED = sa.text("NOT listed")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_erasures_unlisted",
        "erasures",
        ["id"],
        sqlite_where=UNLISTED,
        postgresql_where=UNLISTED,
    )
    op.create_index("ix_erasures_at", "erasures", ["at"])


def downgrade() -> None:
    op.drop_table("erasures")
