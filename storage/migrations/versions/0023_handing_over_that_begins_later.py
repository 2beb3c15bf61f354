"""Handing over that begins later"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KEPT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("handovers", table_kwargs=KEPT) as handovers:
        handovers.add_column(sa.Column("start_told_at", sa.DateTime(timezone=True), nullable=True))
    # Until now each began when it was given, and both were told then.
    op.execute("UPDATE handovers SET start_told_at = starts_at")


def downgrade() -> None:
    with op.batch_alter_table("handovers", table_kwargs=KEPT) as handovers:
        handovers.drop_column("start_told_at")
