"""`parvar keys`: keys of the HTTP API. A key is shown once, when it is made.

Owns the words. What is kept of a key is store/keys' matter.
"""

from __future__ import annotations

import json
import secrets
import sys

import click
from rich.console import Console
from rich.table import Table

from app.cli.running import settings_or_exit
from app.core.instants import to_datetime
from app.main import build_world
from app.store import keys as store


@click.group()
def keys() -> None:
    """Keys by which a shop's own program tells of orders and events."""


@keys.command()
@click.argument("name")
def create(name: str) -> None:
    """Make a key called NAME and print it. It cannot be shown again."""
    key = f"parvar_{secrets.token_urlsafe(32)}"
    world = build_world(settings_or_exit())
    with world.transaction("write") as session:
        store.add_key(session, name, key, world.wall())
    click.echo(key)
    click.echo("Keep it now: only its beginning and a digest are stored.", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def list_(as_json: bool) -> None:
    """List all keys by their beginning, revoked ones too."""
    world = build_world(settings_or_exit())
    with world.transaction("read") as session:
        rows = [(row.prefix, row.name, row.created_at, row.used_at, row.revoked_at) for row in store.keys(session)]
    names = ("prefix", "name", "created_at", "used_at", "revoked_at")
    if as_json:
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False, indent=1))
        return
    table = Table("Begins with", "Name", "Made", "Last used", "Revoked", box=None)
    for prefix, name, *instants in rows:
        table.add_row(prefix, name, *map(_shown, instants))
    Console(highlight=False).print(table)


@keys.command()
@click.argument("prefix")
def revoke(prefix: str) -> None:
    """End the key that begins with PREFIX, at once."""
    world = build_world(settings_or_exit())
    with world.transaction("write") as session:
        is_ended = store.revoke_key(session, prefix, world.wall())
    if not is_ended:
        click.echo(f"no living key begins with {prefix}", err=True)
        sys.exit(1)
    click.echo(f"{prefix} is revoked")


def _shown(instant: int | None) -> str:
    return "" if instant is None else f"{to_datetime(instant):%Y-%m-%d %H:%M}"
