"""Groups, meetings, broadcasts and threads; what waits is found by its kind"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The six themes of the convention of 1 October 2015, each with a group of its name.
THEMES = (
    "usages",
    "governance",
    "support",
    "reference_framework",
    "infrastructure",
    "industry",
)


def upgrade() -> None:
    op.create_table(
        "mutes",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_mutes_person_id"),
        sa.PrimaryKeyConstraint("person_id", "kind", name="pk_mutes"),
    )
    op.create_index("ix_mutes_kind_since", "mutes", ["kind", "since"], unique=False)
    op.create_table(
        "working_groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("theme", sa.String(length=40), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("joining", sa.String(length=40), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name="fk_working_groups_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_working_groups"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "meetings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=80), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("zone", sa.String(length=40), nullable=False),
        sa.Column("place", sa.LargeBinary(), nullable=True),
        sa.Column("link", sa.LargeBinary(), nullable=True),
        sa.Column("agenda", sa.LargeBinary(), nullable=True),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("called_by", sa.Integer(), nullable=True),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["called_by"], ["people.id"], name="fk_meetings_called_by"),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name="fk_meetings_file_id"),
        sa.ForeignKeyConstraint(["group_id"], ["working_groups.id"], name="fk_meetings_group_id"),
        sa.PrimaryKeyConstraint("id", name="pk_meetings"),
        sa.UniqueConstraint("uid", name="uq_meetings_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_meetings_group_id", "meetings", ["group_id"], unique=False)
    op.create_index("ix_meetings_starts_at", "meetings", ["starts_at"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["working_groups.id"], name="fk_memberships_group_id"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_memberships_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_memberships"),
        sa.UniqueConstraint("group_id", "person_id", name="uq_memberships_group_id_person_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_memberships_person_id", "memberships", ["person_id"], unique=False)
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("audience", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("composed_by", sa.Integer(), nullable=True),
        sa.Column("composed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_by", sa.Integer(), nullable=True),
        sa.Column("leaves_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice_id", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("spread_to", sa.Integer(), nullable=True),
        sa.Column("drawn", sa.String(length=40), nullable=True),
        sa.Column("counts", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["composed_by"], ["people.id"], name="fk_broadcasts_composed_by"),
        sa.ForeignKeyConstraint(["confirmed_by"], ["people.id"], name="fk_broadcasts_confirmed_by"),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name="fk_broadcasts_file_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name="fk_broadcasts_notice_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_broadcasts"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_broadcasts_under_way",
        "broadcasts",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state IN ('confirmed', 'leaving', 'paused')"),
        postgresql_where=sa.text("state IN ('confirmed', 'leaving', 'paused')"),
    )
    op.create_index(
        "ix_broadcasts_ending",
        "broadcasts",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'cancelled' AND ended_at IS NULL"),
        postgresql_where=sa.text("state = 'cancelled' AND ended_at IS NULL"),
    )
    op.create_index(
        "ix_broadcasts_drawn",
        "broadcasts",
        ["id"],
        unique=False,
        sqlite_where=sa.text("drawn IS NOT NULL"),
        postgresql_where=sa.text("drawn IS NOT NULL"),
    )
    op.create_table(
        "meeting_answers",
        sa.Column("meeting_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name="fk_meeting_answers_meeting_id"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_meeting_answers_person_id"),
        sa.PrimaryKeyConstraint("meeting_id", "person_id", name="pk_meeting_answers"),
    )
    op.create_index("ix_meeting_answers_person_id", "meeting_answers", ["person_id"], unique=False)
    op.create_table(
        "reminders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meeting_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["meeting_id"], ["meetings.id"], name="fk_reminders_meeting_id"),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name="fk_reminders_notice_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reminders"),
        sa.UniqueConstraint(
            "meeting_id", "version", "minutes", name="uq_reminders_meeting_id_version_minutes"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_reminders_due",
        "reminders",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("notice_id IS NULL"),
        postgresql_where=sa.text("notice_id IS NULL"),
    )
    op.create_table(
        "threads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waits_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.Integer(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_to", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["claimed_by"], ["people.id"], name="fk_threads_claimed_by"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_threads_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_threads"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_threads_closed_at", "threads", ["closed_at"], unique=False)
    op.create_index("ix_threads_person_id", "threads", ["person_id"], unique=False)
    op.create_index(
        "ix_threads_waiting",
        "threads",
        ["waits_since"],
        unique=False,
        sqlite_where=sa.text("waits_since IS NOT NULL"),
        postgresql_where=sa.text("waits_since IS NOT NULL"),
    )
    op.create_index(
        "uq_threads_open",
        "threads",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "thread_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("thread_id", sa.Integer(), nullable=False),
        sa.Column("broadcast_id", sa.Integer(), nullable=True),
        sa.Column("answered_by", sa.Integer(), nullable=True),
        sa.Column("is_answer", sa.Boolean(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["people.id"], name="fk_thread_messages_answered_by"
        ),
        sa.ForeignKeyConstraint(
            ["broadcast_id"],
            ["broadcasts.id"],
            name="fk_thread_messages_broadcast_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["threads.id"], name="fk_thread_messages_thread_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_thread_messages"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_thread_messages_thread_id", "thread_messages", ["thread_id"], unique=False)
    op.add_column("deliveries", sa.Column("subject", sa.String(length=40), nullable=True))
    op.execute("UPDATE deliveries SET subject = 'report:' || report_id WHERE report_id IS NOT NULL")
    op.drop_index("ix_deliveries_report_id", "deliveries")
    op.drop_column("deliveries", "report_id")
    op.create_index(
        "ix_deliveries_subject",
        "deliveries",
        ["subject"],
        unique=False,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.drop_index("ix_deliveries_waiting", "deliveries")
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["kind", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting' AND kind <> 'broadcast'"),
        postgresql_where=sa.text("state = 'waiting' AND kind <> 'broadcast'"),
    )
    op.create_index(
        "ix_deliveries_broadcast",
        "deliveries",
        ["notice_id", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting' AND kind = 'broadcast'"),
        postgresql_where=sa.text("state = 'waiting' AND kind = 'broadcast'"),
    )

    for theme in THEMES:
        op.execute(
            "INSERT INTO working_groups (theme, joining, created_at) "
            f"VALUES ('{theme}', 'open', '2026-11-24 00:00:00.000000')"
        )


def downgrade() -> None:

    op.drop_index("ix_deliveries_broadcast", "deliveries")
    op.drop_index("ix_deliveries_waiting", "deliveries")
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index("ix_deliveries_subject", "deliveries")
    op.add_column("deliveries", sa.Column("report_id", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE deliveries SET report_id = CAST(substr(subject, 8) AS INTEGER) "
        "WHERE subject LIKE 'report:%'"
    )
    op.create_index("ix_deliveries_report_id", "deliveries", ["report_id"])
    op.drop_column("deliveries", "subject")
    op.drop_index("ix_thread_messages_thread_id", "thread_messages")
    op.drop_table("thread_messages")
    op.drop_index("uq_threads_open", "threads")
    op.drop_index("ix_threads_waiting", "threads")
    op.drop_index("ix_threads_person_id", "threads")
    op.drop_index("ix_threads_closed_at", "threads")
    op.drop_table("threads")
    op.drop_index("ix_reminders_due", "reminders")
    op.drop_table("reminders")
    op.drop_index("ix_meeting_answers_person_id", "meeting_answers")
    op.drop_table("meeting_answers")
    op.drop_index("ix_broadcasts_drawn", "broadcasts")
    op.drop_index("ix_broadcasts_ending", "broadcasts")
    op.drop_index("ix_broadcasts_under_way", "broadcasts")
    op.drop_table("broadcasts")
    op.drop_index("ix_memberships_person_id", "memberships")
    op.drop_table("memberships")
    op.drop_index("ix_meetings_starts_at", "meetings")
    op.drop_index("ix_meetings_group_id", "meetings")
    op.drop_table("meetings")
    op.drop_table("working_groups")
    op.drop_index("ix_mutes_kind_since", "mutes")
    op.drop_table("mutes")
