"""`parvar graph`: draws a campaign.

Owns the choice of the picture. Must not draw.
"""

from __future__ import annotations

from pathlib import Path

import click

from app.actions.graph import NoSuchCampaign, mermaid, of_files, of_live, svg
from app.actions.inspect import inspect_folder
from app.core.drawing import Drawing
from app.main import today


@click.command()
@click.argument("campaign")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    show_default=True,
    help="Where campaigns/ and email_templates/ are.",
)
@click.option("--live", is_flag=True, help="The live version, with the people standing at each step.")
@click.option("--diff", is_flag=True, help="The files, coloured against the live version, with the people there.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there: .svg or .mmd.")
def graph(campaign: str, folder: Path, live: bool, diff: bool, output: Path | None) -> None:
    """Draw CAMPAIGN as Mermaid, or as SVG into a file of that name."""
    if live or diff:
        drawing = _live(campaign, folder if diff else None)
    else:
        drawing = of_files(inspect_folder(folder, today()), campaign)
    if isinstance(drawing, NoSuchCampaign):
        raise click.ClickException(f"there is no campaign {campaign}; there are {', '.join(drawing.known) or 'none'}")
    text = svg(drawing) if output is not None and output.suffix == ".svg" else mermaid(drawing)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


def _live(campaign: str, planned: Path | None) -> Drawing | NoSuchCampaign:
    from app.actions.shelf import Shelf
    from app.cli.running import settings_or_exit
    from app.main import build_world

    world = build_world(settings_or_exit())
    files = inspect_folder(planned, today()) if planned else None
    return of_live(world, Shelf(world.secret), campaign, files)
