"""What shows a report, cancelled polls, redeemed codes, and indexes by person"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "redemptions",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("signed_in", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_redemptions_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_redemptions"),
    )
    op.create_index("ix_redemptions_made_at", "redemptions", ["made_at"])
    op.add_column("deliveries", sa.Column("report_id", sa.Integer(), nullable=True))
    op.add_column("polls", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_deliveries_person_id", "deliveries", ["person_id"])
    op.create_index("ix_deliveries_report_id", "deliveries", ["report_id"])
    op.create_index("ix_deliveries_done_at", "deliveries", ["done_at"])
    op.create_index("ix_ballots_cast_by", "ballots", ["cast_by"])
    op.create_index("ix_electors_organisation_id", "electors", ["organisation_id"])


def downgrade() -> None:
    op.drop_index("ix_electors_organisation_id", "electors")
    op.drop_index("ix_ballots_cast_by", "ballots")
    op.drop_index("ix_deliveries_done_at", "deliveries")
    op.drop_index("ix_deliveries_report_id", "deliveries")
    op.drop_index("ix_deliveries_person_id", "deliveries")
    op.drop_column("polls", "cancelled_at")
    op.drop_column("deliveries", "report_id")
    op.drop_index("ix_redemptions_made_at", "redemptions")
    op.drop_table("redemptions")
