"""what stays: seats and codes outlive an erased person, gifts can be taken back, pools and answers keep their numbers.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OBJECTED = sa.text("state IN ('refused', 'withdrawn')")
MISUSED = sa.text("verdict != 'good'")
BROUGHT = sa.text("referrals > 0")


def upgrade() -> None:
    with op.batch_alter_table("code") as code:
        code.add_column(sa.Column("offer", sa.String(length=64), nullable=False, server_default=""))
        code.add_column(sa.Column("ends_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("offer_grant") as grant:
        grant.add_column(sa.Column("withdrawn_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("pool") as pool:
        pool.add_column(sa.Column("total", sa.Integer(), nullable=False, server_default="0"))
        pool.add_column(sa.Column("taken", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("offer_stock") as stock:
        stock.add_column(sa.Column("given", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "survey_count",
        sa.Column("survey", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.String(length=64), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("survey", "stage", "campaign", "answer", name=op.f("pk_survey_count")),
    )
    op.create_index(
        "ix_redemption_misused",
        "redemption",
        ["at", "order_id"],
        unique=False,
        sqlite_where=MISUSED,
        postgresql_where=MISUSED,
    )
    op.create_index(
        "ix_referral_objected",
        "referral",
        ["settled_at"],
        unique=False,
        sqlite_where=OBJECTED,
        postgresql_where=OBJECTED,
    )
    op.create_index(
        "ix_subscriber_referrals",
        "subscriber",
        ["referrals", "id"],
        unique=False,
        sqlite_where=BROUGHT,
        postgresql_where=BROUGHT,
    )
    _count()


def _count() -> None:
    """What is kept from now on is counted once."""
    op.execute(
        sa.text("""INSERT INTO pool (pool, total, taken) SELECT DISTINCT c.pool, 0, 0 FROM code c
        WHERE NOT EXISTS (SELECT 1 FROM pool p WHERE p.pool = c.pool)""")
    )
    op.execute(
        sa.text("""UPDATE pool SET
        total = (SELECT count(*) FROM code c WHERE c.pool = pool.pool),
        taken = (SELECT count(*) FROM code c WHERE c.pool = pool.pool AND c.taken_at IS NOT NULL)""")
    )
    op.execute(
        sa.text("""INSERT INTO offer_stock (offer, sold_elsewhere, given)
        SELECT DISTINCT g.offer, 0, 0 FROM offer_grant g
        WHERE NOT EXISTS (SELECT 1 FROM offer_stock s WHERE s.offer = g.offer)""")
    )
    op.execute(
        sa.text("""UPDATE offer_stock SET
        given = (SELECT count(*) FROM offer_grant g WHERE g.offer = offer_stock.offer)""")
    )
    op.execute(
        sa.text("""INSERT INTO counts (day, campaign, step, arm, metric, value)
        SELECT 0, '', offer, '', 'code:' || verdict, count(*) FROM redemption GROUP BY offer, verdict""")
    )
    op.execute(
        sa.text("""INSERT INTO counts (day, campaign, step, arm, metric, value)
        SELECT 0, '', '', '', 'friends:counted', count(*) FROM referral WHERE state = 'counted'
        GROUP BY state""")
    )
    op.execute(
        sa.text("""INSERT INTO counts (day, campaign, step, arm, metric, value)
        SELECT 0, '', reason, '', 'friends:objected', count(*) FROM referral WHERE reason <> '' GROUP BY reason""")
    )
    op.execute(
        sa.text("""INSERT INTO survey_count (survey, stage, campaign, answer, people)
        SELECT survey, stage, campaign, answer, count(*) FROM (
            SELECT a.*, row_number() OVER (
                PARTITION BY a.survey, a.subscriber_id ORDER BY a.at DESC, a.message_id DESC) AS place
            FROM survey_answer a) latest
        WHERE latest.place = 1 GROUP BY survey, stage, campaign, answer""")
    )


def downgrade() -> None:
    op.drop_index("ix_subscriber_referrals", table_name="subscriber")
    op.drop_index("ix_referral_objected", table_name="referral")
    op.drop_index("ix_redemption_misused", table_name="redemption")
    op.drop_table("survey_count")
    with op.batch_alter_table("offer_stock") as stock:
        stock.drop_column("given")
    with op.batch_alter_table("pool") as pool:
        pool.drop_column("taken")
        pool.drop_column("total")
    with op.batch_alter_table("offer_grant") as grant:
        grant.drop_column("withdrawn_at")
    with op.batch_alter_table("code") as code:
        code.drop_column("ends_at")
        code.drop_column("offer")
