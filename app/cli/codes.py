"""`parvar codes`: puts codes into pools and says how full they are.

Owns the words and the progress. Must not touch a pool itself.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.actions.shelf import Shelf
from app.actions.stock import Imported, PoolReport, import_codes, pool_reports
from app.cli.running import settings_or_exit
from app.core.offers import Offer
from app.main import build_world
from app.store import redemptions
from app.world import World


@click.group()
def codes() -> None:
    """Coupon codes of offers: fill pools, look how full they are, see what was misused."""


@codes.command("import")
@click.argument("pool")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def import_(pool: str, file: Path, as_json: bool) -> None:
    """Put the codes of FILE, one a line, into POOL.

    Bad lines and codes known already are named, the others go on. Doing it twice is no harm: pull the plug and start
    again. Exit code 1 when no code was taken.
    """
    world = build_world(settings_or_exit())
    live = _offers(world)
    done = _import(world, live, pool, file)
    if as_json:
        click.echo(json.dumps(asdict(done), ensure_ascii=False))
    else:
        _print_import(done, pool, live)
    sys.exit(0 if done.taken or not done.read else 1)


def _import(world: World, live: list[Offer], pool: str, file: Path) -> Imported:
    try:
        with file.open("rb") as raw:
            total = sum(1 for _ in raw)
        with file.open(encoding="utf-8-sig") as lines, _progress() as progress:
            task = progress.add_task(pool, total=total)
            return import_codes(world, live, pool, lines, lambda done: progress.update(task, completed=done.read))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _print_import(done: Imported, pool: str, live: list[Offer]) -> None:
    for refusal in done.named:
        click.echo(f"line {refusal.line}: {refusal.text}: {refusal.why}", err=True)
    if done.refused > len(done.named):
        click.echo(f"… and {done.refused - len(done.named):,} more", err=True)
    click.echo(f"{pool}: {done.taken:,} codes taken, {done.refused:,} lines refused, {done.read:,} read")
    if done.released:
        click.echo(f"{done.released:,} mails that waited for a code leave now")
    if not any(getattr(offer.codes, "pool", "") == pool for offer in live):
        click.echo(f"No live offer draws from '{pool}' yet: write codes: {{pool: {pool}}} and publish.", err=True)


@codes.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """Show every pool: how many codes there are, are free, were redeemed, and which offers draw from it."""
    world = build_world(settings_or_exit())
    live = _offers(world)
    with world.transaction("read") as session:
        reports = pool_reports(session, live)
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports], ensure_ascii=False))
        return
    if not reports:
        click.echo("No pools yet. Put codes into one: parvar codes import POOL FILE")
        return
    Console(highlight=False).print(_table(reports))


def _table(reports: list[PoolReport]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("pool", "codes", "free", "given", "redeemed", "offers", ""):
        table.add_column(name, justify="left" if name in ("pool", "offers", "") else "right")
    for report in reports:
        pool = report.pool
        word = "empty" if report.offers and not pool.free else "low" if report.is_low else ""
        numbers = (pool.total, pool.free, pool.total - pool.free, report.redeemed)
        table.add_row(pool.pool, *(f"{number:,}" for number in numbers), ", ".join(report.offers), word)
    return table


@codes.command("misused")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
def misused(limit: int) -> None:
    """Show codes used twice, too late, by somebody else, or never handed out, newest first."""
    world = build_world(settings_or_exit())
    with world.transaction("read") as session:
        rows = redemptions.misused(session, limit)
    for row in rows:
        click.echo(f"{row.code_key}  order {row.order_id}  {row.verdict.replace('_', ' ')}  {row.offer}")
    if not rows:
        click.echo("Every code was used as it was meant.")


def _offers(world: World) -> list[Offer]:
    with world.transaction("read") as session:
        shelved = Shelf(world.secret).look(session)
    return list(shelved.workspace.offers.values()) if shelved else []
