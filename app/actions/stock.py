"""Stock: codes put into pools, codes used at the counter, and what else the shop tells of its stock.

Owns imports, redemptions and the news that wake those who wait for a product. Must not give anything to anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import structlog
from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.core.facts import Fact, FactKind
from app.core.instants import Instant
from app.core.offering import Handed, Redeemed, code_key, judge, known_end
from app.core.offers import CodePool, Offer, SharedCode
from app.core.windows import zone_of
from app.store import offers as store
from app.store import products, redemptions, sums
from app.store.events import record_facts
from app.store.people import find
from app.store.products import News, Product
from app.world import World

log = structlog.get_logger()

CHUNK = 500
"""Codes of one transaction."""
LONGEST_CODE = 64
MOST_NAMED = 20
"""So many of the codes refused are named one by one."""


# ── Importing codes ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not taken, counted from 1, and why."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Imported:
    """How an import went so far: lines read, codes taken, lines refused (the first of them named), mails set free."""

    read: int = 0
    taken: int = 0
    refused: int = 0
    named: tuple[Refusal, ...] = ()
    released: int = 0


@dataclass(slots=True)
class _Reading:
    """The lines of an import as they are looked at: which codes were seen, on which line."""

    seen: dict[str, int] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def codes(self, lines: Iterable[tuple[int, str]]) -> list[str]:
        found = []
        for number, line in lines:
            text = line.strip().lstrip("\ufeff")
            if text:
                why = self._wrong(text)
                if why:
                    self.refusals.append(Refusal(number, text[:LONGEST_CODE], why))
                else:
                    self.seen[code_key(text)] = number
                    found.append(text)
        return found

    def _wrong(self, text: str) -> str:
        if len(text) > LONGEST_CODE:
            return f"longer than {LONGEST_CODE} characters"
        if not text.isprintable() or len(text.split()) > 1:
            return "a code is one word on a line"
        first = self.seen.get(code_key(text))
        return f"the same as line {first}" if first else ""


def import_codes(
    world: World,
    offers: Sequence[Offer],
    pool: str,
    lines: Iterable[str],
    report: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Put codes into a pool, one a line. Bad lines are named, the others go on; what was imported before is no harm.

    `offers` are those of the live release; mails that wait for a code of this pool leave at once.
    """
    reading, done = _Reading(), Imported()
    numbered = enumerate(lines, 1)
    while chunk := list(islice(numbered, CHUNK)):
        codes = reading.codes(chunk)
        with world.transaction("write") as session:
            new = set(store.add_codes(session, pool, codes))
        reading.refusals += [_known(reading, text) for text in codes if text not in new]
        refused = sorted(reading.refusals, key=lambda each: each.line)
        done = Imported(done.read + len(chunk), done.taken + len(new), len(refused), tuple(refused[:MOST_NAMED]))
        report(done)
        world.rest()
    return replace(done, released=_refilled(world, offers, pool) if done.taken else 0)


def _known(reading: _Reading, text: str) -> Refusal:
    return Refusal(reading.seen[code_key(text)], text, "imported before")


def _refilled(world: World, offers: Sequence[Offer], pool: str) -> int:
    with world.transaction("write") as session:
        store.forget_warnings(session, pool)
        return store.release_held(session, pool_users(offers, pool), world.now())


def pool_users(offers: Iterable[Offer], pool: str) -> list[str]:
    """The offers that draw from a pool."""
    return [offer.key for offer in offers if isinstance(offer.codes, CodePool) and offer.codes.pool == pool]


@dataclass(frozen=True, slots=True)
class PoolReport:
    """A pool as its owner sees it: numbers, the offers that use it, and whether it runs low."""

    pool: store.Pool
    offers: tuple[str, ...]
    low_at: int
    redeemed: int = 0
    """Codes of its offers that were used well."""

    @property
    def is_low(self) -> bool:
        return bool(self.offers) and self.pool.free < max(self.low_at, 1)


def pool_reports(session: Session, offers: Sequence[Offer]) -> list[PoolReport]:
    """Every pool, those that a live offer names and nobody has filled yet included."""
    known = {pool.pool: pool for pool in store.pools(session)}
    named = {offer.codes.pool: offer.codes for offer in offers if isinstance(offer.codes, CodePool)}
    used = sums.sums(session, redemptions.metric_of(Redeemed.GOOD))
    found = []
    for key in sorted(known.keys() | named.keys()):
        users = tuple(pool_users(offers, key))
        redeemed = sum(used.get(offer, 0) for offer in users)
        low_at = max(_lows(offers, key), default=0)
        found.append(PoolReport(known.get(key, store.Pool(key, 0, 0)), users, low_at, redeemed))
    return found


def _lows(offers: Sequence[Offer], pool: str) -> Iterator[int]:
    return (o.codes.low_at for o in offers if isinstance(o.codes, CodePool) and o.codes.pool == pool)


# ── Codes used ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Used:
    """A coupon of an order, as the shop tells it. `subscriber_id` is None for a buyer we do not know."""

    source: str
    order_id: str
    coupon: str
    subscriber_id: int | None
    at: Instant


def redeem(session: Session, shelved: Shelved, used: Used) -> Redeemed:
    """Judge a coupon and keep what it was. The same order told again is judged alike and kept once."""
    offer, verdict = _judged(session, shelved, used)
    is_new = redemptions.record_redemption(
        session,
        redemptions.Redemption(used.source, used.order_id, used.coupon, offer, used.subscriber_id, verdict, used.at),
    )
    if is_new and verdict in (Redeemed.AGAIN, Redeemed.LATE, Redeemed.NOT_GIVEN):
        log.warning("code_misused", offer=offer, verdict=verdict.value, order=used.order_id)
    return verdict


