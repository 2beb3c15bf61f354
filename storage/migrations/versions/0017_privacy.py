"""Requests about data, copies of data, and what is masked in reports"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.LargeBinary(), nullable=True),
        sa.Column("contact", sa.LargeBinary(), nullable=True),
        sa.Column("report", sa.LargeBinary(), nullable=True),
        sa.Column("said", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("extended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded", sa.Integer(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["closed_by"], ["people.id"], name="fk_data_requests_closed_by"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_data_requests_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_data_requests"),
        sa.UniqueConstraint("public_id", name="uq_data_requests_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_data_requests_person_id", "data_requests", ["person_id"])
    op.create_index("ix_data_requests_state_due_at", "data_requests", ["state", "due_at"])
    op.create_table(
        "data_exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data_id", sa.Integer(), nullable=True),
        sa.Column("page_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["data_id"], ["files.id"], name="fk_data_exports_data_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["page_id"], ["files.id"], name="fk_data_exports_page_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_data_exports_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_data_exports"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_data_exports_made_at", "data_exports", ["made_at"])
    op.create_index("ix_data_exports_person_id", "data_exports", ["person_id"])
    op.add_column("reports", sa.Column("masked", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("reports", "masked")
    op.drop_table("data_exports")
    op.drop_table("data_requests")
