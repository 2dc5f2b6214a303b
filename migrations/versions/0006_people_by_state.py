"""people by state: those who are not active are found without looking through everybody.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        'ix_subscriber_state', 'subscriber', ['state', 'id'], unique=False,
        sqlite_where=sa.text("state != 'active'"), postgresql_where=sa.text("state != 'active'"),
    )


def downgrade() -> None:
    op.drop_index('ix_subscriber_state', table_name='subscriber')
