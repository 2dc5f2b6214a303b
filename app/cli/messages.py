"""`parvar messages`: mails that need a decision: their fate is unknown, or they could not be written.

Owns how they are printed. What a decision does is app.actions.messages'.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from app.actions import messages as actions
from app.cli.running import settings_or_exit
from app.core.instants import to_datetime
from app.main import build_world
from app.store.measures import Troubled
from app.world import World

_Ids = tuple[int, ...]


@click.group()
def messages() -> None:
    """Mails that need a decision."""


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


def _world() -> World:
    return build_world(settings_or_exit())
