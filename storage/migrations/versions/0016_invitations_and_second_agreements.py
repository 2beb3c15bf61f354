"""Invitations that serve many times; second agreements; people who are about to be erased"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEPT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("invitations", table_kwargs=KEPT) as invitations:
        invitations.add_column(sa.Column("label", sa.LargeBinary(), nullable=True))
        invitations.add_column(sa.Column("uses", sa.Integer(), nullable=False, server_default="1"))
        invitations.add_column(sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
        invitations.add_column(sa.Column("end_told_at", sa.DateTime(timezone=True), nullable=True))
        invitations.add_column(sa.Column("poster", sa.LargeBinary(), nullable=True))
    # Of those that are there nobody was to be told.
    op.execute("UPDATE invitations SET end_told_at = expires_at")
    op.create_index("ix_invitations_expires_at", "invitations", ["expires_at"])
    op.add_column("people", sa.Column("erase_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_people_erase_at",
        "people",
        ["erase_at"],
        sqlite_where=sa.text("erase_at IS NOT NULL"),
        postgresql_where=sa.text("erase_at IS NOT NULL"),
    )
    op.create_table(
        "own_names",
        sa.Column("platform", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("platform", name="pk_own_names"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=60), nullable=False),
        sa.Column("arguments", sa.LargeBinary(), nullable=True),
        sa.Column("asked_by", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["people.id"], name="fk_approvals_asked_by"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_approvals_asked_by", "approvals", ["asked_by"])
    op.create_index("ix_approvals_expires_at", "approvals", ["expires_at"])


def downgrade() -> None:
    op.drop_table("approvals")
    op.drop_table("own_names")
    op.drop_index("ix_people_erase_at", "people")
    op.drop_column("people", "erase_at")
    op.drop_index("ix_invitations_expires_at", "invitations")
    with op.batch_alter_table("invitations", table_kwargs=KEPT) as invitations:
        for name in ("poster", "end_told_at", "revoked_at", "uses", "label"):
            invitations.drop_column(name)
