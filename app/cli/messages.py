"""`parvar messages`: how mails leave, and those that need a decision: their fate is unknown, or they are not written.

Owns how they are printed. What a decision does is app.actions.messages'.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.actions import messages as actions
from app.actions import progress as actions_progress
from app.actions.breakers import Stopped, lasting
from app.actions.progress import LaneProgress, Progress
from app.cli.running import settings_or_exit
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Span, to_datetime
from app.main import build_world
from app.store.measures import Troubled
from app.world import World

_Ids = tuple[int, ...]


@click.group()
def messages() -> None:
    """How mails leave, and those that need a decision."""


@messages.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def list_(as_json: bool) -> None:
    """List uncertain mails and those that could not be written."""
    found = actions.troubled(_world())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
        return
    if not found:
        click.echo("Nothing needs a decision.")
        return
    _print(found)


def _print(found: Sequence[Troubled]) -> None:
    table = Table("Message", "State", "Since (UTC)", "Mail", "To", "Why", box=None)
    for one in found:
        since = to_datetime(one.at).strftime("%Y-%m-%d %H:%M") if one.at is not None else ""
        table.add_row(str(one.id), one.state, since, one.mail, one.address, f"{one.reason} {one.reply}".strip()[:80])
    Console().print(table)
    click.echo("\nuncertain: parvar messages resolve ID… --sent | --resend    parked: parvar messages retry ID…")


@messages.command()
@click.argument("ids", type=int, nargs=-1, required=True)
def retry(ids: _Ids) -> None:
    """Queue mails again that could not be written, after their cause was mended."""
    click.echo(f"{actions.retry(_world(), ids)} of {len(ids)} leave again.")


@messages.command()
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option("--sent", "what", flag_value="sent", help="They arrived: go on as if they had been sent.")
@click.option("--resend", "what", flag_value="resend", help="Send them again, under the same Message-ID.")
def resolve(ids: _Ids, what: str | None) -> None:
    """Decide about mails of which nobody knows whether they arrived."""
    if what is None:
        raise click.UsageError("say --sent or --resend")
    done = (actions.take_as_sent if what == "sent" else actions.resend)(_world(), ids)
    click.echo(f"{done} of {len(ids)} {'are taken as sent' if what == 'sent' else 'leave again'}.")


@messages.command()
@click.option("--watch", is_flag=True, help="Say it again every two seconds, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def progress(watch: bool, as_json: bool) -> None:
    """How fast mails leave, how much is left, how lanes and relays stand. Exit code 1 when no worker lives."""
    world = _world()
    found, stops = actions_progress.progress(world), lasting(world)
    if as_json:
        sums = {"due": found.due, "later": found.later, "left": found.left, "held_back": found.held_back}
        known = asdict(found) | sums | {"stopped": [asdict(each) for each in stops]}
        click.echo(json.dumps(known, ensure_ascii=False, indent=1))
    elif watch:
        _watch(world)
    else:
        Console().print(_shown(found, stops))
    sys.exit(0 if found.workers else 1)


def _watch(world: World) -> None:
    """Until the terminal is left by Ctrl-C, which is no fault."""
    with Live(refresh_per_second=2) as live, suppress(KeyboardInterrupt):
        while True:
            live.update(_shown(actions_progress.progress(world), lasting(world)))
            time.sleep(2)


def _shown(found: Progress, stops: Sequence[Stopped]) -> Group:
    """Stops first, then the whole in one line, then what rests and why, then the lanes there is something to say of."""
    table = Table("Lane", "Due", "Later", "Put off", "Rests", "At most a minute", "Warm-up today", box=None)
    for lane in (each for each in found.lanes if each.has_news):
        numbers = (f"{lane.due:,}", f"{lane.later:,}", f"{lane.deferred:,}")
        limit = f"{lane.per_minute:,}" if lane.per_minute else ""
        table.add_row(lane.name, *numbers, _span(lane.rests_for), limit, _warm(lane))
    lines = [*map(stop_sentence, stops), sentence(found), *_resting(found)]
    lines += [f"journal: {found.journal_fault}"] if found.journal_fault else []
    return Group(*map(Text, lines), *([table] if table.row_count else []))


def _warm(lane: LaneProgress) -> str:
    if lane.allowance is None:
        return ""
    if lane.allowance.level < 0:
        return "stopped by complaints"
    return f"{lane.allowance.used:,} of {lane.allowance.cap:,}, day {lane.allowance.level + 1}"


def _resting(found: Progress) -> list[str]:
    """Relays and lanes that are left alone for a while, or slowly sent to, and why."""
    relays = [("relay", one.name, one.rests_for, one.why or "after a fault") for one in found.relays if one.rests_for]
    lanes = [("lane", one.name, one.rests_for, one.why) for one in found.lanes if one.why]
    return [
        f"{what} {name} {f'rests for {_span(rest)}' if rest else 'goes slowly'}: {why}"
        for what, name, rest, why in (*relays, *lanes)
    ]


_WHAT = {
    "complaints": "marked as spam",
    "hard_bounces": "to addresses that do not exist",
    "unsubscribes": "followed by an unsubscribe",
    "blocks": "refused because of us",
}


def stop_sentence(stopped: Stopped) -> str:
    """What a breaker stopped, the evidence, and what lets it go on."""
    found = stopped.evidence
    what = _WHAT.get(found.what, found.what)
    since = to_datetime(stopped.at).strftime("%Y-%m-%d %H:%M UTC")
    figures = f"{found.number:,} of {found.sent:,} mails {what} ({found.share:.2%}, at most {found.most:.2%})"
    whose = found.campaign or "all campaigns"
    return f"STOPPED {whose} since {since}: {figures}. When it is mended: {found.command}"


def sentence(found: Progress) -> str:
    """The whole in one line, as `parvar run` logs it too."""
    if not found.workers:
        return "No worker gives a sign of life."
    left = "nothing moves" if found.left is None else f"{_span(found.left) or 'nothing'} left"
    words = [f"{found.per_minute:,.0f} mails a minute", f"{found.due:,} due ({left})", f"{found.later:,} later"]
    words += [f"{_span(found.lag)} behind"] if found.lag >= SECOND else []
    words += [f"{found.held_back:,} wait for another day of the warm-up"] if found.held_back else []
    return ", ".join(words)


def _span(span: Span) -> str:
    """Roughly: the two largest units."""
    parts = [(span // DAY, "d"), (span // HOUR % 24, "h"), (span // MINUTE % 60, "min"), (-(-span // SECOND) % 60, "s")]
    return " ".join(f"{number} {unit}" for number, unit in [each for each in parts if each[0]][:2])


def _world() -> World:
    return build_world(settings_or_exit())
