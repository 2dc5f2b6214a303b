"""Needs: what waits for somebody beside the health of sending: stops, relays, DNS, codes, files not published.

Owns finding them with few small questions. Health itself is app.actions.measure's. Must not mend anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.actions.folder import unpublished
from app.actions.shelf import Shelf
from app.actions.stock import pool_reports
from app.core.instants import HOUR
from app.net.names import NoAnswer, txt
from app.store import alarms, stepwise
from app.world import World


class Want(StrEnum):
    """The most pressing first."""

    BREAKER = "breaker"
    RELAY = "relay"
    DNS = "dns"
    POOL = "pool"
    UNPUBLISHED = "unpublished"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`name` says which one, where there are several of a sort; `number` how many."""

    want: Want
    number: int = 1
    name: str = ""


FEWEST = 10
"""Attempts of the last hour below which a relay is not judged."""


def wants(world: World, shelf: Shelf) -> tuple[Wanted, ...]:
    """Read from small tables and the newest rows; the files are read, but no mail is written for it."""
    with world.transaction("read") as session:
        shelved = shelf.look(session)
        stopped = alarms.stopped(session)
        tried, failed = stepwise.attempts_since(session, world.now() - HOUR)
        pools = pool_reports(session, list(shelved.workspace.offers.values())) if shelved else []
    differing = unpublished(world) if shelved else None
    return (
        *(Wanted(Want.BREAKER, name=campaign) for campaign in stopped),
        *([Wanted(Want.RELAY, failed)] if tried >= FEWEST and failed * 2 > tried else []),
        *(Wanted(Want.POOL, each.pool.free, each.pool.pool) for each in pools if each.is_low),
        *([Wanted(Want.UNPUBLISHED, differing.number)] if differing and differing.number else []),
    )


def dns_wants(world: World, shelf: Shelf, ask: Callable[[str], tuple[str, ...]] = txt) -> tuple[Wanted, ...]:
    """Records that mailbox providers look for and do not find. Nothing where mail is only stored. Asks the network."""
    settings = world.settings
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    if settings.demo or not settings.smtp_url or shelved is None:
        return ()
    sender = shelved.book.site.sender.address.rpartition("@")[2]
    return tuple(Wanted(Want.DNS, name=name) for name, begins in _records(world, sender) if _lacks(ask, name, begins))


def _records(world: World, sender: str) -> Iterator[tuple[str, str]]:
    """(name, how its record begins)"""
    yield world.settings.bounce_domain or sender, "v=spf1"
    yield f"_dmarc.{sender}", "v=DMARC1"
    for key in world.settings.dkim:
        yield f"{key.selector}._domainkey.{key.domain}", "v=DKIM1"


def _lacks(ask: Callable[[str], tuple[str, ...]], name: str, begins: str) -> bool:
    """Whether the record is surely not there; who cannot be asked is not accused."""
    try:
        return not any(record.startswith(begins) for record in ask(name))
    except NoAnswer:
        return False
