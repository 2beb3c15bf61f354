"""Who agreed to an invitation, as the second person"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KEPT = {"sqlite_autoincrement": True}
NAME = "fk_invitations_agreed_by"


def upgrade() -> None:
    with op.batch_alter_table("invitations", table_kwargs=KEPT) as invitations:
        invitations.add_column(sa.Column("agreed_by", sa.Integer(), nullable=True))
        invitations.create_foreign_key(NAME, "people", ["agreed_by"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("invitations", table_kwargs=KEPT) as invitations:
        invitations.drop_constraint(NAME, type_="foreignkey")
        invitations.drop_column("agreed_by")
