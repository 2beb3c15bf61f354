"""The chat group that a working group is tied to"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEPT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("working_groups", table_kwargs=KEPT) as groups:
        groups.add_column(sa.Column("chat_id", sa.Integer(), nullable=True))
        groups.create_foreign_key(
            "fk_working_groups_chat_id", "chats", ["chat_id"], ["id"], ondelete="SET NULL"
        )
        groups.create_unique_constraint("uq_working_groups_chat_id", ["chat_id"])


def downgrade() -> None:
    with op.batch_alter_table("working_groups", table_kwargs=KEPT) as groups:
        groups.drop_constraint("uq_working_groups_chat_id", type_="unique")
        groups.drop_constraint("fk_working_groups_chat_id", type_="foreignkey")
        groups.drop_column("chat_id")
