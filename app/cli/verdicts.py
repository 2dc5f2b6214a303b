"""`parvar verdicts`: judge history again, hold the counters against the facts.

Owns the words and how a date is read. Must not judge.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime

import click

from app.actions import track
from app.actions.shelf import Shelf
from app.cli.running import settings_or_exit
from app.core.instants import DAY, Instant, from_datetime, parse_span
from app.main import build_world


@click.group()
def verdicts() -> None:
    """Who made the opens and clicks: a human, a machine, or nobody can say."""


@verdicts.command()
@click.option("--since", required=True, help="A date such as 2026-11-01, or a span such as 30d.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def recompute(since: str, as_json: bool) -> None:
    """Judge every mail touched since then again, by the rules of this program.

    Scores, stages and counters are corrected, each change with a line in the ledger. No mail is sent and nobody enters
    a campaign because of it.
    """
    world = build_world(settings_or_exit())
    changed = track.recompute(world, Shelf(world.secret), _instant(since, world.now()))
    click.echo(json.dumps({"changed": changed}) if as_json else f"{changed} verdicts changed")


@verdicts.command()
@click.option("--days", default=30, show_default=True, help="So many whole days back from today.")
@click.option("--mend", is_flag=True, help="Set counters to what the facts say.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, for tools.")
def prove(days: int, mend: bool, as_json: bool) -> None:
    """Hold the counters of opens, clicks and credited orders against the facts. Exit code 1 when they differ."""
    world = build_world(settings_or_exit())
    today = world.now() // DAY
    found = track.prove(world, today - days, today, mend=mend)
    if as_json:
        click.echo(json.dumps([{"count": each.count, "kept": each.kept, "counted": each.counted} for each in found]))
    else:
        for each in found:
            click.echo(f"{'/'.join(map(str, each.count))}: kept {each.kept}, counted {each.counted}")
        click.echo(f"{len(found)} counters differ{' and were mended' if mend and found else ''}")
    sys.exit(1 if found and not mend else 0)


def _instant(text: str, now: Instant) -> Instant:
    try:
        return now - parse_span(text)
    except ValueError:
        pass
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            "write a date such as 2026-11-01, or a span such as 30d", param_hint="--since"
        ) from None
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))
