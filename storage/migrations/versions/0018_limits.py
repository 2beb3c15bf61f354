"""Mutes and bans"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restrictions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_restrictions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_restrictions_ends_at", "restrictions", ["ends_at"])
    op.create_table(
        "restricted_addresses",
        sa.Column("platform", sa.String(length=12), nullable=False),
        sa.Column("address_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("restriction_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["restriction_id"],
            ["restrictions.id"],
            name="fk_restricted_addresses_restriction_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("platform", "address_index", name="pk_restricted_addresses"),
    )
    op.create_index(
        "ix_restricted_addresses_restriction_id", "restricted_addresses", ["restriction_id"]
    )
    op.create_table(
        "spent_voices",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("poll_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["poll_id"], ["polls.id"], name="fk_spent_voices_poll_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_spent_voices"),
    )
    op.create_index("ix_spent_voices_poll_id", "spent_voices", ["poll_id"])


def downgrade() -> None:
    op.drop_table("spent_voices")
    op.drop_table("restricted_addresses")
    op.drop_table("restrictions")
