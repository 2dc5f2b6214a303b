"""Products: what the shop says of its goods, and who waits for one.

Owns the last known state of each product and the list of those who asked to be told. Must not write to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.core.subscriber import SubscriberState
from app.store.base import At, Base, Id, RowId, clean, partial_index, table_of, upsert
from app.store.people import SubscriberRow


class ProductRow(Base):
    __tablename__ = "product"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    url: Mapped[str] = mapped_column(Text, default="")
    image: Mapped[str] = mapped_column(Text, default="")
    price: Mapped[int | None] = mapped_column(BigInteger)
    stock: Mapped[int | None] = mapped_column(Integer)
    """How many there are; None when the shop does not count."""
    at: Mapped[At]
    """When the shop knew this; older news change nothing."""


class ProductWishRow(Base):
    """Somebody waits for a product: to be back, or to cost less than it did."""

    __tablename__ = "product_wish"

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    product: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    """`stock` or `price`"""
    price: Mapped[int | None] = mapped_column(BigInteger)
    """What it cost when the wish was made."""
    at: Mapped[At]
    told_at: Mapped[int | None] = mapped_column(BigInteger)


Index(
    "uq_product_wish_open",
    ProductWishRow.product,
    ProductWishRow.kind,
    ProductWishRow.subscriber_id,
    unique=True,
    sqlite_where=ProductWishRow.told_at.is_(None),
    postgresql_where=ProductWishRow.told_at.is_(None),
)
partial_index("ix_product_wish_person", ProductWishRow.subscriber_id, where=ProductWishRow.told_at.is_(None))
_PRODUCT, _WISH = table_of(ProductRow), table_of(ProductWishRow)


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the shop describes it; price in the currency's smallest unit."""

    key: str
    at: Instant
    name: str = ""
    url: str = ""
    image: str = ""
    price: int | None = None
    stock: int | None = None


def product(session: Session, key: str) -> Product | None:
    row = session.get(ProductRow, key, populate_existing=True)
    return None if row is None else Product(row.key, row.at, row.name, row.url, row.image, row.price, row.stock)


def hold_product(session: Session, key: str) -> Product | None:
    """The same, held until the transaction ends."""
    row = session.scalar(
        select(ProductRow).filter_by(key=key).with_for_update().execution_options(populate_existing=True)
    )
    return None if row is None else Product(row.key, row.at, row.name, row.url, row.image, row.price, row.stock)


def put_product(session: Session, new: Product) -> bool:
    """Keep what the shop says; False when we know something newer."""
    values = {"name": clean(new.name)[:200], "url": new.url, "image": new.image, "price": new.price, "stock": new.stock}
    statement = upsert(session, ProductRow).values(key=new.key, at=new.at, **values)
    newer = statement.on_conflict_do_update(
        index_elements=["key"], set_={**values, "at": new.at}, where=_PRODUCT.c.at <= new.at
    )
    return session.scalar(newer.returning(_PRODUCT.c.key)) is not None


@dataclass(frozen=True, slots=True)
class Wish:
    id: int
    subscriber_id: int
    price: int | None


def wish(session: Session, subscriber_id: int, product: str, kind: str, now: Instant) -> bool:
    """Note that somebody waits; False when she does already."""
    price = session.scalar(select(_PRODUCT.c.price).where(_PRODUCT.c.key == product))
    statement = upsert(session, ProductWishRow).values(
        subscriber_id=subscriber_id, product=product, kind=kind, price=price, at=now
    )
    open_ones = ["product", "kind", "subscriber_id"]
    once = statement.on_conflict_do_nothing(index_elements=open_ones, index_where=ProductWishRow.told_at.is_(None))
    return session.scalar(once.returning(_WISH.c.id)) is not None


@dataclass(frozen=True, slots=True)
class News:
    """Good news of a product: it is back (`stock`), or costs less than `above` (`price`)."""

    product: str
    kind: str
    above: int | None = None
    most: int | None = None
    """No more people than this hear of it."""


def fulfil(session: Session, news: News, limit: int, now: Instant) -> Sequence[Wish]:
    """Take those who waited longest off the list, at most `limit`; of a price only those for whom it fell."""
    above = news.above
    mine = (_WISH.c.product == news.product) & (_WISH.c.kind == news.kind) & _WISH.c.told_at.is_(None)
    able = _WISH.c.subscriber_id.in_(
        select(SubscriberRow.id).where(SubscriberRow.state == SubscriberState.ACTIVE.value)
    )
    query = select(_WISH.c.id).where(mine, able).order_by(_WISH.c.at, _WISH.c.id).limit(limit)
    if above is not None:
        query = query.where(_WISH.c.price > above)
    ids = session.scalars(query.with_for_update(skip_locked=True)).all()
    taking = update(_WISH).where(_WISH.c.id.in_(ids), _WISH.c.told_at.is_(None)).values(told_at=now)
    rows = session.execute(taking.returning(_WISH.c.id, _WISH.c.subscriber_id, _WISH.c.price)).all()
    return [Wish(*row) for row in sorted(rows)]


def waiting(session: Session, product: str, kind: str = "stock") -> int:
    """How many wait."""
    mine = (_WISH.c.product == product) & (_WISH.c.kind == kind) & _WISH.c.told_at.is_(None)
    return session.scalar(select(func.count()).select_from(_WISH).where(mine)) or 0
