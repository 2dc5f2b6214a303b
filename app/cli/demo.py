"""The demo: what is made ready before it starts, and the addresses it prints.

Owns the demo's words. Must not run anything.
"""

from __future__ import annotations

import shutil

import click

from app.actions.inspect import inspect_folder
from app.actions.publish import Authorship, NotPublished, apply
from app.cli.files import print_problems
from app.cli.migrating import migrate_or_exit
from app.main import EXAMPLES, build_world, today
from app.settings import Settings


def prepare(settings: Settings, *, fresh: bool) -> None:
    """A migrated database with the example campaigns published."""
    if fresh:
        _forget(settings)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate_or_exit(settings)
    world = build_world(settings)
    click.echo("reading campaigns and mails …")
    published = apply(world, inspect_folder(EXAMPLES, today()), Authorship("demo", "the example campaigns"))
    world.database.dispose()
    if isinstance(published, NotPublished):
        print_problems(published.problems)
        raise click.ClickException("the example campaigns have errors")


def _forget(settings: Settings) -> None:
    for path in settings.data.iterdir() if settings.data.is_dir() else ():
        if path.name != "secret":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def announce(settings: Settings, shop_port: int) -> None:
    """Where to look."""
    base = settings.base_url
    lines = [
        ("the shop, with the box", f"http://127.0.0.1:{shop_port}/"),
        ("its Persian side", f"http://127.0.0.1:{shop_port}/fa/"),
        ("every mail lands here", f"{base}/inbox"),
        ("the dashboard", f"{base}/dashboard"),
    ]
    click.echo("\nParvar is running. Open:")
    for words, url in lines:
        click.echo(f"  {words:<24} {url}")
    click.echo("\nStop it with Ctrl-C; --fresh begins anew.\n")
