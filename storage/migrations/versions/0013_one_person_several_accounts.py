"""One person, several accounts"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEPT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("people", table_kwargs=KEPT) as people:
        people.add_column(sa.Column("merged_into", sa.Integer(), nullable=True))
        people.create_foreign_key("fk_people_merged_into", "people", ["merged_into"], ["id"])
    op.create_index(
        "ix_people_merged_into",
        "people",
        ["merged_into"],
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.add_column(
        "accounts",
        sa.Column("takes_notices", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "conversations", sa.Column("said_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute("UPDATE conversations SET said_at = window_started_at")
    op.add_column(
        "meeting_answers", sa.Column("said_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "linkings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("chat_id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=True),
        sa.Column("code", sa.LargeBinary(length=32), nullable=True),
        sa.Column("other_account_id", sa.Integer(), nullable=True),
        sa.Column("other_chat_id", sa.Integer(), nullable=True),
        sa.Column("other_session_id", sa.Integer(), nullable=True),
        sa.Column("other_vouches", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("decided", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_linkings_account_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_linkings_chat_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["web_sessions.id"], name="fk_linkings_session_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_account_id"],
            ["accounts.id"],
            name="fk_linkings_other_account_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["other_chat_id"], ["chats.id"], name="fk_linkings_other_chat_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_session_id"],
            ["web_sessions.id"],
            name="fk_linkings_other_session_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_linkings"),
        sa.UniqueConstraint("code", name="uq_linkings_code"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_linkings_account_id", "linkings", ["account_id"])
    op.create_index("ix_linkings_other_account_id", "linkings", ["other_account_id"])
    op.create_index("ix_linkings_expires_at", "linkings", ["expires_at"])


def downgrade() -> None:
    op.drop_table("linkings")
    op.drop_column("meeting_answers", "said_at")
    op.drop_column("conversations", "said_at")
    op.drop_column("accounts", "takes_notices")
    op.drop_index("ix_people_merged_into", table_name="people")
    with op.batch_alter_table("people", table_kwargs=KEPT) as people:
        people.drop_constraint("fk_people_merged_into", type_="foreignkey")
        people.drop_column("merged_into")
