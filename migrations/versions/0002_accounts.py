"""accounts: who may enter the dashboard, their sessions, one-time links, and the log of what they changed.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('account',
    sa.Column('id', ROW_ID, autoincrement=True, nullable=False),
    sa.Column('address', sa.String(length=320), nullable=False),
    sa.Column('address_key', sa.String(length=320), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('password', sa.Text(), nullable=False),
    sa.Column('totp_secret', sa.String(length=64), nullable=False),
    sa.Column('totp_step', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('disabled_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sa.UniqueConstraint('address_key', name=op.f('uq_account_address_key'))
    )
    op.create_table('audit',
    sa.Column('id', ROW_ID, autoincrement=True, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('account_id', ROW_ID, nullable=True),
    sa.Column('who', sa.String(length=320), nullable=False),
    sa.Column('action', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=320), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit'))
    )
    op.create_index('ix_audit_subject', 'audit', ['subject', 'id'], unique=False)
    op.create_table('recovery_code',
    sa.Column('account_id', ROW_ID, nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_recovery_code_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', 'digest', name=op.f('pk_recovery_code'))
    )
    op.create_table('account_session',
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('account_id', ROW_ID, nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('seen_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('proved_at', sa.BigInteger(), nullable=False),
    sa.Column('agent', sa.String(length=200), nullable=False),
    sa.Column('network', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_account_session_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_account_session'))
    )
    op.create_index('ix_account_session_account', 'account_session', ['account_id'], unique=False)
    op.create_table('entry_link',
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('role', sa.String(length=16), nullable=False),
    sa.Column('account_id', ROW_ID, nullable=True),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_entry_link_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_entry_link'))
    )


def downgrade() -> None:
    op.drop_table('entry_link')
    op.drop_index('ix_account_session_account', table_name='account_session')
    op.drop_table('account_session')
    op.drop_table('recovery_code')
    op.drop_index('ix_audit_subject', table_name='audit')
    op.drop_table('audit')
    op.drop_table('account')
