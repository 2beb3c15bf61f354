"""Which deliveries show a report, polls that were cancelled, and indexes by person"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("report_id", sa.Integer(), nullable=True))
    op.add_column("polls", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_deliveries_person_id", "deliveries", ["person_id"])
    op.create_index("ix_deliveries_report_id", "deliveries", ["report_id"])
    op.create_index("ix_deliveries_done_at", "deliveries", ["done_at"])
    op.create_index("ix_ballots_cast_by", "ballots", ["cast_by"])


def downgrade() -> None:
    op.drop_index("ix_ballots_cast_by", "ballots")
    op.drop_index("ix_deliveries_done_at", "deliveries")
    op.drop_index("ix_deliveries_report_id", "deliveries")
    op.drop_index("ix_deliveries_person_id", "deliveries")
    op.drop_column("polls", "cancelled_at")
    op.drop_column("deliveries", "report_id")
