"""errands: long work with its progress and what it takes and gives; second factors kept encrypted need more room.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('errand',
    sa.Column('id', ROW_ID, autoincrement=True, nullable=False),
    sa.Column('sort', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('asked', sa.Text(), nullable=False),
    sa.Column('place', sa.String(length=300), nullable=False),
    sa.Column('who', sa.String(length=320), nullable=False),
    sa.Column('account_id', ROW_ID, nullable=True),
    sa.Column('asked_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('began_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('done', sa.BigInteger(), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('is_unwanted', sa.Boolean(), nullable=False),
    sa.Column('owner', sa.String(length=64), nullable=True),
    sa.Column('claim_no', sa.Integer(), nullable=False),
    sa.Column('lease_until', sa.BigInteger(), nullable=True),
    sa.Column('told', sa.Text(), nullable=False),
    sa.Column('file', sa.String(length=200), nullable=False),
    sa.Column('media', sa.String(length=100), nullable=False),
    sa.Column('undone_by', ROW_ID, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_errand'))
    )
    op.create_index(
        'ix_errand_open', 'errand', ['due_at', 'id'], unique=False,
        sqlite_where=sa.text("state IN ('open', 'running')"), postgresql_where=sa.text("state IN ('open', 'running')"),
    )
    op.create_table('errand_part',
    sa.Column('errand_id', ROW_ID, nullable=False),
    sa.Column('side', sa.String(length=8), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['errand_id'], ['errand.id'], name=op.f('fk_errand_part_errand_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('errand_id', 'side', 'number', name=op.f('pk_errand_part'))
    )
    with op.batch_alter_table('account') as account:
        account.alter_column('totp_secret', existing_type=sa.String(length=64), type_=sa.String(length=200))


def downgrade() -> None:
    with op.batch_alter_table('account') as account:
        account.alter_column('totp_secret', existing_type=sa.String(length=200), type_=sa.String(length=64))
    op.drop_table('errand_part')
    op.drop_index('ix_errand_open', table_name='errand')
    op.drop_table('errand')
