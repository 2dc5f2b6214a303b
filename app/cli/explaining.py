"""`parvar explain` and `parvar replay`: answers about what happened, and what comes.

Owns how answers are printed. Must not find any.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from app.actions.explain import NotKnown, Question, explain
from app.actions.replay import Replayed, counterfactual, replay, replay_all
from app.actions.shelf import Shelf
from app.cli.running import settings_or_exit
from app.cli.tongues import lang_option
from app.core.book import Book
from app.core.explaining import lines
from app.core.instants import Instant, from_datetime
from app.main import build_world
from app.world import World


@click.command(name="explain")
@click.argument("address")
@click.argument("subject", default="")
@click.option("--at", "at", default="", help="As of then, e.g. 2026-11-04T12:00+03:30; UTC when no offset is given.")
@click.option("--planned", is_flag=True, help="The future under the files of FOLDER instead of what is live.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="With --planned: where campaigns/ and email_templates/ are.",
)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def explain_command(address: str, subject: str, at: str, planned: bool, folder: Path, lang: str, as_json: bool) -> None:  # noqa: PLR0913 (click)
    """Why did, didn't, or when will ADDRESS get a mail: SUBJECT is a mail, a campaign, or left out.

    Every line is read from stored decisions; what comes is the engine run ahead with no new facts. Exit code 1 when
    nobody or nothing of that name is known.
    """
    world = build_world(settings_or_exit())
    shelf = Shelf(world.secret)
    book = planned_book(world, shelf, folder) if planned else None
    told = explain(world, shelf, Question(address, subject, _instant(at) if at else None, book))
    if isinstance(told, NotKnown):
        near = f" Near: {', '.join(told.near)}." if told.near else ""
        click.echo(f"{told.what}.{near}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(asdict(told), ensure_ascii=False, indent=1, default=str))
    else:
        click.echo("\n".join(lines(told, lang)))


def _instant(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("write a date and a time, as 2026-11-04T12:00+03:30", param_hint="--at") from error
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def planned_book(world: World, shelf: Shelf, folder: Path) -> Book:
    """The book the files of a folder would make, with the standings of today."""
    from app.actions.inspect import inspect_folder
    from app.actions.plan import book_ahead
    from app.main import today

    inspection = inspect_folder(folder, today())
    if inspection.workspace is None or inspection.errors:
        raise click.ClickException("the files have errors; parvar check names them")
    with world.transaction("read") as session:
        shelved = shelf.look(session)
    return book_ahead(world, shelved, inspection)


# ── Replay ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command(name="replay")
@click.argument("address", default="")
@click.option("--all", "every", is_flag=True, help="Everybody who was ever decided about.")
@click.option(
    "--against", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Files of another version."
)
@click.option("--days", default=90, show_default=True, help="With --against: how far back.")
def replay_command(address: str, every: bool, against: Path | None, days: int) -> None:
    """Rebuild stage, score and runs from the stored facts, and prove them equal to what is stored.

    With --against: what the files of another version would have done with the last days. Nobody is mailed. Exit code 1
    when something differs, or nobody of that address is known.
    """
    world = build_world(settings_or_exit())
    shelf = Shelf(world.secret)
    if against is not None:
        _print_counterfactual(world, shelf, against, days)
        return
    if every:
        sys.exit(1 if _prove_all(world, shelf) else 0)
    if not address:
        raise click.UsageError("name an address, or write --all")
    found = replay(world, shelf, address)
    if found is None:
        raise click.ClickException(f"nobody here is {address}")
    _print_replayed(found)
    sys.exit(1 if found.differences else 0)


def _prove_all(world: World, shelf: Shelf) -> int:
    """How many lives came out otherwise."""
    people = wrong = 0
    for found in replay_all(world, shelf):
        people += 1
        if found.differences:
            wrong += 1
            _print_replayed(found)
    click.echo(f"{people - wrong:,} of {people:,} lives proved equal")
    return wrong


def _print_replayed(found: Replayed) -> None:
    if not found.differences:
        click.echo(f"✓ {found.address}   {found.decisions:,} decisions made again, all equal")
        return
    click.echo(f"✗ {found.address}")
    for each in found.differences:
        click.echo(f"    {each.what:<16} stored {each.stored} · rebuilt {each.rebuilt}")


def _print_counterfactual(world: World, shelf: Shelf, folder: Path, days: int) -> None:
    from app.actions.inspect import inspect_folder
    from app.main import today

    inspection = inspect_folder(folder, today())
    if inspection.workspace is None or inspection.errors:
        raise click.ClickException("the files have errors; parvar check names them")
    made = counterfactual(world, shelf, inspection, days)
    if made is None:
        raise click.ClickException("nothing is published yet")
    click.echo(f"{made.people:,} people · the last {days} days · nobody was mailed")
    for mail in sorted(made.went.keys() | made.would.keys()):
        went, would = made.went[mail], made.would[mail]
        click.echo(f"  {mail:<34} went {went:>7,}   would {would:>7,}   {would - went:+,}")
