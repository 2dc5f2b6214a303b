"""`parvar doctor lanes`: which lanes hold, who is in which, and why: by a name, or by where the mail is taken in.

Owns the words and tables of it. Changes nothing and asks no DNS: it shows what the worker found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import click
from rich.console import Console
from rich.table import Table

from app.actions import laning
from app.actions.laning import Placed, Why
from app.cli.received import Finding
from app.cli.running import settings_or_exit
from app.core.exchangers import Told, is_reserved
from app.core.instants import Instant, to_datetime
from app.mail.addresses import Address, read_address
from app.mail.lanes_file import DEFAULT, Lanes, lanes_of, shipped_lanes
from app.main import build_world
from app.settings import Settings
from app.store.engine import StoreError
from app.store.exchangers import Tally
from app.world import World

Tallies: TypeAlias = Sequence[Tally]


def finding(settings: Settings) -> Finding:
    """Which lanes hold, and what the installation's own file changes of them."""
    held, shipped = lanes_of(settings.lanes), shipped_lanes()
    whose = f"of {settings.lanes}" if settings.lanes else "as shipped (PARVAR_LANES can name a file of your own)"
    added = [name for name in held.lanes if name not in shipped.lanes]
    changed = [name for name, lane in held.lanes.items() if name in shipped.lanes and lane != shipped.lanes[name]]
    parts = [f"{len(held.lanes)} lanes, {whose}"]
    parts += [f"adds {', '.join(added)}"] if added else []
    parts += [f"changes {', '.join(changed)}"] if changed else []
    parts += [f"{domain} warms up" for domain in settings.warm_up]
    return Finding("lanes", True, "; ".join(parts) + "; all of them: parvar doctor lanes")


