"""Native polls, and ids as long as those of Matrix may be"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEPT = {"sqlite_autoincrement": True}
HAS_POLL = sa.text("poll IS NOT NULL")
LONGEST = sa.String(length=255)


def upgrade() -> None:
    with op.batch_alter_table("conversations", table_kwargs=KEPT) as conversations:
        conversations.alter_column("thread", existing_type=sa.String(length=80), type_=LONGEST)
    with op.batch_alter_table("deliveries", table_kwargs=KEPT) as deliveries:
        deliveries.alter_column("thread", existing_type=sa.String(length=80), type_=LONGEST)
        deliveries.alter_column("message", existing_type=sa.String(length=120), type_=LONGEST)
        deliveries.add_column(sa.Column("poll", LONGEST, nullable=True))
        deliveries.create_index(
            "ix_deliveries_poll",
            ["chat_id", "poll"],
            sqlite_where=HAS_POLL,
            postgresql_where=HAS_POLL,
        )


def downgrade() -> None:
    with op.batch_alter_table("deliveries", table_kwargs=KEPT) as deliveries:
        deliveries.drop_index("ix_deliveries_poll")
        deliveries.drop_column("poll")
        deliveries.alter_column("message", existing_type=LONGEST, type_=sa.String(length=120))
        deliveries.alter_column("thread", existing_type=LONGEST, type_=sa.String(length=80))
    with op.batch_alter_table("conversations", table_kwargs=KEPT) as conversations:
        conversations.alter_column("thread", existing_type=LONGEST, type_=sa.String(length=80))
