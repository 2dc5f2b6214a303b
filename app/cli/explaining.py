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
from app.actions.shelf import Shelf
from app.cli.running import settings_or_exit
from app.core.explaining import lines
from app.core.instants import Instant, from_datetime
from app.main import build_world
from app.world import World


@click.command(name="explain")
@click.argument("address")
@click.argument("subject", default="")
@click.option("--at", "at", default="", help="As of then, e.g. 2026-11-04T12:00+03:30; UTC when no offset is given.")
@click.option("--planned", is_flag=True, help="The future under the files of FOLDER instead of what is live.")
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--lang", default="en", show_default=True, type=click.Choice(["en", "fa"]))
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


def planned_book(world: World, shelf: Shelf, folder: Path):  # type: ignore[no-untyped-def]
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
