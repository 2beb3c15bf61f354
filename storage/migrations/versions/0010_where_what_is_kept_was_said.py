"""The messages in which what is kept outside any form was said"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("kept_in", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("conversations", "kept_in")
