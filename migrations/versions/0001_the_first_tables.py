"""the first tables.

Revision: 0001, the first
"""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('api_key',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('prefix', sa.String(length=16), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('used_at', sa.BigInteger(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_key')),
    sa.UniqueConstraint('prefix', name=op.f('uq_api_key_prefix'))
    )
    op.create_table('box_counts',
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('box', sa.String(length=64), nullable=False),
    sa.Column('arm', sa.String(length=64), nullable=False),
    sa.Column('page_key', sa.String(length=64), nullable=False),
    sa.Column('metric', sa.String(length=32), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'box', 'arm', 'page_key', 'metric', name=op.f('pk_box_counts'))
    )
    op.create_table('bucket',
    sa.Column('scope', sa.String(length=32), nullable=False),
    sa.Column('key', sa.String(length=128), nullable=False),
    sa.Column('tokens', sa.Float(precision=53), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('scope', 'key', name=op.f('pk_bucket'))
    )
    with op.batch_alter_table('bucket', schema=None) as batch_op:
        batch_op.create_index('ix_bucket_at', ['at'], unique=False)

    op.create_table('control',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('release_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('is_killed', sa.Boolean(), nullable=False),
    sa.Column('is_paused', sa.Boolean(), nullable=False),
    sa.Column('demo_offset', sa.BigInteger(), nullable=False),
    sa.Column('demo_target', sa.BigInteger(), nullable=True),
    sa.Column('generation', sa.LargeBinary(length=16), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_control'))
    )
    op.create_table('counts',
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=200), nullable=False),
    sa.Column('arm', sa.String(length=64), nullable=False),
    sa.Column('metric', sa.String(length=32), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'campaign', 'step', 'arm', 'metric', name=op.f('pk_counts'))
    )
    op.create_table('event',
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('fact_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('anonymous_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('path', sa.Text(), nullable=False),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('link', sa.String(length=200), nullable=False),
    sa.Column('link_number', sa.SmallInteger(), nullable=True),
    sa.Column('topic', sa.String(length=64), nullable=False),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=200), nullable=False),
    sa.Column('arm', sa.String(length=64), nullable=False),
    sa.Column('network_hash', sa.LargeBinary(length=16), nullable=True),
    sa.Column('method', sa.String(length=8), nullable=False),
    sa.Column('agent', sa.Text(), nullable=False),
    sa.Column('provider', sa.String(length=32), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('products', sa.Text(), nullable=False),
    sa.Column('verdict', sa.String(length=8), nullable=False),
    sa.Column('verdict_reason', sa.String(length=32), nullable=False),
    sa.Column('verdict_rules', sa.SmallInteger(), nullable=False),
    sa.Column('verdict_due_at', sa.BigInteger(), nullable=True),
    sa.Column('is_quiet', sa.Boolean(), nullable=False),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('at', 'fact_id', name=op.f('pk_event'))
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index('ix_event_anonymous', ['anonymous_id', 'at'], unique=False, sqlite_where=sa.text("anonymous_id <> ''"), postgresql_where=sa.text("anonymous_id <> ''"))
        batch_op.create_index('ix_event_kind', ['kind', 'at'], unique=False)
        batch_op.create_index('ix_event_message', ['message_id', 'at'], unique=False, sqlite_where=sa.text("message_id IS NOT NULL"), postgresql_where=sa.text("message_id IS NOT NULL"))
        batch_op.create_index('ix_event_network', ['network_hash', 'at'], unique=False, sqlite_where=sa.text("kind = 'clicked'"), postgresql_where=sa.text("kind = 'clicked'"))
        batch_op.create_index('ix_event_subscriber', ['subscriber_id', 'kind', 'at'], unique=False)
        batch_op.create_index('ix_event_verdict_due', ['verdict_due_at'], unique=False, sqlite_where=sa.text('verdict_due_at IS NOT NULL'), postgresql_where=sa.text('verdict_due_at IS NOT NULL'))

    op.create_table('heartbeat',
    sa.Column('role', sa.String(length=32), nullable=False),
    sa.Column('node', sa.String(length=64), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('lag', sa.BigInteger(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('role', 'node', name=op.f('pk_heartbeat'))
    )
    op.create_table('mail_version',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('mail', sa.String(length=200), nullable=False),
    sa.Column('locale', sa.String(length=16), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('is_service', sa.Boolean(), nullable=False),
    sa.Column('compiled', sa.Text(), nullable=False),
    sa.Column('links', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_version'))
    )
    with op.batch_alter_table('mail_version', schema=None) as batch_op:
        batch_op.create_index('uq_mail_version', ['mail', 'locale', 'digest'], unique=True)

    op.create_table('outbox',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('endpoint', sa.String(length=64), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('key', sa.String(length=300), nullable=False),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('key', name=op.f('uq_outbox_key'))
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.create_index('ix_outbox_due', ['due_at', 'id'], unique=False, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.create_index('ix_outbox_open', ['endpoint', 'subscriber_id', 'id'], unique=False, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    op.create_table('purchase',
    sa.Column('source', sa.String(length=32), nullable=False),
    sa.Column('order_id', sa.String(length=128), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('refunded', sa.BigInteger(), nullable=False),
    sa.Column('credited_message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('source', 'order_id', name=op.f('pk_purchase'))
    )
    with op.batch_alter_table('purchase', schema=None) as batch_op:
        batch_op.create_index('ix_purchase_at', ['at'], unique=False)
        batch_op.create_index('ix_purchase_subscriber', ['subscriber_id', 'at'], unique=False)

    op.create_table('release',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('manifest', sa.Text(), nullable=False),
    sa.Column('author', sa.String(length=200), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('git_commit', sa.String(length=64), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release'))
    )
    with op.batch_alter_table('release', schema=None) as batch_op:
        batch_op.create_index('ix_release_digest', ['digest'], unique=False)

    op.create_table('source',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_source'))
    )
    op.create_table('spool_position',
    sa.Column('node', sa.String(length=64), nullable=False),
    sa.Column('segment', sa.String(length=128), nullable=False),
    sa.Column('offset', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('node', 'segment', name=op.f('pk_spool_position'))
    )
    op.create_table('stage_counts',
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('before', sa.String(length=64), nullable=False),
    sa.Column('after', sa.String(length=64), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'before', 'after', name=op.f('pk_stage_counts'))
    )
    op.create_table('subscriber',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('address', sa.String(length=320), nullable=False),
    sa.Column('address_key', sa.String(length=320), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('locale', sa.String(length=16), nullable=False),
    sa.Column('tz', sa.String(length=64), nullable=False),
    sa.Column('country', sa.String(length=2), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('box', sa.String(length=64), nullable=False),
    sa.Column('stage', sa.String(length=64), nullable=False),
    sa.Column('stage_since', sa.BigInteger(), nullable=False),
    sa.Column('furthest_stage', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('weight', sa.Float(precision=53), nullable=False),
    sa.Column('landmark', sa.BigInteger(), nullable=False),
    sa.Column('fit', sa.Integer(), nullable=False),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.Column('revenue', sa.BigInteger(), nullable=False),
    sa.Column('referrals', sa.Integer(), nullable=False),
    sa.Column('is_referred', sa.Boolean(), nullable=False),
    sa.Column('confirmed_at', sa.BigInteger(), nullable=True),
    sa.Column('unsubscribed_at', sa.BigInteger(), nullable=True),
    sa.Column('dormant_at', sa.BigInteger(), nullable=True),
    sa.Column('last_signal_at', sa.BigInteger(), nullable=True),
    sa.Column('paused_until', sa.BigInteger(), nullable=True),
    sa.Column('looked_at', sa.BigInteger(), nullable=True),
    sa.Column('ladder_digest', sa.String(length=64), nullable=False),
    sa.Column('is_suppressed', sa.Boolean(), nullable=False),
    sa.Column('fell_from', sa.Text(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.Column('wake', sa.Integer(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_subscriber')),
    sa.UniqueConstraint('address_key', name=op.f('uq_subscriber_address_key')),
    sa.UniqueConstraint('public_id', name=op.f('uq_subscriber_public_id'))
    )
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.create_index('ix_subscriber_due', ['due_at', 'id'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_subscriber_kind', ['kind', 'id'], unique=False)
        batch_op.create_index('ix_subscriber_parked', ['attempts', 'id'], unique=False, sqlite_where=sa.text('attempts > 0'), postgresql_where=sa.text('attempts > 0'))
        batch_op.create_index('ix_subscriber_stage', ['stage', 'id'], unique=False)
        batch_op.create_index('ix_subscriber_weight', ['landmark', 'weight'], unique=False)

    op.create_table('suppression',
    sa.Column('address_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('scope', sa.String(length=32), nullable=False),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('address_hash', name=op.f('pk_suppression'))
    )
    op.create_table('token_used',
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('nonce', sa.LargeBinary(length=32), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('kind', 'nonce', name=op.f('pk_token_used'))
    )
    with op.batch_alter_table('token_used', schema=None) as batch_op:
        batch_op.create_index('ix_token_used_expires', ['expires_at'], unique=False)

    op.create_table('waking',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('after_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_waking'))
    )
    op.create_table('correction',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('fact_at', sa.BigInteger(), nullable=False),
    sa.Column('fact_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('before', sa.String(length=48), nullable=False),
    sa.Column('after', sa.String(length=48), nullable=False),
    sa.Column('rules', sa.SmallInteger(), nullable=False),
    sa.Column('cause', sa.String(length=16), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_correction_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_correction'))
    )
    with op.batch_alter_table('correction', schema=None) as batch_op:
        batch_op.create_index('ix_correction_subscriber', ['subscriber_id', 'at'], unique=False)
        batch_op.create_index('ix_correction_at', ['at'], unique=False)

    op.create_table('visitor',
    sa.Column('anonymous_id', sa.String(length=64), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('proof', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('merged_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_visitor_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('anonymous_id', name=op.f('pk_visitor'))
    )
    with op.batch_alter_table('visitor', schema=None) as batch_op:
        batch_op.create_index('ix_visitor_subscriber', ['subscriber_id'], unique=False)
        batch_op.create_index('ix_visitor_claimed', ['at'], unique=False, sqlite_where=sa.text("state = 'claimed'"), postgresql_where=sa.text("state = 'claimed'"))

    op.create_table('attribute',
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('text', sa.Text(), nullable=True),
    sa.Column('number', sa.Float(precision=53), nullable=True),
    sa.Column('sort', sa.String(length=8), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_attribute_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'key', name=op.f('pk_attribute'))
    )
    with op.batch_alter_table('attribute', schema=None) as batch_op:
        batch_op.create_index('ix_attribute_number', ['key', 'number', 'subscriber_id'], unique=False)
        batch_op.create_index('ix_attribute_text', ['key', 'text', 'subscriber_id'], unique=False)

    op.create_table('campaign_version',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('release_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['release.id'], name=op.f('fk_campaign_version_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaign_version'))
    )
    with op.batch_alter_table('campaign_version', schema=None) as batch_op:
        batch_op.create_index('uq_campaign_version', ['campaign', 'digest'], unique=True)

    op.create_table('candidate',
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('run_key', sa.String(length=128), nullable=False),
    sa.Column('entry', sa.Integer(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_candidate_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('campaign', 'subscriber_id', 'run_key', name=op.f('pk_candidate'))
    )
    with op.batch_alter_table('candidate', schema=None) as batch_op:
        batch_op.create_index('ix_candidate_subscriber', ['subscriber_id'], unique=False)
        batch_op.create_index('ix_candidate_until', ['until'], unique=False)

    op.create_table('condition_timer',
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('condition_digest', sa.String(length=64), nullable=False),
    sa.Column('true_since', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_condition_timer_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'condition_digest', name=op.f('pk_condition_timer'))
    )
    op.create_table('consent',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=80), nullable=False),
    sa.Column('answer', sa.String(length=16), nullable=False),
    sa.Column('wording', sa.Text(), nullable=False),
    sa.Column('wording_digest', sa.String(length=64), nullable=False),
    sa.Column('box', sa.String(length=64), nullable=False),
    sa.Column('box_version', sa.String(length=64), nullable=False),
    sa.Column('page', sa.Text(), nullable=False),
    sa.Column('network', sa.String(length=64), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_consent_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent'))
    )
    with op.batch_alter_table('consent', schema=None) as batch_op:
        batch_op.create_index('ix_consent_subscriber', ['subscriber_id', 'kind', 'at'], unique=False)

    op.create_table('decision',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=200), nullable=False),
    sa.Column('code', sa.String(length=32), nullable=False),
    sa.Column('seen', sa.Text(), nullable=False),
    sa.Column('release_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_decision_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_decision'))
    )
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.create_index('ix_decision_run', ['run_id', 'at'], unique=False)
        batch_op.create_index('ix_decision_subscriber', ['subscriber_id', 'at'], unique=False)

    op.create_table('live_mail',
    sa.Column('mail', sa.String(length=200), nullable=False),
    sa.Column('locale', sa.String(length=16), nullable=False),
    sa.Column('version_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['mail_version.id'], name=op.f('fk_live_mail_version_id')),
    sa.PrimaryKeyConstraint('mail', 'locale', name=op.f('pk_live_mail'))
    )
    op.create_table('news',
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('fact_id', sa.LargeBinary(length=16), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_news_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'at', 'fact_id', name=op.f('pk_news'))
    )
    op.create_table('offer_end',
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('offer', sa.String(length=64), nullable=False),
    sa.Column('ends_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_offer_end_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'offer', name=op.f('pk_offer_end'))
    )
    op.create_table('points',
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('rule', sa.String(length=100), nullable=False),
    sa.Column('bucket', sa.Integer(), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_points_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'rule', 'bucket', name=op.f('pk_points'))
    )
    op.create_table('run',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('run_key', sa.String(length=128), nullable=False),
    sa.Column('turn', sa.Integer(), nullable=False),
    sa.Column('version', sa.String(length=64), nullable=False),
    sa.Column('is_ghost', sa.Boolean(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('result', sa.String(length=16), nullable=True),
    sa.Column('sequence', sa.String(length=64), nullable=False),
    sa.Column('step', sa.String(length=200), nullable=False),
    sa.Column('cursors', sa.Text(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('began_at', sa.BigInteger(), nullable=True),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('rank', sa.Integer(), nullable=False),
    sa.Column('paused_by', sa.String(length=16), nullable=True),
    sa.Column('paused_at', sa.BigInteger(), nullable=True),
    sa.Column('rested_at', sa.BigInteger(), nullable=True),
    sa.Column('entered_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_run_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_run')),
    postgresql_with={'fillfactor': 80}
    )
    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.create_index('ix_run_live_subscriber', ['subscriber_id'], unique=False, sqlite_where=sa.text("state != 'ended'"), postgresql_where=sa.text("state != 'ended'"))
        batch_op.create_index('ix_run_standing', ['campaign', 'version', 'step'], unique=False, sqlite_where=sa.text("state != 'ended'"), postgresql_where=sa.text("state != 'ended'"))
        batch_op.create_index('ix_run_subscriber', ['subscriber_id'], unique=False)
        batch_op.create_index('uq_run_live', ['campaign', 'subscriber_id', 'run_key'], unique=True, sqlite_where=sa.text("state != 'ended'"), postgresql_where=sa.text("state != 'ended'"))
        batch_op.create_index('uq_run_turn', ['campaign', 'subscriber_id', 'run_key', 'turn'], unique=True)

    op.create_table('segment_member',
    sa.Column('segment', sa.String(length=64), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_segment_member_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('segment', 'subscriber_id', name=op.f('pk_segment_member'))
    )
    with op.batch_alter_table('segment_member', schema=None) as batch_op:
        batch_op.create_index('ix_segment_member_subscriber', ['subscriber_id'], unique=False)

    op.create_table('stage_change',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('before', sa.String(length=64), nullable=False),
    sa.Column('after', sa.String(length=64), nullable=False),
    sa.Column('cause', sa.LargeBinary(length=16), nullable=True),
    sa.Column('rule', sa.String(length=80), nullable=False),
    sa.Column('score', sa.Float(precision=53), nullable=False),
    sa.Column('receipt', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_stage_change_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stage_change'))
    )
    with op.batch_alter_table('stage_change', schema=None) as batch_op:
        batch_op.create_index('ix_stage_change_at', ['at', 'after'], unique=False)
        batch_op.create_index('ix_stage_change_subscriber', ['subscriber_id', 'at'], unique=False)

    op.create_table('tag',
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('tag', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_tag_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'tag', name=op.f('pk_tag'))
    )
    with op.batch_alter_table('tag', schema=None) as batch_op:
        batch_op.create_index('ix_tag_tag', ['tag', 'subscriber_id'], unique=False)

    op.create_table('finished',
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('step_id', sa.String(length=200), nullable=False),
    sa.Column('finish', sa.String(length=16), nullable=False),
    sa.Column('branch', sa.String(length=64), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], name=op.f('fk_finished_run_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'step_id', name=op.f('pk_finished'))
    )
    op.create_table('live',
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('version_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('standing', sa.String(length=16), nullable=True),
    sa.Column('policy', sa.String(length=32), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['version_id'], ['campaign_version.id'], name=op.f('fk_live_version_id')),
    sa.PrimaryKeyConstraint('campaign', name=op.f('pk_live'))
    )
    op.create_table('message',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('public_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('subscriber_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('recipient', sa.String(length=320), nullable=False),
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('step', sa.String(length=200), nullable=False),
    sa.Column('cause_key', sa.String(length=200), nullable=True),
    sa.Column('campaign', sa.String(length=64), nullable=False),
    sa.Column('arm', sa.String(length=64), nullable=False),
    sa.Column('mail_key', sa.String(length=200), nullable=False),
    sa.Column('mail_version_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('mail_class', sa.String(length=16), nullable=False),
    sa.Column('lane', sa.String(length=32), nullable=False),
    sa.Column('rank', sa.SmallInteger(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('subject', sa.String(length=64), nullable=False),
    sa.Column('offer', sa.String(length=64), nullable=False),
    sa.Column('data', sa.Text(), nullable=False),
    sa.Column('wanted_at', sa.BigInteger(), nullable=False),
    sa.Column('slot_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('fresh_until', sa.BigInteger(), nullable=True),
    sa.Column('owner', sa.String(length=64), nullable=True),
    sa.Column('claim_no', sa.Integer(), nullable=False),
    sa.Column('lease_until', sa.BigInteger(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('settled_at', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=64), nullable=False),
    sa.Column('reply', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], name=op.f('fk_message_run_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscriber.id'], name=op.f('fk_message_subscriber_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_message')),
    sa.UniqueConstraint('public_id', name=op.f('uq_message_public_id')),
    postgresql_with={'fillfactor': 80}
    )
    with op.batch_alter_table('message', schema=None) as batch_op:
        batch_op.create_index('ix_message_due', ['mail_class', 'lane', 'rank', 'due_at', 'id'], unique=False, sqlite_where=sa.text("state IN ('queued', 'waiting')"), postgresql_where=sa.text("state IN ('queued', 'waiting')"))
        batch_op.create_index('ix_message_lease', ['lease_until'], unique=False, sqlite_where=sa.text("state = 'claimed'"), postgresql_where=sa.text("state = 'claimed'"))
        batch_op.create_index('ix_message_owner', ['owner'], unique=False, sqlite_where=sa.text("state = 'claimed'"), postgresql_where=sa.text("state = 'claimed'"))
        batch_op.create_index('ix_message_slot', ['subscriber_id', 'slot_at'], unique=False, sqlite_where=sa.text("mail_class = 'marketing' AND state IN ('queued', 'claimed', 'waiting', 'sent', 'uncertain')"), postgresql_where=sa.text("mail_class = 'marketing' AND state IN ('queued', 'claimed', 'waiting', 'sent', 'uncertain')"))
        batch_op.create_index('ix_message_subscriber', ['subscriber_id', 'id'], unique=False)
        batch_op.create_index('ix_message_troubled', ['state', 'id'], unique=False, sqlite_where=sa.text("state IN ('uncertain', 'parked')"), postgresql_where=sa.text("state IN ('uncertain', 'parked')"))
        batch_op.create_index('uq_message_cause', ['cause_key'], unique=True, sqlite_where=sa.text('run_id IS NULL'), postgresql_where=sa.text('run_id IS NULL'))
        batch_op.create_index('uq_message_step', ['run_id', 'step'], unique=True)

    op.create_table('body',
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('blob', sa.LargeBinary(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_body_message_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_body'))
    )
    op.create_table('delivery',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('relay', sa.String(length=64), nullable=False),
    sa.Column('stage', sa.String(length=16), nullable=False),
    sa.Column('code', sa.Integer(), nullable=False),
    sa.Column('enhanced', sa.String(length=16), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_delivery_message_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery'))
    )
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.create_index('uq_delivery_attempt', ['message_id', 'attempt'], unique=True)



def downgrade() -> None:
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_index('uq_delivery_attempt')

    op.drop_table('delivery')
    op.drop_table('body')
    with op.batch_alter_table('message', schema=None) as batch_op:
        batch_op.drop_index('uq_message_step')
        batch_op.drop_index('uq_message_cause', sqlite_where=sa.text('run_id IS NULL'), postgresql_where=sa.text('run_id IS NULL'))
        batch_op.drop_index('ix_message_troubled', sqlite_where=sa.text("state IN ('uncertain', 'parked')"), postgresql_where=sa.text("state IN ('uncertain', 'parked')"))
        batch_op.drop_index('ix_message_subscriber')
        batch_op.drop_index('ix_message_slot', sqlite_where=sa.text("mail_class = 'marketing' AND state IN ('queued', 'claimed', 'waiting', 'sent', 'uncertain')"), postgresql_where=sa.text("mail_class = 'marketing' AND state IN ('queued', 'claimed', 'waiting', 'sent', 'uncertain')"))
        batch_op.drop_index('ix_message_owner', sqlite_where=sa.text("state = 'claimed'"), postgresql_where=sa.text("state = 'claimed'"))
        batch_op.drop_index('ix_message_lease', sqlite_where=sa.text("state = 'claimed'"), postgresql_where=sa.text("state = 'claimed'"))
        batch_op.drop_index('ix_message_due', sqlite_where=sa.text("state IN ('queued', 'waiting')"), postgresql_where=sa.text("state IN ('queued', 'waiting')"))

    op.drop_table('message')
    op.drop_table('live')
    op.drop_table('finished')
    with op.batch_alter_table('tag', schema=None) as batch_op:
        batch_op.drop_index('ix_tag_tag')

    op.drop_table('tag')
    with op.batch_alter_table('stage_change', schema=None) as batch_op:
        batch_op.drop_index('ix_stage_change_subscriber')
        batch_op.drop_index('ix_stage_change_at')

    op.drop_table('stage_change')
    with op.batch_alter_table('segment_member', schema=None) as batch_op:
        batch_op.drop_index('ix_segment_member_subscriber')

    op.drop_table('segment_member')
    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.drop_index('uq_run_turn')
        batch_op.drop_index('uq_run_live', sqlite_where=sa.text("state != 'ended'"), postgresql_where=sa.text("state != 'ended'"))
        batch_op.drop_index('ix_run_subscriber')
        batch_op.drop_index('ix_run_standing', sqlite_where=sa.text("state != 'ended'"), postgresql_where=sa.text("state != 'ended'"))
        batch_op.drop_index('ix_run_live_subscriber', sqlite_where=sa.text("state != 'ended'"), postgresql_where=sa.text("state != 'ended'"))

    op.drop_table('run')
    op.drop_table('points')
    op.drop_table('offer_end')
    op.drop_table('news')
    op.drop_table('live_mail')
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.drop_index('ix_decision_subscriber')
        batch_op.drop_index('ix_decision_run')

    op.drop_table('decision')
    with op.batch_alter_table('consent', schema=None) as batch_op:
        batch_op.drop_index('ix_consent_subscriber')

    op.drop_table('consent')
    op.drop_table('condition_timer')
    with op.batch_alter_table('candidate', schema=None) as batch_op:
        batch_op.drop_index('ix_candidate_until')
        batch_op.drop_index('ix_candidate_subscriber')

    op.drop_table('candidate')
    with op.batch_alter_table('campaign_version', schema=None) as batch_op:
        batch_op.drop_index('uq_campaign_version')

    op.drop_table('campaign_version')
    with op.batch_alter_table('attribute', schema=None) as batch_op:
        batch_op.drop_index('ix_attribute_text')
        batch_op.drop_index('ix_attribute_number')

    op.drop_table('attribute')
    op.drop_table('waking')
    with op.batch_alter_table('token_used', schema=None) as batch_op:
        batch_op.drop_index('ix_token_used_expires')

    op.drop_table('token_used')
    op.drop_table('suppression')
    op.drop_table('api_key')
    with op.batch_alter_table('correction', schema=None) as batch_op:
        batch_op.drop_index('ix_correction_at')
        batch_op.drop_index('ix_correction_subscriber')

    op.drop_table('correction')
    with op.batch_alter_table('visitor', schema=None) as batch_op:
        batch_op.drop_index('ix_visitor_claimed')
        batch_op.drop_index('ix_visitor_subscriber')

    op.drop_table('visitor')
    with op.batch_alter_table('subscriber', schema=None) as batch_op:
        batch_op.drop_index('ix_subscriber_weight')
        batch_op.drop_index('ix_subscriber_stage')
        batch_op.drop_index('ix_subscriber_parked', sqlite_where=sa.text('attempts > 0'), postgresql_where=sa.text('attempts > 0'))
        batch_op.drop_index('ix_subscriber_kind')
        batch_op.drop_index('ix_subscriber_due', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('subscriber')
    op.drop_table('stage_counts')
    op.drop_table('spool_position')
    op.drop_table('source')
    with op.batch_alter_table('release', schema=None) as batch_op:
        batch_op.drop_index('ix_release_digest')

    op.drop_table('release')
    with op.batch_alter_table('purchase', schema=None) as batch_op:
        batch_op.drop_index('ix_purchase_subscriber')
        batch_op.drop_index('ix_purchase_at')

    op.drop_table('purchase')
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_open', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.drop_index('ix_outbox_due', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    op.drop_table('outbox')
    with op.batch_alter_table('mail_version', schema=None) as batch_op:
        batch_op.drop_index('uq_mail_version')

    op.drop_table('mail_version')
    op.drop_table('heartbeat')
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.drop_index('ix_event_anonymous')
        batch_op.drop_index('ix_event_verdict_due', sqlite_where=sa.text('verdict_due_at IS NOT NULL'), postgresql_where=sa.text('verdict_due_at IS NOT NULL'))
        batch_op.drop_index('ix_event_subscriber')
        batch_op.drop_index('ix_event_network', sqlite_where=sa.text("kind = 'clicked'"), postgresql_where=sa.text("kind = 'clicked'"))
        batch_op.drop_index('ix_event_message', sqlite_where=sa.text("message_id IS NOT NULL"), postgresql_where=sa.text("message_id IS NOT NULL"))
        batch_op.drop_index('ix_event_kind')

    op.drop_table('event')
    op.drop_table('counts')
    op.drop_table('control')
    with op.batch_alter_table('bucket', schema=None) as batch_op:
        batch_op.drop_index('ix_bucket_at')

    op.drop_table('bucket')
    op.drop_table('box_counts')