@click.command()
@click.argument("addresses", nargs=-1)
@click.option("--domains", "most", is_flag=False, flag_value=50, type=click.IntRange(1), metavar="[N]",
              help="The N domains with most people (50), their lanes, and what the DNS said of them.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def lanes(addresses: tuple[str, ...], most: int | None, as_json: bool) -> None:
    """The lanes that hold: how each mailbox provider is sent to; with ADDRESSES, which lane each of them is in."""
    settings = settings_or_exit()
    held, world = lanes_of(settings.lanes), _world(settings)
    if addresses:
        _say_addresses(held, world, addresses, as_json=as_json)
    elif most is not None:
        _say_domains([] if world is None else laning.placed_most(world, most), _note(settings, world), as_json=as_json)
    else:
        _say_lanes(held, [] if world is None else laning.tally(world), _note(settings, world), as_json=as_json)


def _world(settings: Settings) -> World | None:
    """None where nothing was ever looked up: switched off, or no database of this version yet."""
    file = settings.database_url.partition("sqlite:///")[2]
    if settings.mx is None or (settings.is_sqlite and not Path(file).exists()):
        return None
    world = build_world(settings)
    try:
        laning.placed_most(world, 1)
    except StoreError:
        return None
    return world


def _note(settings: Settings, world: World | None) -> str:
    if settings.mx is None:
        return "MX are not looked up (PARVAR_MX=off): lanes go by names alone."
    return "" if world else "The database cannot be read or was never migrated: lanes are told by names alone."


# ── Addresses and domains ────────────────────────────────────────────────────────────────────────────────────────────


def _say_addresses(held: Lanes, world: World | None, addresses: Sequence[str], *, as_json: bool) -> None:
    domains = [_domain(address) for address in addresses]
    if world is None:
        found = [laning.place(held, domain, None) for domain in domains]
    else:
        found = laning.placed(world, domains)
    if as_json:
        told = {address: _as_json(each) for address, each in zip(addresses, found, strict=True)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    for address, each in zip(addresses, found, strict=True):
        click.echo(f"{address}: {each.lane} ({why(each)})")


def _domain(address: str) -> str:
    """As it is kept: names in other letters by their A-label."""
    found = read_address(address)
    return found.domain if isinstance(found, Address) else laning.domain_of(address)


def _as_json(each: Placed) -> dict[str, object]:
    told: dict[str, object] = {"lane": each.lane, "why": each.why.value}
    if each.host:
        told["host"] = each.host
    if each.known is not None:
        known = asdict(each.known)
        told |= {name: known[name] for name in ("people", "told", "hosts", "told_at", "asked_at", "failures", "fault")}
    return told


def why(each: Placed) -> str:
    """Why a domain is in its lane, in a few words."""
    match each.why:
        case Why.NAME:
            return "by its name"
        case Why.MX:
            return f"by its MX {each.host}"
        case Why.DEFAULT:
            return _why_default(each)


def _why_default(each: Placed) -> str:
    if is_reserved(each.domain):
        return "a reserved name: nobody is asked about it"
    known = each.known
    match known.told if known else Told.NOTHING:
        case Told.NOTHING:
            return "no answer yet" if known and known.failures else "not looked up yet"
        case Told.FOUND:
            return f"no lane knows its MX {known.hosts[0] if known else ''}"
        case Told.ADDRESS:
            return "it has no MX: its own address takes its mail"
        case Told.NULL:
            return "it takes no mail: a null MX"
        case Told.MISSING:
            return "there is no such domain"


def _say_domains(found: Sequence[Placed], note: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({each.domain: _as_json(each) for each in found}, ensure_ascii=False, indent=1))
        return
    table = Table("Domain", "People", "Lane", "Why", "Looked up", "Trouble", box=None)
    for each in found:
        known = each.known
        people = f"{known.people:,}" if known else ""
        table.add_row(
            each.domain, people, each.lane, why(each), _when(known.told_at if known else None), _trouble(each)
        )
    if found:
        Console().print(table)
    elif not note:
        click.echo("No domain is known yet: the worker counts in its first minute.")
    if note:
        click.echo(note)


def _trouble(each: Placed) -> str:
    known = each.known
    if known is None or not known.failures:
        return ""
    return f"{known.fault} (tried {known.failures}×, last {_when(known.asked_at)})"


def _when(at: Instant | None) -> str:
    return "" if at is None else f"{to_datetime(at):%Y-%m-%d %H:%M} UTC"


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _say_lanes(held: Lanes, tallies: Tallies, note: str, *, as_json: bool) -> None:
    if as_json:
        every = {
            lane.name: asdict(lane) | {"members": members_of(held, lane.name), "mx": _hosts_of(held, lane.name)}
            | _counts(tallies, lane.name)
            for lane in held.lanes.values()
        }  # fmt: skip
        click.echo(json.dumps(every, ensure_ascii=False, indent=1))
        return
    Console().print(_lanes_table(held, tallies))
    for line in (note, *_summary(tallies)):
        if line:
            click.echo(line)


def _lanes_table(held: Lanes, tallies: Tallies) -> Table:
    shipped = shipped_lanes().lanes
    table = Table("Lane", "Connections", "Mails on each", "A minute", "Whose", "Who is in it", "Now", box=None)
    for lane in held.lanes.values():
        whose = "shipped" if lane == shipped.get(lane.name) else "changed" if lane.name in shipped else "your own"
        numbers = (str(lane.connections), str(lane.per_connection), str(lane.per_minute or "no limit"))
        hosts = [f"MX {host}" for host in _hosts_of(held, lane.name)]
        members = ", ".join((*members_of(held, lane.name), *hosts)) or (
            "everybody else" if lane.name == DEFAULT else ""
        )
        table.add_row(lane.name, *numbers, whose, members, _now(_counts(tallies, lane.name)))
    return table


def _now(counts: dict[str, int]) -> str:
    """Who is in a lane at present."""
    if not counts["domains"]:
        return ""
    by_mx = f", {counts['by_mx']:,} by MX" if counts["by_mx"] else ""
    return f"{_people(counts['people'])} at {_domains(counts['domains'])}{by_mx}"


def _domains(number: int) -> str:
    return f"{number:,} domain{'' if number == 1 else 's'}"


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"


def _counts(tallies: Tallies, lane: str) -> dict[str, int]:
    mine = [each for each in tallies if each.lane == lane]
    by_mx = sum(each.domains for each in mine if not each.is_named and lane != DEFAULT)
    return {"people": sum(e.people for e in mine), "domains": sum(e.domains for e in mine), "by_mx": by_mx}


def _summary(tallies: Tallies) -> Iterable[str]:
    """What the DNS said of all domains together, and what is worth a look."""
    asked = [each for each in tallies if not each.is_named]
    if not asked:
        return
    domains: Counter[Told] = Counter()
    people: Counter[Told] = Counter()
    for each in asked:
        domains[each.told] += each.domains
        people[each.told] += each.people
    last = max((each.asked_at for each in asked if each.asked_at is not None), default=None)
    known = sum(domains.values()) - domains[Told.NOTHING]
    never = domains[Told.NOTHING]
    yield f"MX of {_domains(known)} are known, of {never:,} not yet; last asked {_when(last) or 'never'}."
    for told, words in ((Told.NULL, "a null MX, so no mail is taken"), (Told.MISSING, "no such domain")):
        if domains[told]:
            yield f"{words}: {_domains(domains[told])}, {_people(people[told])}; see parvar doctor lanes --domains"


def members_of(held: Lanes, lane: str) -> list[str]:
    """Who is in a lane by name: consumer providers and domains."""
    return [name for found in (held.by_provider, held.by_domain) for name, where in found.items() if where == lane]


def _hosts_of(held: Lanes, lane: str) -> list[str]:
    return [host for host, where in held.by_mx.items() if where == lane]