def _judged(session: Session, shelved: Shelved, used: Used) -> tuple[str, Redeemed]:
    found = redemptions.find_code(session, used.coupon)
    if found is not None and found.handed is None:
        return "", Redeemed.NOT_GIVEN
    if found is not None and found.handed is not None:
        return found.offer, judge(found.handed, used.subscriber_id, used.order_id, used.at)
    shared = _shared(shelved, used.coupon)
    if shared is None:
        return "", Redeemed.UNKNOWN
    ends = store.ends_of(session, used.subscriber_id) if used.subscriber_id is not None else {}
    end = known_end(shared, ends, zone_of("", shelved.book.site.timezone))
    return shared.key, judge(Handed(0, end, frozenset(), is_shared=True), used.subscriber_id, used.order_id, used.at)


def _shared(shelved: Shelved, coupon: str) -> Offer | None:
    key = code_key(coupon)
    for offer in shelved.workspace.offers.values():
        codes = offer.codes.when_empty if isinstance(offer.codes, CodePool) else offer.codes
        if isinstance(codes, SharedCode) and code_key(codes.code) == key:
            return offer
    return None


# ── Goods ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Noted:
    """What the news of a product set in motion. `is_new` is False for news older than what was known."""

    is_new: bool
    told: int = 0
    """People told that it is back."""
    told_price: int = 0
    """People told that it costs less."""


def note_product(world: World, shelved: Shelved, new: Product) -> Noted:
    """Keep what the shop says of a product, and tell those who wait: no more people than there are pieces.

    They are told by the events `restocked` and `price_dropped`, as far as the site declares them.
    """
    with world.transaction("write") as session:
        before = products.hold_product(session, new.key)
        if not products.put_product(session, new):
            return Noted(is_new=False)
        told = _tell(world, session, shelved, new, News(new.key, "stock")) if _is_back(before, new) else 0
        cheaper = _has_fallen(before, new)
        dropped = _tell(world, session, shelved, new, News(new.key, "price", new.price)) if cheaper else 0
        return Noted(True, told, dropped)


def _is_back(before: Product | None, new: Product) -> bool:
    """More than before: each piece that comes in is news for one who waits."""
    return new.stock is None or new.stock > (before.stock or 0 if before else 0)


def _has_fallen(before: Product | None, new: Product) -> bool:
    return new.price is not None and (before is None or before.price is None or new.price < before.price)


_EVENTS = {"stock": "restocked", "price": "price_dropped"}
MOST_TOLD = 1_000
"""People told by one call; the rest wait for the next news of the product, the oldest wish first."""


def _tell(world: World, session: Session, shelved: Shelved, product: Product, news: News) -> int:
    event = shelved.book.site.events.get(_EVENTS[news.kind])
    if event is None:
        return 0
    limit = MOST_TOLD if product.stock is None or news.kind == "price" else min(product.stock, MOST_TOLD)
    limit = limit if news.most is None else min(limit, news.most)
    now = world.now()
    wishes = products.fulfil(session, news, limit, now)
    declared = {name for name, _ in event.fields} | {event.run_key}
    for wish in wishes:
        said = {
            "request_id": f"wish-{wish.id}",
            "product": product.key,
            "name": product.name,
            "url": product.url,
            "price": product.price,
            "old_price": wish.price,
            "left": product.stock,
        }
        fields = {key: value for key, value in said.items() if key in declared and value is not None}
        fact = Fact(_wish_fact(wish.id), FactKind.EVENT, now, event.key, fields=fields)
        record_facts(session, wish.subscriber_id, (fact,), now)
    return len(wishes)


def _wish_fact(wish: int) -> bytes:
    return hashlib.blake2b(f"wish:{wish}".encode(), digest_size=16, person=b"parvar stock").digest()


def wish_for(world: World, person: int, product: str, kind: str = "stock") -> bool:
    """Somebody wants to be told when a product is back (`stock`) or costs less (`price`). False when it was noted.

    Raises ValueError for another kind.
    """
    if kind not in _EVENTS:
        raise ValueError("one waits for `stock` or `price`")
    with world.transaction("write") as session:
        return products.wish(session, person, product, kind, world.now())


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits for which product to be back."""

    person: int
    product: str


def wait_for(world: World, session: Session, shelved: Shelved, who: Waiting) -> None:
    """Note a wish within a transaction; when there are pieces already, whoever waits longest is told at once."""
    if products.wish(session, who.person, who.product, "stock", world.now()):
        known = products.product(session, who.product)
        if known is not None and known.stock:
            _tell(world, session, shelved, known, News(known.key, "stock", most=1))


def set_sold_elsewhere(world: World, offer: str, sold: int) -> None:
    """So many places of an offer with `seats` went through other channels. Raises ValueError for fewer than none."""
    if sold < 0:
        raise ValueError("nothing can be sold less than never")
    with world.transaction("write") as session:
        store.set_sold_elsewhere(session, offer, sold)


# ── Asking before the counter ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Worth:
    """What a code is worth now: whether it would be good, of which offer, and until when."""

    verdict: Redeemed
    offer: Offer | None = None
    ends_at: Instant | None = None


def worth(world: World, shelved: Shelved, coupon: str, buyer: str = "") -> Worth:
    """What would become of a code if it were used now, by a buyer's address key when given. Keeps nothing."""
    with world.transaction("read") as session:
        person = find(session, buyer) if buyer else None
        used = Used("", "", coupon, person.id if person else None, world.now())
        key, verdict = _judged(session, shelved, used)
        found = redemptions.find_code(session, coupon)
    ends_at = found.handed.ends_at if found is not None and found.handed is not None else None
    return Worth(verdict, shelved.workspace.offers.get(key), ends_at)
