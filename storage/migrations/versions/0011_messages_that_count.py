"""The messages that count where they can be changed no more"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counted_messages",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("message_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("words", sa.LargeBinary(length=32), nullable=False),
        sa.Column("noun", sa.String(length=20), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_counted_messages_person_id"),
        sa.PrimaryKeyConstraint("person_id", "message_index", name="pk_counted_messages"),
    )
    op.create_index("ix_counted_messages_counted_at", "counted_messages", ["counted_at"])


def downgrade() -> None:
    op.drop_table("counted_messages")
