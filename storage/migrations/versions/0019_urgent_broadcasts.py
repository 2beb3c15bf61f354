"""Why a broadcast is urgent"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("broadcasts", sa.Column("urgency", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("broadcasts", "urgency")
