"""Laning: which lane a person's mail goes by, and why: what her domain's name tells, else where its mail is taken in.

Owns the way from addresses to lanes. Asks the database and never the DNS: what is not known yet is in the lane of
everybody else. Must not change anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from app.core.exchangers import is_reserved
from app.mail.lanes_file import Lanes
from app.store import exchangers
from app.store.exchangers import Domain, Tally
from app.world import World


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def lanes_of(world: World, session: Session, addresses: Iterable[str]) -> dict[str, str]:
    """Address → the name of its lane, in at most one small query for all of them."""
    domains = {address: domain_of(address) for address in addresses}
    named = {domain: world.lanes.named(domain) for domain in set(domains.values())}
    unnamed = [domain for domain, lane in named.items() if lane is None and not is_reserved(domain)]
    hosts = exchangers.hosts_of(session, unnamed) if is_asking(world) else {}
    lanes = {domain: lane or world.lanes.of(domain, hosts.get(domain, ())).name for domain, lane in named.items()}
    return {address: lanes[domain] for address, domain in domains.items()}


def lane_of(world: World, session: Session, address: str) -> str:
    """The lane of one address."""
    return lanes_of(world, session, (address,))[address]


def is_asking(world: World) -> bool:
    """Whether MX are looked up at all: not where the setting says no, and not in a demo."""
    return world.settings.mx is not None and not world.settings.demo


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Why(StrEnum):
    """By what a domain is in its lane."""

    NAME = "name"
    MX = "mx"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Placed:
    """A domain in its lane. `host` is the one that decided; `known`: what was looked up, if anything was."""

    domain: str
    lane: str
    why: Why
    host: str = ""
    known: Domain | None = None


def place(lanes: Lanes, domain: str, known: Domain | None) -> Placed:
    """Where a domain is by what is known of it."""
    if (lane := lanes.named(domain)) is not None:
        return Placed(domain, lane, Why.NAME, known=known)
    hosts = known.hosts if known else ()
    lane = lanes.hosted(hosts)
    if lane is None:
        return Placed(domain, lanes.of(domain).name, Why.DEFAULT, known=known)
    return Placed(domain, lane, Why.MX, next(host for host in hosts if lanes.hosted((host,)) == lane), known)


def placed(world: World, domains: Sequence[str]) -> list[Placed]:
    """Where these domains are, in the same order."""
    with world.transaction("read") as session:
        known = exchangers.find(session, domains) if is_asking(world) else {}
    return [place(world.lanes, domain, known.get(domain)) for domain in domains]


def placed_most(world: World, limit: int) -> list[Placed]:
    """Where the domains with most people are."""
    with world.transaction("read") as session:
        found = exchangers.largest(session, limit)
    return [place(world.lanes, each.domain, each) for each in found]


def tally(world: World) -> list[Tally]:
    """How many domains and people each lane has, and why."""
    with world.transaction("read") as session:
        return exchangers.tally(session)
