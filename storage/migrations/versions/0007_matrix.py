"""What an account of Matrix remembers"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "matrix_kept",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key_index", name="pk_matrix_kept"),
    )


def downgrade() -> None:
    op.drop_table("matrix_kept")
