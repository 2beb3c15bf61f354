"""Handing a ballot over"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


KEPT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("mandates", table_kwargs=KEPT) as mandates:
        mandates.add_column(sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True))
        mandates.add_column(sa.Column("end_told_at", sa.DateTime(timezone=True), nullable=True))
    # Until now a term had an end only once it was over.
    op.execute("UPDATE mandates SET warned_at = ends_at, end_told_at = ends_at")
    op.create_table(
        "handovers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.String(length=40), nullable=False),
        sa.Column("delegate_id", sa.Integer(), nullable=False),
        sa.Column("substitute_id", sa.Integer(), nullable=False),
        sa.Column("poll_id", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name="fk_handovers_organisation_id"
        ),
        sa.ForeignKeyConstraint(["delegate_id"], ["people.id"], name="fk_handovers_delegate_id"),
        sa.ForeignKeyConstraint(
            ["substitute_id"], ["people.id"], name="fk_handovers_substitute_id"
        ),
        sa.ForeignKeyConstraint(["poll_id"], ["polls.id"], name="fk_handovers_poll_id"),
        sa.PrimaryKeyConstraint("id", name="pk_handovers"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_handovers_organisation_id", "handovers", ["organisation_id"])
    op.create_index("ix_handovers_delegate_id", "handovers", ["delegate_id"])
    op.create_index("ix_handovers_substitute_id", "handovers", ["substitute_id"])


def downgrade() -> None:
    op.drop_table("handovers")
    with op.batch_alter_table("mandates", table_kwargs=KEPT) as mandates:
        mandates.drop_column("end_told_at")
        mandates.drop_column("warned_at")
