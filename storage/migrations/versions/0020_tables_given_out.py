"""What an export is of: a person's own data, or a table"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    what = sa.Column("what", sa.String(length=40), nullable=False, server_default="own")
    op.add_column("data_exports", what)


def downgrade() -> None:
    op.execute("DELETE FROM data_exports WHERE what <> 'own'")  # their files are swept
    op.drop_column("data_exports", "what")
