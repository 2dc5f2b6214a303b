"""fewer indexes on messages.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CLAIMED = sa.text("state = 'claimed'")
_SLOT = sa.text("mail_class = 'marketing' AND state IN ('queued', 'claimed', 'waiting', 'sent', 'uncertain')")


def _create(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "message", columns, unique=False, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    for name in ("ix_message_lease", "ix_message_owner", "ix_message_slot"):
        op.drop_index(name, table_name="message")
    _create("ix_message_claimed", ["lease_until", "owner"], _CLAIMED)


def downgrade() -> None:
    op.drop_index("ix_message_claimed", table_name="message")
    _create("ix_message_lease", ["lease_until"], _CLAIMED)
    _create("ix_message_owner", ["owner"], _CLAIMED)
    _create("ix_message_slot", ["subscriber_id", "slot_at"], _SLOT)
