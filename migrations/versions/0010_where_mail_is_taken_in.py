"""where mail is taken in: recipients' domains with the hosts the DNS names for them, and when that was looked up.

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_domain",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("told", sa.String(length=16), nullable=False),
        sa.Column("hosts", sa.Text(), nullable=False),
        sa.Column("lane", sa.String(length=32), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_mail_domain")),
    )
    op.create_index("ix_mail_domain_due", "mail_domain", ["due_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_mail_domain_due", table_name="mail_domain")
    op.drop_table("mail_domain")
