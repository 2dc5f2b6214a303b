"""`parvar accounts`: the way in for the first owner, and a list of who may enter.

Owns the words. Must not make accounts itself: a link does.
"""

from __future__ import annotations

import click

from app.actions import accounts as action
from app.cli.running import settings_or_exit
from app.main import build_world
from app.world import World


@click.group()
def accounts() -> None:
    """Who may enter the dashboard."""


@accounts.command(name="setup-link")
def setup_link() -> None:
    """Print a link that makes one owner. It serves once, for an hour."""
    world = _world()
    click.echo(f"{world.settings.base_url}/dashboard/setup/{action.setup_link(world)}")
    click.echo("Open it within an hour; it serves once.", err=True)


@accounts.command(name="list")
def list_accounts() -> None:
    """Print who may enter, with role and second factor."""
    for row in action.listed(_world()):
        locked = ", locked" if row.disabled_at else ""
        click.echo(f"{row.address}  {row.role}  second factor {'on' if row.totp_secret else 'off'}{locked}")


def _world() -> World:
    return build_world(settings_or_exit())
