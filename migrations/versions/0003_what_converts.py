"""what converts: codes, grants and redemptions, answers to surveys, referrals, products and who waits for them.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('code',
    sa.Column('id', ROW_ID, autoincrement=True, nullable=False),
    sa.Column('pool', sa.String(length=64), nullable=False),
    sa.Column('text', sa.String(length=64), nullable=False),
    sa.Column('text_key', sa.String(length=64), nullable=False),
    sa.Column('taken_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_code')),
    sa.UniqueConstraint('text_key', name=op.f('uq_code_text_key'))
    )
    op.create_index('ix_code_free', 'code', ['pool', 'id'], unique=False, sqlite_where=sa.text('taken_at IS NULL'), postgresql_where=sa.text('taken_at IS NULL'))
    op.create_index('ix_code_pool', 'code', ['pool'], unique=False)
    op.create_table('offer_stock',
    sa.Column('offer', sa.String(length=64), nullable=False),
    sa.Column('sold_elsewhere', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('offer', name=op.f('pk_offer_stock'))
    )
    op.create_table('pool',
    sa.Column('pool', sa.String(length=64), nullable=False),
    sa.Column('low_at', sa.BigInteger(), nullable=True),
    sa.Column('empty_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('pool', name=op.f('pk_pool'))
    )
    op.create_table('product',
    sa.Column('key', sa.String(length=128), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('image', sa.Text(), nullable=False),
    sa.Column('price', sa.BigInteger(), nullable=True),
    sa.Column('stock', sa.Integer(), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_product'))
    )
    op.create_table('redemption',
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('order_id', sa.String(length=128), nullable=False),
    sa.Column('code_key', sa.String(length=64), nullable=False),
    sa.Column('offer', sa.String(length=64), nullable=False),
    sa.Column('subscriber_id', ROW_ID, nullable=True),
    sa.Column('verdict', sa.String(length=16), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('source', 'order_id', 'code_key', name=op.f('pk_redemption'))
    )
    op.create_index('ix_redemption_code', 'redemption', ['code_key'], unique=False)
    op.create_index('ix_redemption_offer', 'redemption', ['offer', 'verdict'], unique=False)
    op.create_table('offer_grant',
    sa.Column('subscriber_id', ROW_ID, nullable=False),
    sa.Column('offer', sa.String(length=64), nullable=False),
    sa.Column('code_id', ROW_ID, nullable=True),
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('given_at', sa.BigInteger(), nullable=False),
    sa.Column('is_running', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['code_id'], ['code.id'], name=op.f('fk_offer_grant_code_id')),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_offer_grant_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'offer', name=op.f('pk_offer_grant')),
    sa.UniqueConstraint('code_id', name=op.f('uq_offer_grant_code_id'))
    )
    op.create_index('ix_offer_grant_offer', 'offer_grant', ['offer'], unique=False)
    op.create_table('product_wish',
    sa.Column('id', ROW_ID, autoincrement=True, nullable=False),
    sa.Column('subscriber_id', ROW_ID, nullable=False),
    sa.Column('product', sa.String(length=128), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('price', sa.BigInteger(), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('told_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_product_wish_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_product_wish'))
    )
    op.create_index('ix_product_wish_person', 'product_wish', ['subscriber_id'], unique=False, sqlite_where=sa.text('told_at IS NULL'), postgresql_where=sa.text('told_at IS NULL'))
    op.create_index('uq_product_wish_open', 'product_wish', ['product', 'kind', 'subscriber_id'], unique=True, sqlite_where=sa.text('told_at IS NULL'), postgresql_where=sa.text('told_at IS NULL'))
    op.create_table('referral',
    sa.Column('id', ROW_ID, autoincrement=True, nullable=False),
    sa.Column('referrer_id', ROW_ID, nullable=False),
    sa.Column('friend_id', ROW_ID, nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('network', sa.String(length=64), nullable=False),
    sa.Column('confirmed_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.Column('settled_at', sa.BigInteger(), nullable=True),
    sa.Column('number', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['friend_id'], ['subscriber.id'], name=op.f('fk_referral_friend_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['referrer_id'], ['subscriber.id'], name=op.f('fk_referral_referrer_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_referral')),
    sa.UniqueConstraint('friend_id', name=op.f('uq_referral_friend_id'))
    )
    op.create_index('ix_referral_counted', 'referral', ['settled_at'], unique=False, sqlite_where=sa.text("state = 'counted'"), postgresql_where=sa.text("state = 'counted'"))
    op.create_index('ix_referral_due', 'referral', ['due_at', 'id'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index('ix_referral_referrer', 'referral', ['referrer_id', 'id'], unique=False)
    op.create_index('uq_referral_number', 'referral', ['referrer_id', 'number'], unique=True)
    op.create_table('survey_answer',
    sa.Column('message_id', ROW_ID, nullable=False),
    sa.Column('survey', sa.String(length=64), nullable=False),
    sa.Column('subscriber_id', ROW_ID, nullable=False),
    sa.Column('answer', sa.String(length=64), nullable=False),
    sa.Column('number', sa.Float(precision=53), nullable=True),
    sa.Column('comment', sa.Text(), nullable=False),
    sa.Column('stage', sa.String(length=64), nullable=False),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=200), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('changes', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_survey_answer_message_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_survey_answer_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_survey_answer'))
    )
    op.create_index('ix_survey_answer_person', 'survey_answer', ['subscriber_id'], unique=False)
    op.create_index('ix_survey_answer_survey', 'survey_answer', ['survey', 'at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_survey_answer_survey', table_name='survey_answer')
    op.drop_index('ix_survey_answer_person', table_name='survey_answer')
    op.drop_table('survey_answer')
    op.drop_index('uq_referral_number', table_name='referral')
    op.drop_index('ix_referral_referrer', table_name='referral')
    op.drop_index('ix_referral_counted', table_name='referral', sqlite_where=sa.text("state = 'counted'"), postgresql_where=sa.text("state = 'counted'"))
    op.drop_index('ix_referral_due', table_name='referral', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.drop_table('referral')
    op.drop_index('uq_product_wish_open', table_name='product_wish', sqlite_where=sa.text('told_at IS NULL'), postgresql_where=sa.text('told_at IS NULL'))
    op.drop_index('ix_product_wish_person', table_name='product_wish', sqlite_where=sa.text('told_at IS NULL'), postgresql_where=sa.text('told_at IS NULL'))
    op.drop_table('product_wish')
    op.drop_index('ix_offer_grant_offer', table_name='offer_grant')
    op.drop_table('offer_grant')
    op.drop_index('ix_redemption_offer', table_name='redemption')
    op.drop_index('ix_redemption_code', table_name='redemption')
    op.drop_table('redemption')
    op.drop_table('product')
    op.drop_table('pool')
    op.drop_table('offer_stock')
    op.drop_index('ix_code_pool', table_name='code')
    op.drop_index('ix_code_free', table_name='code', sqlite_where=sa.text('taken_at IS NULL'), postgresql_where=sa.text('taken_at IS NULL'))
    op.drop_table('code')
