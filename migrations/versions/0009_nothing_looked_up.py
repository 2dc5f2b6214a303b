"""nothing looked up: attempts and bodies without foreign keys, steps of runs in an index of their own.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OF_A_RUN = sa.text("run_id IS NOT NULL")


def upgrade() -> None:
    for table in ("body", "delivery"):
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(op.f(f"fk_{table}_message_id"), type_="foreignkey")
    op.drop_index("uq_message_step", table_name="message")
    op.create_index(
        "uq_message_step",
        "message",
        ["run_id", "step"],
        unique=True,
        sqlite_where=OF_A_RUN,
        postgresql_where=OF_A_RUN,
    )


def downgrade() -> None:
    op.drop_index("uq_message_step", table_name="message")
    op.create_index("uq_message_step", "message", ["run_id", "step"], unique=True)
    for table in ("delivery", "body"):
        op.execute(sa.text(f"DELETE FROM {table} WHERE message_id NOT IN (SELECT id FROM message)"))
        with op.batch_alter_table(table) as batch:
            batch.create_foreign_key(
                op.f(f"fk_{table}_message_id"), "message", ["message_id"], ["id"], ondelete="CASCADE"
            )
