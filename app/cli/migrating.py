"""`parvar migrate`: brings the database to the form this version needs.

Owns the words. Must not touch a database itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from app.settings import Settings
from app.store import migrating
from app.store.engine import open_database


@click.command()
@click.option("--check", is_flag=True, help="Compare migrations with tables, in a database of its own; change nothing.")
def migrate(check: bool) -> None:
    """Bring the database to the form this version needs. A SQLite file is copied first."""
    if check:
        _check_drift()
        return
    from app.cli.running import settings_or_exit

    migrate_or_exit(settings_or_exit())


def migrate_or_exit(settings: Settings) -> None:
    """Migrate, or say why not and exit with 1."""
    database = open_database(settings.database_url)
    try:
        done = migrating.upgrade(database)
    except migrating.MigrationError as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.dispose()
    if done.before != done.after:
        copy = f", the old file is kept as {done.copy.name}" if done.copy else ""
        click.echo(f"database: {done.before or 'new'} → {done.after}{copy}")


def _check_drift() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'drift.db'}")
        migrating.upgrade(database)
        drift = migrating.check_drift(database)
        database.dispose()
    for line in drift:
        click.echo(line, err=True)
    sys.exit(1 if drift else 0)
