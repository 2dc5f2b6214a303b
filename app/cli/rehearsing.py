"""`parvar test`: runs the scenarios and prints how they went.

Owns the words and the order of the output. Must not run anything itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from app.actions.inspect import Inspection, inspect_folder
from app.actions.rehearse import Failure, Rehearsal, rehearse
from app.cli.files import print_problems
from app.core.scenario import Scenario
from app.core.windows import local
from app.main import today

_LINES = 12
"""So many lines of what happened are shown with a failure."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("-k", "only", default="", help="Run scenarios whose name or title holds this text.")
def test(folder: Path, only: str) -> None:
    """Run the scenarios below FOLDER on a virtual clock, with the real engine, store and mails.

    Exit code 1 when a scenario fails or the files have errors.
    """
    inspection = inspect_folder(folder, today())
    if inspection.workspace is None or inspection.errors:
        print_problems(inspection.errors)
        sys.exit(1)
    wanted = [s for s in inspection.workspace.scenarios if only in s.key or only in s.title]
    began = time.perf_counter()
    rehearsals = _run(inspection, wanted, folder)
    failed = sum(not rehearsal.has_passed for rehearsal in rehearsals)
    console = Console(highlight=False)
    console.print(f"{len(rehearsals) - failed} passed, {failed} failed · {time.perf_counter() - began:.1f} s")
    sys.exit(1 if failed else 0)


def _run(inspection: Inspection, scenarios: Sequence[Scenario], folder: Path) -> list[Rehearsal]:
    console = Console(highlight=False, soft_wrap=True)
    done = []
    for scenario in scenarios:
        rehearsal = rehearse(inspection, scenario, lambda name: inspect_folder(folder / name, today()))
        if rehearsal.failure:
            _print_failure(console, rehearsal, rehearsal.failure)
        else:
            console.print(f"[green]✓[/green] {scenario.title}  [dim]{scenario.key}[/dim]")
        done.append(rehearsal)
    return done


def _print_failure(console: Console, rehearsal: Rehearsal, failure: Failure) -> None:
    console.print(f"[red]✗[/red] {rehearsal.scenario.title}        [dim]{failure.place}[/dim]")
    console.print(f"    wanted   {failure.wanted} · got {failure.got}")
    for line in rehearsal.told[-_LINES:]:
        seen = ", ".join(f"{key} {value}" for key, value in line.seen.items() if value not in ("", None))
        when = f"{local(line.at, rehearsal.zone):%a %-d %b %H:%M}"
        console.print(f"    {when}   {line.campaign} {line.step}  {line.code}  [dim]{seen}[/dim]", markup=True)
