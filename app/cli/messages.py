"""`parvar messages`: how mails leave, and those that need a decision: their fate is unknown, or they are not written.

Owns how they are printed. What a decision does is app.actions.messages'.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import click
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.actions import messages as actions
from app.actions import progress as actions_progress
from app.actions.breakers import Stopped, lasting
from app.actions.progress import LaneProgress, Progress
from app.cli.running import settings_or_exit
from app.core.instants import DAY, HOUR, MINUTE, SECOND, Span, parse_span, to_datetime
from app.main import build_world
from app.store.engine import StoreError
from app.store.troubles import LISTED, NEED_DECISION, Mail, Sought
from app.world import World

_LOOK_EVERY = 2.0
"""Seconds between two looks at how it goes."""
_Ids = tuple[int, ...]
_Command: TypeAlias = Callable[..., Any]


@click.group()
def messages() -> None:
    """How mails leave, and those that need a decision."""


# ── Which mails ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _filters(command: _Command) -> _Command:
    """The options by which mails are chosen."""
    for option in (
        click.option("--older-than", "age", metavar="SPAN", help="So for at least so long: 30m, 2h, 3d."),
        click.option("--reason", help="Why, as listed; or words of the server's answer."),
        click.option("--lane", help="In this lane only."),
        click.option("--campaign", help='Of this campaign only; "" for mails of no campaign.'),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class _Options:
    """What stands on the command line beside the states."""

    campaign: str | None
    lane: str | None
    reason: str | None
    age: str | None

    def __bool__(self) -> bool:
        return self.campaign is not None or bool(self.lane or self.reason or self.age)

    def sought(self, world: World, states: tuple[str, ...], ids: _Ids = ()) -> Sought:
        before = None
        if self.age:
            try:
                before = world.now() - parse_span(self.age)
            except ValueError as fault:
                raise click.BadParameter(str(fault), param_hint="--older-than") from fault
        return Sought(states, self.campaign, self.lane or "", self.reason or "", before, ids)


@messages.command("list")
@click.option("--state", "states", type=click.Choice(LISTED), multiple=True, help="Default: uncertain and parked.")
@_filters
@click.option("--limit", default=actions.PAGE, show_default=True, type=click.IntRange(1, 100_000), help="So many.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def list_(states: tuple[str, ...], limit: int, as_json: bool, **options: str | None) -> None:
    """List mails that need a decision, or with --state others that are not settled."""
    world = _world()
    sought = _Options(**options).sought(world, states or NEED_DECISION)
    found, more = actions.listed(world, sought, limit)
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in found], ensure_ascii=False, indent=1))
        return
    if not found:
        click.echo("No mail is like that." if states or _Options(**options) else "Nothing needs a decision.")
        return
    _print(found)
    if more:
        click.echo(_more(more, limit))


def _more(more: int, limit: int) -> str:
    """A million are not counted to be told that they are many."""
    if more < actions.MOST_COUNTED:
        return f"{more:,} more: --limit {limit + more}"
    return f"at least {more:,} more: narrow them down by --campaign, --lane, --reason or --older-than"


def _as_json(one: Mail) -> dict[str, object]:
    return asdict(one) | {"at": to_datetime(one.at).isoformat(timespec="seconds")}


def _print(found: Sequence[Mail]) -> None:
    table = Table("Message", "State", "Since or due (UTC)", "Campaign", "Mail", "Lane", "To", "Why", box=None)
    for one in found:
        since = to_datetime(one.at).strftime("%Y-%m-%d %H:%M")
        why = f"{one.reason}: {one.reply}".strip(": ")[:100]
        words = (str(one.id), one.state, since, one.campaign, one.mail, one.lane, one.address, why)
        table.add_row(*map(escape, words))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    states = {one.state for one in found}
    if "uncertain" in states:
        click.echo("uncertain: parvar messages resolve ID… | --all, with --sent or --resend")
    if "parked" in states:
        click.echo("parked: mend the mail or its data, then: parvar messages retry ID… | --all")


# ── Deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _many(command: _Command) -> _Command:
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", "is_dry", is_flag=True, help="Only say which mails are meant."),
        click.option("--all", "every", is_flag=True, help="All that fit the filters instead of named ones."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class _Scope:
    """How much is to be decided, and how sure the caller is."""

    every: bool
    is_dry: bool
    yes: bool


@messages.command()
@click.argument("ids", type=int, nargs=-1)
@_filters
@_many
def retry(ids: _Ids, every: bool, is_dry: bool, yes: bool, **options: str | None) -> None:
    """Queue mails again that could not be written, after their cause was mended."""
    deed = _Deed("parked", "leave again", "Let them leave again?", actions.retry)
    _decide(deed, ids, _Options(**options), _Scope(every, is_dry, yes))


@messages.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--sent", "what", flag_value="sent", help="They arrived: go on as if they had been sent.")
@click.option("--resend", "what", flag_value="resend", help="Send them again, under the same Message-ID.")
@_filters
@_many
def resolve(ids: _Ids, what: str | None, every: bool, is_dry: bool, yes: bool, **options: str | None) -> None:
    """Decide about mails of which nobody knows whether they arrived."""
    if what is None:
        raise click.UsageError("say --sent (they arrived) or --resend (send them again, under the same Message-ID)")
    sent = _Deed("uncertain", "are taken as sent", "Take them as sent?", actions.take_as_sent)
    again = _Deed("uncertain", "leave again", "Send them again?", actions.resend)
    _decide(sent if what == "sent" else again, ids, _Options(**options), _Scope(every, is_dry, yes))


@dataclass(frozen=True, slots=True)
class _Deed:
    """What becomes of mails of one state, in words and in deed."""

    state: str
    words: str
    question: str
    change: Callable[[World, Sequence[int]], int]


def _decide(deed: _Deed, ids: _Ids, options: _Options, scope: _Scope) -> None:
    if bool(ids) == scope.every:
        raise click.UsageError(f"name {deed.state} mails by their numbers, or write --all, with filters or without")
    world = _world()
    sought = options.sought(world, (deed.state,), tuple(dict.fromkeys(ids)))
    for id_, state in actions.others(world, sought).items():
        click.echo(f"{id_} {f'is {state}, not {deed.state}' if state else 'is no mail'}: left alone", err=True)
    counted = actions.counted(world, sought)
    number = sum(counted.values())
    if number and (scope.every or scope.is_dry):
        _preview(counted)
    if scope.is_dry or not number:
        click.echo(f"{number:,} {deed.state} mail{'' if number == 1 else 's'} would be meant, nothing was changed.")
        sys.exit(0 if scope.is_dry else 1)
    if scope.every and not scope.yes:
        _ask(deed.question)
    click.echo(f"{actions.for_all(world, sought, deed.change):,} of {number:,} {deed.words}.")


def _preview(counted: Counter[tuple[str, str, str]]) -> None:
    for (state, campaign, mail), number in sorted(counted.items()):
        click.echo(f"{number:>8,}  {state}  {campaign or '(no campaign)'}  {mail}")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked; write --yes, or --dry-run to look first")
    click.confirm(question, abort=True)


# ── How it goes ──────────────────────────────────────────────────────────────────────────────────────────────────────


@messages.command()
@click.option("--watch", is_flag=True, help="Say it again every two seconds, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def progress(watch: bool, as_json: bool) -> None:
    """How fast mails leave, how much is left, how lanes and relays stand. Exit code 1 when no worker lives."""
    world = _world()
    if watch and not as_json:
        sys.exit(0 if _watch(world) else 1)
    found, stops = actions_progress.progress(world), lasting(world)
    if as_json:
        sums = {"due": found.due, "later": found.later, "left": found.left, "held_back": found.held_back}
        known = asdict(found) | sums | {"stopped": [asdict(each) for each in stops]}
        click.echo(json.dumps(known, ensure_ascii=False, indent=1))
    else:
        Console().print(_shown(found, stops))
    sys.exit(0 if found.workers else 1)


def _watch(world: World) -> bool:
    """Until the terminal is left by Ctrl-C, which is no fault. Whether a worker lived at the last look.

    A terminal shows the newest look in one place; a file or a pipe gets one below the other.
    """
    console, lives = Console(), False
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    with live or nullcontext(), suppress(KeyboardInterrupt):
        while True:
            seen, lives = _look(world)
            if live is not None:
                live.update(seen, refresh=True)
            else:
                console.print(seen)
            time.sleep(_LOOK_EVERY)
    return lives


def _look(world: World) -> tuple[Group, bool]:
    """How it goes now, and at what time that was. A database that is away is waited for."""
    at = Text(f"{to_datetime(world.wall()):%H:%M:%S} UTC", style="dim")
    try:
        found, stops = actions_progress.progress(world), lasting(world)
    except (StoreError, TimeoutError):
        return Group(at, Text("The database does not answer.")), False
    return Group(at, _shown(found, stops)), bool(found.workers)


def _shown(found: Progress, stops: Sequence[Stopped]) -> Group:
    """Stops first, then the whole in one line, then what rests and why, then the lanes there is something to say of."""
    table = _lanes([each for each in found.lanes if each.has_news])
    lines = [*map(stop_sentence, stops), sentence(found), *_resting(found)]
    lines += [f"journal: {found.journal_fault}"] if found.journal_fault else []
    return Group(*map(Text, lines), *([table] if table.row_count else []))


_LANES = ("Lane", "Due", "Later", "Put off", "Rests", "At most a minute", "Warm-up today")


def _lanes(lanes: Sequence[LaneProgress]) -> Table:
    """A row for each; columns nobody has anything in are left out."""
    rows = []
    for lane in lanes:
        numbers = (f"{lane.due:,}", f"{lane.later:,}", f"{lane.deferred:,}")
        limit = f"{lane.per_minute:,}" if lane.per_minute else ""
        rows.append((lane.name, *numbers, _span(lane.rests_for), limit, _warm(lane)))
    kept = [place for place in range(len(_LANES)) if place < 3 or any(row[place] not in ("", "0") for row in rows)]
    table = Table(box=None)
    for place in kept:
        table.add_column(_LANES[place], justify="right" if place in (1, 2, 3, 5) else "left")
    for row in rows:
        table.add_row(*(row[place] for place in kept))
    return table


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
