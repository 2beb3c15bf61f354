"""Updates that wait for others of the same message"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.String(length=12), nullable=False),
        sa.Column("update_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sender_index", sa.LargeBinary(length=32), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("platform", "update_index", name="uq_inbox_platform_update_index"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("inbox")
